"""The supervisor: speaks with the host, watches the child, writes every frame. Never runs tenant code.

Owns the life of a runner, a job's `Stage`, and the host's stream. Treats every byte from the child as hostile: read
within bounds, passed on as opaque text. Must not know Python the language; that is the child's.
"""

from __future__ import annotations

import enum
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator

import folder
import frames
import lockdown
import prepared_child
from frames import ProtocolError
from inbox import PayloadInbox
from job import Job
from prepared_child import ChildFailed, PreparedChild
from streams import OutputStream, Piece
from surroundings import Surroundings

HOST_IN, HOST_OUT = 0, 1
EXIT_GONE, EXIT_PROTOCOL, EXIT_NO_CHILD = 0, 70, 71

_READ_BYTES = 64 * 1024  # the size of a pipe: one read takes all that is in it
_MOST_OBSERVED = 2**53  # the child may declare any length; every JSON reader knows this much
_TAIL_INTERVAL_SECONDS = 0.1
# stdin, stdout, stderr, both ends of the wake-up pipe: all that is open between two jobs
_OWN_DESCRIPTORS = 5
_FACTS = {"status": "status", "mountinfo": "mountinfo", "limits": "limits", "net_dev": "net/dev"}


class HostGone(Exception):
    """Raised when the host has closed its stream: there is nobody left to work for."""


class Stage(enum.Enum):
    """Where a job is in its life: a `job` frame moves it on, a result ends it, `renew` makes way for the next."""

    WARM = "warm"
    RUNNING = "running"
    DONE = "done"
    RENEWED = "renewed"


def run() -> int:
    """Prepare a child, say ready, serve one job; again for as long as the host renews. The exit code of the runner."""
    gc.disable()
    gc.freeze()
    surroundings = Surroundings()
    decoder = frames.FrameDecoder()
    greeting = _ready()
    child = None
    try:
        while True:
            child = prepared_child.fork_child(_live)
            wakeup = _hear_of_children()
            child.await_lock()
            nonce = Supervisor(child, wakeup, decoder).serve({**greeting, "facts": _facts(child)})
            child.bury()
            greeting = {"type": "kept", "nonce": nonce, "inspection": surroundings.inspect(_OWN_DESCRIPTORS)}
            _forget_the_job()
    except HostGone:
        return EXIT_GONE
    except ProtocolError as error:
        return _complain(EXIT_PROTOCOL, f"protocol: {error}")
    except (ChildFailed, lockdown.LockdownError, OSError) as error:
        return _complain(EXIT_NO_CHILD, f"child: {error}")
    finally:
        if child is not None:
            child.bury()


def _ready() -> dict[str, object]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"type": "ready", "runtime": "python", "version": version}


def _forget_the_job() -> None:
    """Before the next child is forked, which starts with a copy of this memory."""
    signal.set_wakeup_fd(-1)
    import child  # from here on our children find imported what they need: 100 ms less for each

    child.preload()
    # INVARIANT: no object of the former job is alive in the next child. Its bytes may still stand in freed memory;
    # both jobs are of one tenant (docs/security.md).
    gc.collect()
    gc.freeze()


def _live(supervisor_pid: int) -> None:
    import child  # not before the fork: what only the child needs stays out of the supervisor

    child.live(supervisor_pid)


