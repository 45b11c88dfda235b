"""Composition root of `sandbox-orch engine-proxy`: parent cgroup, privileges, rules, listener, in this order."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backends.cgroups import ParentBounds, is_parent_bounded
from orchestrator.backends.docker import Engine
from orchestrator.backends.parent_cgroup import make_bounded_parent
from orchestrator.backends.seccomp import load_profile
from orchestrator.bootstrap import hardening_settings, open_engine, parent_bounds, runtimes_on_offer
from orchestrator.config import Settings
from orchestrator.domain.errors import BackendError, ConfigurationError
from orchestrator.engine_proxy.privileges import become, listen
from orchestrator.engine_proxy.rules import LABEL_SCOPE, Rules
from orchestrator.engine_proxy.server import EngineProxy

__all__ = ("ProxyOptions", "run_proxy")

LABEL_PROJECT = "com.docker.compose.project"
REMOVALS_AT_ONCE = 4
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """What is said on the command line."""

    place: Path
    """The socket to listen on."""
    scope: str | None
    """Whose containers these are; None: the Compose project of the own container, else this host."""
    uid: int
    gid: int
    """Whom to become where this is root; the socket is this group's too."""
    cgroup_root: Path | None
    """Where the host's cgroup file system is mounted; None: the parent cgroup is bounded by somebody else."""


def run_proxy(settings: Settings, options: ProxyOptions, tell: Tell) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises ConfigurationError, HardeningFailed or EngineUnavailable before it listens.
    """
    parent, scope = asyncio.run(_prepare(settings, options))
    engine_socket = _engine_socket(settings)
    become(options.uid, options.gid, engine_socket)
    with _alone(options.place):
        asyncio.run(_serve(settings, options, scope, parent, tell))


async def _prepare(settings: Settings, options: ProxyOptions) -> tuple[ParentBounds | None, str]:
    """What is done as root, where this is root."""
    async with open_engine(settings) as engine:
        parent = await parent_bounds(engine, settings)
        if options.cgroup_root is not None and parent is not None:
            make_bounded_parent(options.cgroup_root, parent)
        return parent, options.scope or await _own_scope(engine)


async def _own_scope(engine: Engine) -> str:
    name = socket.gethostname()
    try:
        labels = (await engine.inspect(name)).get("Config", {}).get("Labels") or {}
    except BackendError:
        labels = {}
    return str(labels.get(LABEL_PROJECT) or name)


def _engine_socket(settings: Settings) -> Path:
    address = settings.docker_url or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not address.startswith("unix:///"):
        raise ConfigurationError(f"engine-proxy stands in front of a unix socket, not of {address}")
    return Path(address.removeprefix("unix://"))


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One proxy per socket: a second one would take the first one's containers for left-overs."""
    lock = place.with_suffix(".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write {lock}: {error.strerror}") from None
    try:
        # Critical section: as long as the file is open.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(f"another engine-proxy serves {place}") from None
    try:
        yield
    finally:
        os.close(descriptor)


async def _serve(
    settings: Settings, options: ProxyOptions, scope: str, parent: ParentBounds | None, tell: Tell
) -> None:
    rules = _rules(settings, scope, parent)
    is_bounded = None
    if options.cgroup_root is not None and parent is not None:
        root, bounds = options.cgroup_root, parent
        is_bounded = lambda: is_parent_bounded(root, bounds)  # noqa: E731
    proxy = EngineProxy(rules, str(_engine_socket(settings)), is_bounded=is_bounded)
    async with open_engine(settings) as engine:
        told_to_end = _signals()
        # Their streams went through a proxy that is gone: nobody can use them any more.
        await _clear(engine, scope, tell)
        with listen(options.place) as listener:
            async with proxy.serving(listener):
                tell(f"listening on {options.place} for {scope!r}")
                await told_to_end.wait()
        options.place.unlink(missing_ok=True)
        await _clear(engine, scope, tell)


def _rules(settings: Settings, scope: str, parent: ParentBounds | None) -> Rules:
    runtimes = runtimes_on_offer(settings)
    return Rules(
        scope=scope,
        runtimes=runtimes,
        profiles={
            each.seccomp_profile: load_profile(each.seccomp_profile).json_text for each in runtimes.values()
        },
        hardening=hardening_settings(settings, parent),
        uid_count=settings.uid_count,
    )


async def _clear(engine: Engine, scope: str, tell: Tell) -> None:
    """Remove the containers of this scope."""
    gate = asyncio.Semaphore(REMOVALS_AT_ONCE)

    async def remove(container: str) -> None:
        async with gate:
            try:
                await engine.remove(container)
            except BackendError as error:
                tell(f"cannot remove {container[:12]}: {error}")

    left: list[Awaitable[None]] = [remove(one.id) for one in await engine.containers({LABEL_SCOPE: scope})]
    if left:
        tell(f"removing {len(left)} containers that were left")
    await asyncio.gather(*left)


def _signals() -> asyncio.Event:
    """What is set by the first SIGTERM or SIGINT; the loop takes its handlers back as it ends."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    return told
