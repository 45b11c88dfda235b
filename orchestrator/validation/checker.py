"""Validation floor: checks sources, inputs and outputs without ever trusting or waiting on what reads them.

Two processes check. The first takes small questions only, so large ones never hold those up. A process that crashes,
grows or takes too long is replaced in the background, and what it was asked has failed: the checks fail closed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.bounds import ForeignJsonError, parse_foreign_json
from orchestrator.domain.errors import BackendError, InternalError, PoolTimeout, ProtocolError
from orchestrator.domain.limits import KIB, MIB
from orchestrator.guard.policy import Policy, policy_to_wire
from orchestrator.guard.report import Report, Source, unchecked
from orchestrator.telemetry import Telemetry
from orchestrator.validation.messages import encode_message, report_from_wire, source_to_wire
from orchestrator.validation.process import CheckingProcess, ProcessLost

__all__ = ("Checker", "open_checker")

SMALL_BYTES = 64 * KIB
INLINE_JSON_BYTES = 16 * KIB
CPU_SECONDS = 0.5
CPU_SECONDS_PER_MIB = 2.0
WALL_SECONDS = 2.0
WALL_PER_CPU = 4.0
REMEMBERED = 1024
REMEMBERED_BYTES = 16 * KIB
"""Larger sources are not remembered; all together hold 16 MiB at most."""
_Question = tuple[str, str, str, frozenset[str], bytes]
RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)


@asynccontextmanager
async def open_checker(telemetry: Telemetry) -> AsyncIterator[Checker]:
    """A checker, its processes starting in the background; on leaving they are gone."""
    checker = Checker(telemetry)
    checker.begin()
    try:
        yield checker
    finally:
        await checker.close()


class _Seat:
    """A place for one process, which has one question at a time."""

    def __init__(self, *, takes_large: bool) -> None:
        self.takes_large = takes_large
        self.process: CheckingProcess | None = None
        self.starting: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Line:
    """The seats of one kind, and who waits for one."""

    arguments: tuple[str, ...]
    seats: tuple[_Seat, ...]
    free: list[_Seat] = field(default_factory=list)
    waiting: deque[tuple[bool, asyncio.Future[_Seat]]] = field(default_factory=deque)

    def take(self, *, large: bool) -> _Seat | None:
        """A free seat for a question, the small ones' own first."""
        fits = [seat for seat in self.free if seat.takes_large or not large]
        if not fits:
            return None
        seat = min(fits, key=lambda each: each.takes_large)
        self.free.remove(seat)
        return seat

    def give(self, seat: _Seat) -> None:
        """A seat came free: the first who fits gets it."""
        for number, (large, waiter) in enumerate(self.waiting):
            if waiter.done() or (large and not seat.takes_large):
                continue
            del self.waiting[number]
            waiter.set_result(seat)
            return
        self.free.append(seat)


