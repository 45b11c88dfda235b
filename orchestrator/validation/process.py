"""Validation floor: one checking process as the event loop sees it. A question is answered, or the process is gone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import orchestrator
from orchestrator.domain.errors import BackendError, ProtocolError
from orchestrator.validation.messages import LENGTH, MAX_ANSWER_BYTES, split_message

__all__ = ("CheckingProcess", "ProcessLost")

READY_WITHIN_SECONDS = 30.0


class ProcessLost(BackendError):
    """Raised when a checking process gave no answer: crashed, out of memory or time, or talking nonsense."""


class CheckingProcess(asyncio.Protocol):
    """One process and the socket to it. One question at a time; after ProcessLost it is dead."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._ended = False
        self.policies: set[str] = set()
        """Digests of the policies it has been told."""

    @classmethod
    async def start(cls, *arguments: str) -> CheckingProcess:
        """A process that is ready. Raises ProcessLost."""
        ours, theirs = socket.socketpair()
        spawning = asyncio.ensure_future(asyncio.to_thread(_spawn, theirs, arguments))
        try:
            process = await asyncio.shield(spawning)
        except BaseException as error:
            # Cancelled or not, a process that comes to be must not stay without an owner.
            await _end_unowned(spawning)
            ours.close()
            if isinstance(error, OSError):
                raise ProcessLost(f"cannot start a checking process: {error}", step="check") from None
            raise
        finally:
            theirs.close()
        protocol = cls(process)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, ours)
            await protocol._receive(READY_WITHIN_SECONDS)
        except BaseException:
            ours.close()
            await protocol.end()
            raise
        return protocol

    @property
    def pid(self) -> int:
        """For tests and for the operator."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it cannot answer any more."""
        return self._ended

    async def ask(self, message: bytes, *, within_seconds: float) -> tuple[dict[str, Any], bytes]:
        """The head and body of its answer. Raises ProcessLost; the process is to be ended then."""
        if self._transport is None or self._ended:
            raise ProcessLost("the checking process has ended", step="check")
        self._transport.write(message)
        try:
            return await self._receive(within_seconds)
        except ProcessLost:
            if not self._ended:
                raise
            raise ProcessLost(await asyncio.to_thread(self._how_it_ended), step="check") from None

    def _how_it_ended(self) -> str:
        """Blocking, for a moment: its socket has ended, so it is about to."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "the checking process closed its socket"
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"the checking process ended {how}"

    async def _receive(self, within_seconds: float) -> tuple[dict[str, Any], bytes]:
        try:
            async with asyncio.timeout(within_seconds):
                answer = await self._answer
            self._answer = asyncio.get_running_loop().create_future()
            return split_message(answer)
        except TimeoutError:
            raise ProcessLost(f"no answer within {within_seconds:.1f} s", step="check") from None
        except ProtocolError as error:
            raise ProcessLost(str(error), step="check") from None

    def stop_asking(self) -> None:
        """It said that this answer was its last."""
        self._ended = True

    async def end(self) -> None:
        """Kill and reap it. Safe to call again."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()
        self._process.kill()
        await asyncio.shield(asyncio.to_thread(self._process.wait))

    # -- called by the event loop -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        # What every loop gives for a stream socket; uvloop's is no subclass.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        self._buffer += data
        if len(self._buffer) < LENGTH.size:
            return
        size = LENGTH.unpack_from(self._buffer)[0]
        if size > MAX_ANSWER_BYTES or len(self._buffer) > LENGTH.size + size:
            self._fail("an answer that is too long")
        elif len(self._buffer) == LENGTH.size + size:
            answer, self._buffer = bytes(self._buffer[LENGTH.size :]), bytearray()
            if self._answer.done():
                self._fail("an answer that nobody asked for")
            else:
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        """The process is gone, or going."""
        self._fail("the checking process ended")

    def _fail(self, problem: str) -> None:
        self._ended = True
        if not self._answer.done():
            self._answer.set_exception(ProcessLost(problem, step="check"))
            self._answer.exception()  # it may be that nobody waits


async def _end_unowned(spawning: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    await asyncio.wait([spawning])
    if spawning.exception() is None:
        process = spawning.result()
        process.kill()
        process.wait()


def _spawn(standard_input: socket.socket, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Blocking. The process gets this package, no environment of ours, and the socket."""
    root = str(Path(orchestrator.__file__).parent.parent)
    environment = {"PYTHONPATH": root, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "orchestrator.validation.worker", *arguments],
        stdin=standard_input.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
