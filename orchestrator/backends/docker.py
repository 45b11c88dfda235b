"""Backends floor: the one door to a Docker Engine, and the only importer of its SDK.

Owns the connection, the bounded threads in which the SDK's blocking calls run, their deadlines, and the
translation of every SDK error into ours. Nothing of the SDK leaves this file but plain values and sockets.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import requests
import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from orchestrator.backends.base import ContainerEvent, EngineInfo, OwnedContainer
from orchestrator.domain.errors import (
    BackendError,
    ContainerGone,
    EngineRefused,
    EngineUnavailable,
    ImageBuildFailed,
    ImageMissing,
)

__all__ = ("Engine", "EngineSettings", "ExecStream")

_T = TypeVar("_T")

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
MAX_UNHEARD_EVENTS = 10_000
MAX_ERROR_TEXT = 500
"""The engine's messages can be tens of kilobytes (SECURITY-NOTES, M15)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How to reach an engine and how hard to lean on it."""

    url: str | None = None
    """`unix:///…` or `tcp://…`; None takes DOCKER_HOST, else the usual local socket."""
    call_seconds: float = 30.0
    """Longest silence of the engine within one call; then it counts as unavailable."""
    concurrent_calls: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecStream:
    """The hijacked connection of an `exec`, and what had already been read of it."""

    socket: socket.socket
    early: bytes