class Checker:
    """Checks for one event loop. Made by `open_checker`."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._sources = _Line((), (_Seat(takes_large=False), _Seat(takes_large=True)))
        late = _Seat(takes_large=True)
        self._schemas = _Line(("schemas",), (late,), free=[late])
        self._remembered: OrderedDict[_Question, Report] = OrderedDict()
        self._closing = False
        self.lost = 0
        """Processes that gave no answer, since the start."""

    def begin(self) -> None:
        """Start the processes for sources; those for schemas start when one is first needed."""
        for seat in self._sources.seats:
            self._restart(self._sources, seat)

    async def close(self) -> None:
        """End every process. What is being checked fails."""
        self._closing = True
        for line in (self._sources, self._schemas):
            for seat in line.seats:
                if seat.starting is not None:
                    seat.starting.cancel()
                    await asyncio.wait([seat.starting])
                if seat.process is not None:
                    await seat.process.end()
            for _, waiter in line.waiting:
                waiter.cancel()

    @property
    def is_fit(self) -> bool:
        """Whether any process for sources lives. While none does, checks wait for the next."""
        return any(seat.process is not None and not seat.process.has_ended for seat in self._sources.seats)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes at this moment."""
        lines = (self._sources, self._schemas)
        return tuple(seat.process.pid for line in lines for seat in line.seats if seat.process is not None)

    # -- what is checked --------------------------------------------------------------------------------

    async def check(self, source: Source, policy: Policy, *, within_seconds: float = 30.0) -> Report:
        """The report on one source. Raises PoolTimeout where no process came free in time."""
        if policy.checks_nothing:
            return Report()
        key = _key(source, policy)
        if (known := self._remembered.get(key)) is not None:
            self._remembered.move_to_end(key)
            return known
        try:
            report = await self._ask_for_report(source, policy, within_seconds)
        except (ProcessLost, ProtocolError) as error:
            self._telemetry.check_failed(len(source.data), error)
            return Report(findings=(unchecked("no answer in time"),))
        self._remember(key, source, report)
        return report

    async def problem_of_input(self, text: str, *, within_seconds: float = 30.0) -> str | None:
        """What is wrong with JSON `text`, in words; None where nothing is."""
        if len(text) <= INLINE_JSON_BYTES:
            try:
                parse_foreign_json(text)
            except ForeignJsonError as error:
                return str(error)
            return None
        return await self._ask_for_problem(self._sources, {"do": "json"}, text.encode(), within_seconds)

    async def problem_of_schema(self, schema: str, *, within_seconds: float = 30.0) -> str | None:
        """What is wrong with the JSON Schema `schema`; None where nothing is."""
        body = schema.encode()
        head = {"do": "schema", "schema_bytes": len(body)}
        return await self._ask_for_problem(self._schemas, head, body, within_seconds)

    async def problem_of_output(
        self, schema: str, output: str, *, within_seconds: float = 30.0
    ) -> str | None:
        """Where the JSON `output` is not as the schema says, path first; None where it is."""
        body = schema.encode()
        head = {"do": "output", "schema_bytes": len(body)}
        return await self._ask_for_problem(self._schemas, head, body + output.encode(), within_seconds)

    async def _ask_for_problem(
        self, line: _Line, head: dict[str, object], body: bytes, within_seconds: float
    ) -> str | None:
        try:
            answer, _ = await self._ask(line, head, body, within_seconds)
        except ProcessLost as error:
            self._telemetry.check_failed(len(body), error)
            return "could not be checked within its bounds"
        problem = answer.get("problem")
        return None if problem is None else str(problem)

    async def _ask_for_report(self, source: Source, policy: Policy, within_seconds: float) -> Report:
        head = {"do": "source", **source_to_wire(source)}
        return report_from_wire(*await self._ask(self._sources, head, source.data, within_seconds, policy))

    # -- asking -----------------------------------------------------------------------------------------

    async def _ask(
        self,
        line: _Line,
        head: dict[str, object],
        body: bytes,
        within_seconds: float,
        policy: Policy | None = None,
    ) -> tuple[dict[str, Any], bytes]:
        cpu_seconds = CPU_SECONDS + CPU_SECONDS_PER_MIB * len(body) / MIB
        seat = await self._take(line, within_seconds, large=len(body) > SMALL_BYTES)
        process = seat.process
        if process is None:  # pragma: no cover - a seat is only given with its process
            raise InternalError("a seat without a process")
        head["cpu_seconds"] = cpu_seconds
        if policy is not None:
            _add_policy(head, policy, process)
        try:
            message = encode_message(head, body)
            answer = await process.ask(message, within_seconds=WALL_SECONDS + cpu_seconds * WALL_PER_CPU)
        except BaseException:
            # An answer still to come would be taken for that to the next question.
            self.lost += 1
            process.stop_asking()
            raise
        else:
            if answer[0].get("last"):
                process.stop_asking()
            return answer
        finally:
            self._give_back(line, seat)

    async def _take(self, line: _Line, within_seconds: float, *, large: bool) -> _Seat:
        self._replace_the_dead(line)
        if (seat := line.take(large=large)) is not None:
            return seat
        waiter: asyncio.Future[_Seat] = asyncio.get_running_loop().create_future()
        line.waiting.append((large, waiter))
        try:
            async with asyncio.timeout(within_seconds):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._give_back(line, waiter.result())
            waiter.cancel()
            if isinstance(error, TimeoutError):
                raise PoolTimeout("no checking process came free in time") from None
            raise

    def _give_back(self, line: _Line, seat: _Seat) -> None:
        if self._closing:
            return
        if seat.process is None or seat.process.has_ended:
            self._restart(line, seat)
        else:
            line.give(seat)

    def _replace_the_dead(self, line: _Line) -> None:
        """Processes that died while nobody asked them; and the first, where a line has not begun."""
        for seat in line.free[:]:
            if seat.process is None or seat.process.has_ended:
                line.free.remove(seat)
                self._restart(line, seat)

    def _restart(self, line: _Line, seat: _Seat) -> None:
        seat.starting = asyncio.create_task(self._start(line, seat), name="start a checking process")

    async def _start(self, line: _Line, seat: _Seat) -> None:
        """A new process in the seat, tried until there is one."""
        if seat.process is not None:
            await seat.process.end()
            seat.process = None
        attempt = 0
        while True:
            try:
                seat.process = await CheckingProcess.start(*line.arguments)
                break
            except BackendError as error:
                self._telemetry.check_failed(0, error)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
        seat.starting = None
        line.give(seat)

    def _remember(self, key: _Question, source: Source, report: Report) -> None:
        if len(source.data) <= REMEMBERED_BYTES:
            self._remembered[key] = report
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


def _add_policy(head: dict[str, object], policy: Policy, process: CheckingProcess) -> None:
    """A process is told each policy once."""
    digest = policy.digest
    head["policy"] = digest
    if digest not in process.policies:
        process.policies.add(digest)
        head["policy_fields"] = policy_to_wire(policy)


def _key(source: Source, policy: Policy) -> _Question:
    """Everything that the answer depends on."""
    return policy.digest, source.language, source.mode, source.own_modules, source.data
