"""Validation floor: the checking process, `python -m orchestrator.validation.worker`.

It answers one question at a time, over its standard input, a socket. It says `ready` when nothing dangerous is left to
it, and ends with its socket. A question that takes more CPU time than it brings along ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from orchestrator.domain.bounds import ForeignJsonError, parse_foreign_json
from orchestrator.domain.limits import MIB
from orchestrator.guard import javascript, python
from orchestrator.guard.policy import Policy, load_preset, policy_from_wire
from orchestrator.guard.report import Source
from orchestrator.guard.validator import validate
from orchestrator.validation.confinement import confine
from orchestrator.validation.messages import (
    LENGTH,
    encode_message,
    report_to_wire,
    source_from_wire,
    split_message,
)

__all__ = ("main",)

CONNECTION = 0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RETIRE_BYTES = 128 * MIB
"""A process that has grown to this, and stays there, gives its memory back by ending."""


def main() -> None:
    """Answer questions until the socket ends."""
    answerer = _schemas() if sys.argv[1:] == ["schemas"] else _Sources()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    confine()
    _send(encode_message({"ready": True}))
    while (question := _receive()) is not None:
        head, body = split_message(question)
        signal.setitimer(signal.ITIMER_PROF, head["cpu_seconds"])
        answer, rest = answerer.answer(head, body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        is_last = _resident_bytes(statm) > RETIRE_BYTES
        _send(encode_message({**answer, "last": is_last}, rest))
        if is_last:
            return


class _Sources:
    """Checks sources, and JSON texts."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}
        # Loads and exercises what the first question needs; after `confine` no file can be opened.
        for grammar in (javascript.grammar(), python.grammar()):
            grammar.errors(grammar.parse(b"a = (1]"))
        for language in ("JavaScript", "Python"):
            validate(Source(data="x = '\u202e' (".encode(), language=language), load_preset("strict"))

    def answer(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """`json`: what is wrong with the body. `source`: a report on it."""
        if head["do"] == "json":
            return {"problem": _json_problem(body)}, b""
        if "policy_fields" in head:
            self._policies[head["policy"]] = policy_from_wire(head["policy_fields"])
        return report_to_wire(validate(source_from_wire(head, body), self._policies[head["policy"]]))


def _json_problem(body: bytes) -> str | None:
    try:
        parse_foreign_json(body.decode())
    except ForeignJsonError as error:
        return str(error)
    return None


def _schemas() -> Any:
    """The answerer for JSON Schemas, whose library only these processes load."""
    from orchestrator.validation.schemas import Schemas  # noqa: PLC0415

    return Schemas()


def _resident_bytes(statm: int) -> int:
    # Not getrusage: its peak counts what the starting process had, too.
    return int(os.pread(statm, 100, 0).split()[1]) * PAGE_BYTES


def _send(message: bytes) -> None:
    # Plain read and write: the filter has no calls of sockets.
    view = memoryview(message)
    while view:
        view = view[os.write(CONNECTION, view) :]


def _receive() -> bytes | None:
    """One message without its length; None at the end."""
    length = _exactly(LENGTH.size)
    return None if length is None else _exactly(LENGTH.unpack(length)[0])


def _exactly(size: int) -> bytes | None:
    chunks, missing = [], size
    while missing:
        chunk = os.read(CONNECTION, min(missing, MIB))
        if not chunk:
            return None
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


if __name__ == "__main__":
    main()