class Engine:
    """Async calls to one Docker Engine. Each raises only BackendError and its kin."""

    def __init__(self, client: docker.APIClient, settings: EngineSettings) -> None:
        self._client = client
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.concurrent_calls, thread_name_prefix="engine")

    @classmethod
    async def open(cls, settings: EngineSettings) -> Engine:
        """Connect and agree on an API version. Raises EngineUnavailable, saying what to do."""
        return await asyncio.to_thread(cls._open, settings)

    @classmethod
    def _open(cls, settings: EngineSettings) -> Engine:
        where = settings.url or os.environ.get("DOCKER_HOST") or None
        with _our_errors("connect", where or "the local socket"):
            client = docker.APIClient(base_url=where, version="auto", timeout=int(settings.call_seconds))
        return cls(client, settings)

    async def close(self) -> None:
        """Close all idle connections and wait for the calls in flight."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    # -- the engine itself ------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where it was looked for: `unix:///…` or `tcp://…`."""
        return self._settings.url or os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS

    async def answers(self, *, within_seconds: float) -> bool:
        """Whether the engine answers a ping in time. The call itself may go on in its thread."""
        ping = asyncio.ensure_future(self._call("ping", "", self._client.ping))
        ping.add_done_callback(_forget_outcome)
        await asyncio.wait({ping}, timeout=within_seconds)
        return ping.done() and ping.exception() is None

    async def describe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the engine says of itself and of its versions, in the API's own words."""
        facts = await self._call("info", "", self._client.info, again=True)
        version = await self._call("version", "", self._client.version, again=True)
        return dict(facts), dict(version)

    async def info(self) -> EngineInfo:
        """What the engine says of itself."""
        facts, version = await self.describe()
        return EngineInfo(
            name=str(facts.get("Name", "")),
            version=str(version.get("Version", "")),
            api_version=str(version.get("ApiVersion", "")),
            cgroup_version=int(facts.get("CgroupVersion") or 1),
            cgroup_driver=str(facts.get("CgroupDriver", "")),
            runtimes=tuple(sorted(facts.get("Runtimes") or ())),
            security_options=tuple(facts.get("SecurityOptions") or ()),
            cpus=int(facts.get("NCPU", 0)),
            memory_bytes=int(facts.get("MemTotal", 0)),
            warnings=tuple(facts.get("Warnings") or ()),
        )

    # -- containers -------------------------------------------------------------------------------

    async def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Create a container from an API-shaped `config`; answers its id. Raises ImageMissing."""
        create = partial(self._client.create_container_from_config, dict(config), name)
        made = await self._call("create", name, create, not_found=ImageMissing)
        return str(made["Id"])

    async def start(self, container: str) -> None:
        """Start a created container."""
        await self._call("start", container, partial(self._client.start, container), again=True)

    async def inspect(self, container: str) -> dict[str, Any]:
        """The engine's full description of a container."""
        look = partial(self._client.inspect_container, container)
        return dict(await self._call("inspect", container, look, again=True))

    async def exec_open(
        self, container: str, argv: tuple[str, ...], *, user: str, workdir: str
    ) -> tuple[str, ExecStream]:
        """Start `argv` in a running container with its stdin and stdout held open by us."""
        make = partial(
            self._client.exec_create, container, list(argv), stdin=True, user=user, workdir=workdir
        )
        exec_id = str((await self._call("exec", container, make))["Id"])
        hijack = partial(self._hijack, exec_id)
        stream = await self._call("attach", container, hijack, discard=lambda stream: stream.socket.close())
        return exec_id, stream

    def _hijack(self, exec_id: str) -> ExecStream:
        raw: Any = self._client.exec_start(exec_id, socket=True)
        response = raw._response  # noqa: SLF001 - kept there by the SDK; it holds the reader and the socket
        reader = response.raw._fp.fp  # noqa: SLF001
        raw._sock.setblocking(False)  # noqa: SLF001
        # The reader that parsed the HTTP header may hold the runner's first bytes already.
        early = bytes(reader.peek())
        adopted = raw._sock.dup()  # noqa: SLF001
        response.close()
        adopted.setblocking(False)
        return ExecStream(socket=adopted, early=early)

    async def exec_exit_code(self, exec_id: str) -> int | None:
        """The exit code of an `exec`, None while it runs."""
        facts = await self._call("exec inspect", "", partial(self._client.exec_inspect, exec_id), again=True)
        code = facts.get("ExitCode")
        return None if facts.get("Running") or code is None else int(code)

    async def update_cpu(self, container: str, *, weight: int, cpus: float) -> None:
        """Change a running container's CPU weight and quota."""
        body = {"CpuShares": weight, "NanoCpus": round(cpus * 1e9)}
        await self._call("update", container, partial(self._update, container, body))

    async def update_limits(self, container: str, *, memory_bytes: int, processes: int) -> None:
        """Change a running container's limits of memory, without swap, and of processes."""
        body = {"Memory": memory_bytes, "MemorySwap": memory_bytes, "PidsLimit": processes}
        await self._call("update", container, partial(self._update, container, body))

    def _update(self, container: str, body: dict[str, int]) -> None:
        # The SDK's own call knows no PidsLimit and no NanoCpus, which were given when the container was made.
        client: Any = self._client
        url = client._url("/containers/{0}/update", container)  # noqa: SLF001
        client._raise_for_status(client._post_json(url, data=body))  # noqa: SLF001

    async def pause(self, container: str) -> None:
        """Freeze everything in a container."""
        await self._call("pause", container, partial(self._client.pause, container))

    async def resume(self, container: str) -> None:
        """Let a frozen container go on."""
        await self._call("resume", container, partial(self._client.unpause, container))

    async def stats(self, container: str) -> dict[str, Any]:
        """One reading of the engine's own counters of a container."""
        read = partial(self._client.stats, container, stream=False, one_shot=True)
        return dict(await self._call("stats", container, read))

    async def remove(self, container: str) -> None:
        """Kill and remove a container by id or name. One that is already gone is no error."""
        remove = partial(self._client.remove_container, container, force=True, v=True)
        with suppress(ContainerGone):
            await self._call("remove", container, remove, again=True)

    async def containers(self, labels: Mapping[str, str]) -> tuple[OwnedContainer, ...]:
        """All containers, running or not, that carry all of `labels`; an empty value matches any."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        find = partial(self._client.containers, all=True, filters={"label": wanted})
        found = await self._call("list", "", find, again=True)
        return tuple(
            OwnedContainer(id=row["Id"], labels=dict(row["Labels"]), running=row["State"] == "running")
            for row in found
        )

    async def events(self, labels: Mapping[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        """`die`, `oom` and `destroy` of containers with all of `labels`, as they happen, without an end.

        Raises EngineUnavailable when the engine stops telling. It has a thread and a connection of its own.
        """
        told: asyncio.Queue[ContainerEvent | BackendError] = asyncio.Queue(MAX_UNHEARD_EVENTS)
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        filters = {"type": ["container"], "event": ["die", "oom", "destroy"], "label": wanted}
        listen = partial(self._client.events, decode=True, filters=filters)
        stream = await self._call("events", "", listen, discard=_close)
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=_pass_on, args=(stream, partial(_tell, loop, told)), name="engine events", daemon=True
        ).start()
        try:
            while True:
                said = await told.get()
                if isinstance(said, BackendError):
                    raise said
                yield said
        finally:
            _close(stream)

    # -- images -----------------------------------------------------------------------------------

    async def image_inspect(self, reference: str) -> dict[str, Any] | None:
        """The engine's description of an image, None where it has none of that name."""
        look = partial(self._client.inspect_image, reference)
        try:
            return dict(await self._call("image", reference, look, again=True, not_found=ImageMissing))
        except ImageMissing:
            return None

    async def image_pull(self, reference: str, timeout_seconds: float) -> bool:
        """Pull an image; False where no registry gives it in time."""
        pull = partial(self._client.pull, *_repository_and_tag(reference))
        try:
            await asyncio.wait_for(
                self._call("pull", reference, pull, not_found=ImageMissing), timeout_seconds
            )
        except (BackendError, TimeoutError):
            return False
        return True

    async def image_import(self, tar_path: Path, reference: str) -> None:
        """Make an image of one layer from a tar of a root file system."""
        repository, tag = _repository_and_tag(reference)
        load = partial(self._client.import_image_from_file, str(tar_path), repository=repository, tag=tag)
        await self._call("import", reference, load)

    async def image_tag(self, source: str, reference: str) -> None:
        """Give an image a further name."""
        tag = partial(self._client.tag, source, *_repository_and_tag(reference))
        await self._call("tag", reference, tag, not_found=ImageMissing)

    async def image_build(
        self,
        context: bytes,
        *,
        tag: str,
        build_args: dict[str, str],
        labels: dict[str, str],
        progress: Callable[[str], None],
    ) -> None:
        """Build an image from a tar of its context. Raises ImageBuildFailed with the last lines."""
        loop = asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(progress, line)

        build = partial(self._build, context, tag, build_args, labels, tell)
        await self._call("build", tag, build)

    def _build(
        self,
        context: bytes,
        tag: str,
        build_args: dict[str, str],
        labels: dict[str, str],
        tell: Callable[[str], None],
    ) -> None:
        import io  # noqa: PLC0415 - only builds need it

        messages: Iterator[dict[str, Any]] = self._client.build(
            fileobj=io.BytesIO(context), custom_context=True, tag=tag, buildargs=build_args, labels=labels,
            decode=True, rm=True, forcerm=True, timeout=900,
        )  # fmt: skip
        last: list[str] = []
        for message in messages:
            for line in str(message.get("stream") or message.get("error") or "").splitlines():
                last = [*last[-14:], line]
                tell(line)
            if "error" in message:
                raise ImageBuildFailed("\n".join(last), step="build", container=tag)

    async def image_remove(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        remove = partial(self._client.remove_image, reference, force=True)
        with suppress(ImageMissing):
            await self._call("image remove", reference, remove, not_found=ImageMissing)

    async def image_export(self, reference: str) -> AsyncIterator[bytes]:
        """The tar of an image's root file system, read through a container that is never started."""
        config = {"Image": reference, "Cmd": ["/none"], "HostConfig": {"NetworkMode": "none"}}
        container = await self.create("", config)
        try:
            chunks = await self._call("export", container, partial(self._client.export, container))
            while chunk := await self._call("export", container, partial(next, chunks, b"")):
                yield chunk
        finally:
            await self.remove(container)

    # -- how every call is made -------------------------------------------------------------------

    async def _call(
        self,
        step: str,
        container: str,
        function: Callable[[], _T],
        *,
        again: bool = False,
        not_found: type[BackendError] = ContainerGone,
        discard: Callable[[_T], None] | None = None,
    ) -> _T:
        """Run one blocking SDK call in our threads; `again` marks those that may be repeated safely.

        A cancelled caller still waits for its call, since a thread cannot be stopped: so an undo that
        follows sees everything the call did. The SDK's own time limit bounds that wait. `discard` is then
        given the result that nobody takes.
        """
        attempt = partial(_with_our_errors, step, container, function, not_found)
        if again:
            attempt = partial(_retrying(), attempt)
        future = asyncio.get_running_loop().run_in_executor(self._threads, attempt)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(BackendError):
                untaken = await future
                if discard is not None:
                    discard(untaken)
            raise


def _forget_outcome(call: asyncio.Future[bool]) -> None:
    """Nobody waits for it any more; asyncio must not complain that nobody looked."""
    if not call.cancelled():
        call.exception()


def _pass_on(stream: Iterable[dict[str, Any]], tell: Callable[[ContainerEvent | BackendError], None]) -> None:
    """The life of the events thread: to the end of the stream, which is told as an error."""
    try:
        with _our_errors("events", ""):
            for row in stream:
                tell(ContainerEvent(container_id=str(row.get("id")), action=str(row.get("Action"))))
    except BackendError as error:
        tell(error)
    except Exception as error:  # noqa: BLE001 - a stream closed under its reader raises whatever it was doing
        tell(EngineUnavailable(repr(error), step="events"))
    else:
        tell(EngineUnavailable("the engine closed the stream of events", step="events"))


def _tell(
    loop: asyncio.AbstractEventLoop,
    told: asyncio.Queue[ContainerEvent | BackendError],
    said: ContainerEvent | BackendError,
) -> None:
    def put() -> None:
        with suppress(asyncio.QueueFull):
            told.put_nowait(said)

    with suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(put)


def _close(stream: Any) -> None:
    with suppress(Exception):
        stream.close()


def _retrying() -> Retrying:
    """Three tries with jitter, for connection trouble only."""
    return Retrying(
        retry=retry_if_exception_type(EngineUnavailable),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    )


def _with_our_errors(
    step: str, container: str, function: Callable[[], _T], not_found: type[BackendError]
) -> _T:
    with _our_errors(step, container, not_found):
        return function()


@contextmanager
def _our_errors(step: str, container: str, not_found: type[BackendError] = ContainerGone) -> Iterator[None]:
    """Turn whatever the SDK raises into ours, told apart by type and status, never by message."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise not_found(_text(error), step=step, container=container) from None
    except docker.errors.APIError as error:
        raise EngineRefused(_text(error), step=step, container=container) from None
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        advice = "is the Docker Engine running, and may this user open its socket? (`docker info` tells)"
        raise EngineUnavailable(f"{_text(error)}; {advice}", step=step, container=container) from None


def _text(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None) or error
    text = " ".join(str(explanation).split())
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + "…"


def _repository_and_tag(reference: str) -> tuple[str, str]:
    repository, _, tag = reference.rpartition(":")
    return (repository, tag) if repository and "/" not in tag else (reference, "latest")
