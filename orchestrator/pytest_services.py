"""For pytest: the services behind the fixtures of `pytest_plugin.py`. Knows nothing of pytest."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from orchestrator.backends.images import images_folder, load_runtimes
from orchestrator.client import Client, JobRequest
from orchestrator.config import Settings, load_settings
from orchestrator.domain.errors import BackendError, ConfigurationError
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.service import Orchestrator

__all__ = ("Sandbox", "Service", "open_service")

OPEN_SECONDS = 120.0
UP_SECONDS = 300.0
DOWN_SECONDS = 180.0
SERVICE, PORT = "sandbox-orch", 8080
ADMIN_KEY = "/var/lib/sandbox-orch/admin.key"


class Service(Protocol):
    """A running service, wherever it runs."""

    url: str | None
    """Where it listens; None where it is in this process."""
    key: str | None

    def execute(
        self, runtime: str, code: str, value: object, limits: Mapping[str, int], **more: Any
    ) -> JobResult:
        """Run one job and wait for its result, whatever its outcome."""
        ...


class Sandbox:
    """What the fixture `sandbox` gives: call it."""

    def __init__(self, service: Service, *, runtime: str, limits: Mapping[str, int]) -> None:
        self._service = service
        self._runtime = runtime
        self._limits = limits

    def __call__(
        self,
        code: str | Path,
        value: object = None,
        *,
        runtime: str | None = None,
        limits: Mapping[str, int] | None = None,
        **more: Any,
    ) -> JobResult:
        """Run `code`, a text or a file, with `value` as its `input`; what it does wrong is in the result.

        A file's suffix chooses the runtime where none is named. `limits` go before those of the marker. What
        else a job may have is given by name: `mode`, `entrypoint`, `stdin`, `args`, `files`, `allowed_globals`.
        """
        if isinstance(code, Path):
            runtime = runtime or _runtime_for(code)
            code = code.read_text(encoding="utf-8")
        together = {**self._limits, **(limits or {})}
        return self._service.execute(runtime or self._runtime, code, value, together, **more)


def open_service(how: str, *, key: str | None, compose_file: Path) -> AbstractContextManager[Service]:
    """The service that `how` says: `process`, `compose` or a URL. Raises ConfigurationError or BackendError."""
    if how == "process":
        return _in_process()
    if how == "compose":
        return _by_compose(compose_file)
    if how.startswith(("http://", "https://")):
        return _at(how, key)
    raise ConfigurationError(f"must be `process`, `compose` or a URL, not {how[:80]!r}")


def _runtime_for(file: Path) -> str:
    for runtime in load_runtimes(images_folder()).values():
        if file.suffix in runtime.source_suffixes:
            return runtime.name
    raise ConfigurationError(f"{file}: no runtime has the suffix {file.suffix!r}; say runtime=…")


# -- in this process ------------------------------------------------------------------------------------------


class _InProcess:
    """An `Orchestrator` on an event loop in a thread of its own."""

    def __init__(self, orchestrator: Orchestrator, loop: asyncio.AbstractEventLoop) -> None:
        self.url: str | None = None
        self.key: str | None = None
        self._orchestrator = orchestrator
        self._loop = loop

    def execute(
        self, runtime: str, code: str, value: object, limits: Mapping[str, int], **more: Any
    ) -> JobResult:
        spec = JobSpec(
            runtime=runtime,
            code=code,
            input_json=json.dumps(value),
            limits=Limits.from_wire(limits, defaults=self._orchestrator.default_limits),
            **more,
        )
        return asyncio.run_coroutine_threadsafe(self._orchestrator.execute(spec), self._loop).result()


@contextmanager
def _in_process() -> Iterator[Service]:
    opened: Future[_InProcess] = Future()
    stop: Future[None] = Future()

    async def live() -> None:
        async with Orchestrator.open(_small_settings()) as orchestrator:
            await orchestrator.wait_until_warm(within_seconds=OPEN_SECONDS)
            opened.set_result(_InProcess(orchestrator, asyncio.get_running_loop()))
            await asyncio.wrap_future(stop)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    thread = threading.Thread(target=run, name="sandbox-orch")
    thread.start()
    try:
        yield opened.result()
    finally:
        if not stop.done():
            stop.set_result(None)
        thread.join()


def _small_settings() -> Settings:
    """The environment's settings, with few warm containers where it does not say how many."""
    is_said = "SANDBOX_ORCH_WARM_TARGET" in os.environ or "SANDBOX_ORCH_WARM_MAXIMUM" in os.environ
    return load_settings() if is_said else load_settings(warm_target=1, warm_maximum=1)


# -- elsewhere --------------------------------------------------------------------------------------------


class _Remote:
    """A service behind a URL."""

    def __init__(self, client: Client, url: str, key: str | None) -> None:
        self._client = client
        self.url: str | None = url
        self.key = key

    def execute(
        self, runtime: str, code: str, value: object, limits: Mapping[str, int], **more: Any
    ) -> JobResult:
        request = JobRequest(runtime=runtime, code=code, input=value, limits=limits, **more)
        return self._client.execute(request)


@contextmanager
def _at(url: str, key: str | None) -> Iterator[Service]:
    with Client(url, key=key) as client:
        client.look_at("runtimes")  # whether it answers, and takes the key
        yield _Remote(client, url, key)


@contextmanager
def _by_compose(compose_file: Path) -> Iterator[Service]:
    if not compose_file.is_file():
        raise ConfigurationError(
            f"{compose_file} is not there; the ini value sandbox_orch_compose_file names it"
        )
    project = f"sandbox-orch-pytest-{os.getpid()}-{secrets.token_hex(3)}"
    compose = [*_compose_command(), "--file", str(compose_file), "--project-name", project]
    try:
        _run([*compose, "up", "--detach"], UP_SECONDS)
        published = _run([*compose, "port", SERVICE, str(PORT)], UP_SECONDS).strip()
        url = f"http://127.0.0.1:{published.rpartition(':')[2]}"
        with _at(url, _when_there([*compose, "exec", "-T", SERVICE, "cat", ADMIN_KEY])) as service:
            yield service
    finally:
        _run([*compose, "down", "--volumes", "--timeout", "60"], DOWN_SECONDS)


def _compose_command() -> list[str]:
    docker = shutil.which("docker")
    if docker is not None:
        asked = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return [docker, "compose"]
    alone = shutil.which("docker-compose")
    if alone is None:
        raise ConfigurationError("neither `docker compose` nor `docker-compose` is installed")
    return [alone]


def _when_there(argv: list[str]) -> str:
    """What a command prints once it succeeds: the service writes its first key as it starts."""
    until = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            return _run(argv, OPEN_SECONDS).strip()
        except BackendError:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def _run(argv: list[str], seconds: float) -> str:
    # Any free port: several runs of tests may share a machine.
    environment = {"SANDBOX_ORCH_PORT": "0", **os.environ}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"no end within {seconds:g} s", step=" ".join(argv[-3:])) from None
    if done.returncode:
        last = " ".join(done.stderr.split())[-600:]
        raise BackendError(f"ended with {done.returncode}: {last}", step=" ".join(argv[-3:]))
    return done.stdout
