"""Function mode: the source gets `input` and assigns `output`, or has an entry point that is called.

Owns how a job's value comes about and which payload it becomes. Must not know descriptors or the supervisor.
"""

from __future__ import annotations

import asyncio
import sys
from builtins import compile, eval
from json import loads
from sys import set_int_max_str_digits, setprofile, setrecursionlimit, settrace
from types import CoroutineType

import errors
import payload
from job import PAYLOAD_ROOM_BYTES
from namespace import SOURCE_NAME, fresh_main
from pristine import BUILTINS as __builtins__  # noqa: F401

_TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_RECURSION_LIMIT = 1000
_MOST_DIGITS = sys.int_info.default_max_str_digits


def run(job: dict[str, object], debugger: object = None) -> payload.Payload:
    """Run one job. Whatever the tenant's code does short of ending the process, this is its payload."""
    limit = job["limits"]["output_bytes"] + PAYLOAD_ROOM_BYTES
    try:
        output = _evaluate(job, debugger)
        _regain_control()
        return payload.of_output(output, limit)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the tenant's too
        if debugger is not None:
            _regain_control()
            debugger.leave()
            debugger.failed(error, job["code"])
        return _of_error(error, job["code"], limit)


def _evaluate(job: dict[str, object], debugger: object) -> object:
    value = loads(job["input"])
    namespace = fresh_main(job["allowed_globals"])
    namespace["input"] = value
    namespace["output"] = None
    settle = _Settler()
    code = compile(job["code"], SOURCE_NAME, "exec", _TOP_LEVEL_AWAIT, dont_inherit=True)
    if debugger is not None:
        debugger.begin()
    settle(eval(code, namespace))  # None, or a coroutine where the source awaits at its top level
    if job["entrypoint"] is None:
        return settle(namespace.get("output"))
    return settle(_entrypoint(namespace, job["entrypoint"])(value))


def _entrypoint(namespace: dict[str, object], name: str) -> object:
    if name not in namespace:
        raise NameError(f"entrypoint {name!r} is not defined")
    if not callable(namespace[name]):
        raise TypeError(f"entrypoint {name!r} is not callable")
    return namespace[name]


class _Settler:
    """Awaits what can be awaited, on one event loop for the whole job; other values pass as they are.

    The loop is never closed: what still runs on it ends with the process, like threads do.
    """

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def __call__(self, value: object) -> object:
        if type(value) is not CoroutineType and not hasattr(type(value), "__await__"):
            return value
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(_outcome_of(value))


async def _outcome_of(awaitable: object) -> object:
    return await awaitable


def _regain_control() -> None:
    # SECURITY: limits and hooks that tenant code may have set would act on the runner's own functions.
    settrace(None)
    setprofile(None)
    setrecursionlimit(_RECURSION_LIMIT)
    set_int_max_str_digits(_MOST_DIGITS)


def _of_error(error: BaseException, source: str, limit: int) -> payload.Payload:
    try:
        _regain_control()
        return payload.of_error(errors.describe(error, source), limit)
    except BaseException:  # no memory, or a hostile exception that nothing can describe
        return payload.OF_LAST_RESORT