def _hear_of_children() -> int:
    """A descriptor that becomes readable when the child ends. Every other signal is blocked."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    # SECURITY: the child's filter lets it signal nobody; should a way be found, only SIGKILL and SIGSTOP act here.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGCHLD})
    return ours


def _facts(child: PreparedChild) -> dict[str, str]:
    facts = {name: _read_text(f"/proc/self/{path}") for name, path in _FACTS.items()}
    facts["child_status"] = child.status()
    if not lockdown.is_stacked_on(facts["status"], facts["child_status"]):
        raise ChildFailed("the kernel does not show the child's own filter")
    return facts


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _complain(code: int, sentence: str) -> int:
    os.write(2, f"runner: {sentence[:1000]}\n".encode("utf-8", "replace"))
    return code


class Supervisor:
    """One child, one job, one result. INVARIANT: the next job has a new one, so nothing of a job can act on it."""

    def __init__(self, child: PreparedChild, wakeup: int, decoder: frames.FrameDecoder) -> None:
        self._child = child
        self._wakeup = wakeup
        self._stage = Stage.WARM
        self._decoder = decoder
        self._renewal = ""
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._feeds: dict[int, memoryview] = {}
        self._tails_due: float | None = None
        self._job: Job | None = None
        self._inbox = PayloadInbox(0)
        self._streams: dict[int, OutputStream] = {}

    def serve(self, greeting: dict[str, object]) -> str:
        """Greet the host, serve its job; answers the nonce of its `renew`.

        Raises HostGone, ProtocolError or ChildFailed, nothing else.
        """
        self._watch(HOST_IN, self._hear_host)
        self._watch(self._wakeup, self._hear_of_child)
        self._rehearse()
        self._send(greeting)
        while self._stage is not Stage.RENEWED:
            self._turn()
        return self._renewal

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(self._patience_ms()):
            if descriptor in self._handlers:  # an earlier one of this turn may have ended the job
                self._handlers[descriptor]()
        if self._tails_due is not None and time.monotonic() >= self._tails_due:
            self._tails_due = None
            self._send_pieces(stream.release_tail() for stream in self._streams.values() if stream.has_tail)

    def _patience_ms(self) -> float | None:
        if self._tails_due is None:
            return None
        return max(0.0, self._tails_due - time.monotonic()) * 1000 + 1

    # -- the host -------------------------------------------------------------------------------------------------

    def _hear_host(self) -> None:
        data = os.read(HOST_IN, _READ_BYTES)
        if not data:
            raise HostGone
        for body in self._decoder.feed(data):
            self._obey(body)

    def _obey(self, body: bytes) -> None:
        fields = frames.parse(body)
        match fields["type"]:
            case "ping":
                self._send({"type": "pong", "nonce": fields.get("nonce")})
            case "job" if self._stage is Stage.WARM:
                self._start(Job.from_wire(fields), body)
            case "renew" if self._stage is Stage.DONE and isinstance(fields.get("nonce"), str):
                self._stage, self._renewal = Stage.RENEWED, fields["nonce"]
            case other:
                raise ProtocolError(f"a frame of type {str(other)[:40]!r} while {self._stage.value}")

    def _send(self, fields: dict[str, object]) -> None:
        self._write(frames.encode(fields))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(HOST_OUT, view) :]
        except OSError:
            raise HostGone from None

    # -- the start of a job ---------------------------------------------------------------------------------------

    def _start(self, job: Job, body: bytes) -> None:
        self._stage, self._job = Stage.RUNNING, job
        self._inbox = _debug_inbox(job) if job.is_debugged else PayloadInbox(job.payload_bytes)
        # The child parses the very bytes the host wrote: nothing is encoded twice.
        self._feed(self._child.job, frames.LENGTH.pack(len(body)) + body)
        self._feed(self._child.stdin, job.stdin)
        for descriptor, name in ((self._child.stdout, "stdout"), (self._child.stderr, "stderr")):
            self._streams[descriptor] = OutputStream(name, job.output_bytes)
            self._watch(descriptor, lambda descriptor=descriptor: self._hear_stream(descriptor))
        if job.is_program and not job.is_debugged:
            os.close(self._child.payload)  # a program has no payload to deliver
        else:
            self._watch(self._child.payload, self._hear_payload)

    def _feed(self, descriptor: int, data: bytes) -> None:
        self._feeds[descriptor] = memoryview(data)
        self._push(descriptor)

    def _push(self, descriptor: int) -> None:
        """Write what the pipe takes; close it when nothing is left, or nobody reads."""
        left = self._feeds[descriptor]
        try:
            left = left[os.write(descriptor, left) :] if left else left
        except BlockingIOError:
            pass
        except OSError:
            left = left[:0]
        self._feeds[descriptor] = left
        if not left:
            self._drop(descriptor)
        elif descriptor not in self._handlers:
            self._watch(descriptor, lambda: self._push(descriptor), select.POLLOUT)

    # -- the child ------------------------------------------------------------------------------------------------

    def _hear_stream(self, descriptor: int) -> None:
        data = _read(descriptor)
        if data is None:
            return
        if not data:
            self._drop(descriptor)
            return
        stream = self._streams[descriptor]
        self._send_pieces([stream.feed(data)])
        if stream.has_tail and self._tails_due is None:
            self._tails_due = time.monotonic() + _TAIL_INTERVAL_SECONDS

    def _hear_payload(self) -> None:
        self._read_payload()
        if self._inbox.is_too_large:
            self._child.kill()
            self._finish("output_limit", observed=min(self._inbox.declared_bytes, _MOST_OBSERVED))
        elif self._inbox.is_complete:
            self._finish("returned", payload=self._inbox.payload)

    def _read_payload(self) -> None:
        """What is there, but no more than the job may return."""
        while not self._inbox.is_settled:
            data = _read(self._child.payload)
            if data is None:
                return
            if not data:  # it closed its end: no payload can come any more
                self._drop(self._child.payload)
                return
            self._inbox.feed(data)
            if self._job.is_debugged:
                # INVARIANT: one read a turn. Records have no end that the job's limits set, and others wait.
                self._send_debug(self._inbox.take_debug())
                return

    def _send_debug(self, text: bytes) -> None:
        # SECURITY: opaque text, as the payload is; the host parses it as hostile data.
        if text:
            self._write(frames.encode({"type": "debug", "job": self._job.id}, payload=text))

    def _hear_of_child(self) -> None:
        _read(self._wakeup)
        status = self._child.reap()
        if status is None or self._stage in (Stage.DONE, Stage.RENEWED):
            return
        if self._stage is Stage.WARM:
            raise ChildFailed("it ended before a job came")
        if self._child.payload in self._handlers:
            self._hear_payload()
        if self._stage is Stage.RUNNING:
            self._report_end(os.waitstatus_to_exitcode(status))

    def _report_end(self, code: int) -> None:
        if code < 0:
            self._finish("signalled", signal_number=-code)
        else:
            self._finish("exited", exit_code=code)

    # -- the end of a job -----------------------------------------------------------------------------------------

    def _finish(
        self,
        how: str,
        *,
        payload: bytes | None = None,
        exit_code: int | None = None,
        signal_number: int | None = None,
        observed: int | None = None,
    ) -> None:
        # INVARIANT: all streams first, then the one result, in one write; what the child says later is not read.
        fields = {"type": "result", "job": self._job.id, "how": how, "exit_code": exit_code}
        fields |= {"signal": signal_number, "observed": observed, "disk_used": folder.bytes_used()}
        fields["files"] = self._job.is_program and self._left_files()
        result = frames.encode(_without_false(fields), payload=payload)
        if len(result) > frames.MAX_FRAME_TO_HOST:
            fields |= {"how": "output_limit", "observed": len(payload or result), "files": False}
            result = frames.encode(_without_false(fields))
        self._write(b"".join((*self._last_pieces(), result)))
        self._retire()

    def _left_files(self) -> dict[str, str]:
        return folder.collect(self._job.files, self._job.output_bytes)

    def _last_pieces(self) -> Iterator[bytes]:
        for descriptor, stream in self._streams.items():
            data = _read(descriptor) if descriptor in self._handlers else None
            pieces = [stream.feed(data)] if data else []
            pieces.append(stream.release_tail(final=True))
            yield from (self._encode_piece(piece) for piece in pieces if piece)

    def _retire(self) -> None:
        self._stage = Stage.DONE
        self._child.kill()
        self._tails_due = None
        for descriptor in [*self._handlers]:
            if descriptor not in (HOST_IN, self._wakeup):
                self._drop(descriptor)

    def _send_pieces(self, pieces: Iterator[Piece | None] | list[Piece | None]) -> None:
        data = b"".join(self._encode_piece(piece) for piece in pieces if piece)
        if data:
            self._write(data)

    def _encode_piece(self, piece: Piece) -> bytes:
        return frames.encode({"type": "stream", "job": self._job.id, **piece})

    # -- descriptors ----------------------------------------------------------------------------------------------

    def _watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def _drop(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
        os.close(descriptor)

    def _rehearse(self) -> None:
        """Touch the code and the memory of a job's path once, so that the first job finds them warm."""
        stream = OutputStream("stdout", 1)
        for _ in range(8):
            (body,) = frames.FrameDecoder().feed(frames.encode({"type": "job", **Job.SAMPLE}))
            Job.from_wire(frames.parse(body))
            PayloadInbox(99).feed(PayloadInbox.HEADER.pack(2) + b"{}")
            frames.encode({"type": "result", **(stream.feed(b"ab") or {})}, payload=b"{}")
            self._poll.poll(0)


def _debug_inbox(job: Job) -> PayloadInbox:
    from debug_inbox import DebugInbox  # only where a job asks for debug mode

    return DebugInbox(job.payload_bytes, takes_payload=not job.is_program)


def _read(descriptor: int) -> bytes | None:
    """What a pipe of the child holds: bytes, b"" at its end, None when there is nothing now."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return None


def _without_false(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not False}
