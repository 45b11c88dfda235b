"""`sandbox-orch engine-proxy` in front of the real engine: the service works behind it, and nothing else does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.backends.host_config import container_config
from orchestrator.backends.seccomp import load_profile
from orchestrator.bootstrap import open_engine, open_orchestrator, runtimes_on_offer
from orchestrator.config import Settings
from orchestrator.domain.errors import BackendError, ContainerGone, EngineRefused
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import Outcome
from orchestrator.engine_proxy.rules import LABEL_SCOPE
from orchestrator.policies.hardening import HardeningSettings, hardened_spec

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parent.parent.parent
CGROUPS = Path("/sys/fs/cgroup")
UP_SECONDS = 60


@dataclass
class Proxy:
    """A proxy process."""

    process: subprocess.Popen[bytes]
    settings: Settings
    place: Path
    scope: str

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(60)


@pytest.fixture
def folder():
    with own_folder() as made:
        yield made


@pytest.fixture
def names():
    with own_names() as name:
        yield name


@contextmanager
def own_folder():
    """A folder that the proxy's user may write to."""
    # Not pytest's own: paths of sockets have room for 107 bytes, and the proxy's user must reach it.
    made = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
    made.chmod(0o755)
    inner = made / "run"
    inner.mkdir()
    if os.geteuid() == 0:
        os.chown(inner, 10002, 10001)
    try:
        yield inner
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def own_names():
    """A scope and a parent cgroup that nobody else has; the parent's folders are removed."""
    name = f"proxytest-{secrets.token_hex(4)}"
    yield name
    for place in CGROUPS.glob(f"*/{name}"):
        with suppress(OSError):
            place.rmdir()
    with suppress(OSError):
        (CGROUPS / name).rmdir()


@contextmanager
def proxying(folder: Path, name: str):
    """A proxy in front of this machine's engine, ended afterwards."""
    place = folder / "engine.sock"
    environment = {**os.environ, "SANDBOX_ORCH_CGROUP_PARENT": name, "SANDBOX_ORCH_RUNTIMES": "python"}
    cgroups = ["--cgroups", str(CGROUPS)] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "engine-proxy",
         "--listen", str(place), "--scope", name, *cgroups],
        stderr=subprocess.PIPE, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert process.stderr is not None
    settings = Settings(
        docker_url=f"unix://{place}", cgroup_parent=name, runtimes=("python",), warm_target=1, warm_maximum=1,
        containers_maximum=4, queue_seconds=120,
    )  # fmt: skip
    proxy = Proxy(process, settings, place, name)
    try:
        said = b""
        while b"listening on" not in said:
            line = process.stderr.readline()
            assert line, said.decode()
            said += line
        yield proxy
    finally:
        proxy.stop()
        process.stderr.close()


@pytest.fixture(scope="module")
def proxy():
    """One for all tests that leave it as it was."""
    with own_folder() as folder, own_names() as name, proxying(folder, name) as made:
        yield made


@contextmanager
def engine_of(settings: Settings | None = None):
    """The calls of one engine, each from a test that is not a coroutine."""
    url = settings.docker_url if settings else None
    with asyncio.Runner() as runner:
        engine = runner.run(Engine.open(EngineSettings(url=url)))
        try:
            yield lambda coroutine_of: runner.run(coroutine_of(engine))
        finally:
            runner.run(engine.close())


def recipe(proxy: Proxy, **more) -> dict:
    """The body of a create call that the proxy's settings make."""
    (runtime,) = runtimes_on_offer(proxy.settings).values()
    hardening = HardeningSettings(
        init_uid=proxy.settings.uid_first, cpus=1.0, open_files=256, cgroup_parent=f"/{proxy.scope}"
    )
    labels = {
        "org.sandbox-orch.instance": "test", "org.sandbox-orch.owner": "nobody|x|1|1|1|",
        "org.sandbox-orch.runtime": "python",
    }  # fmt: skip
    spec = hardened_spec(
        runtime, hardening, job_uid=proxy.settings.uid_first + 7, limits=runtime.ceiling,
        seccomp_json=load_profile("python").json_text, labels=labels,
    )  # fmt: skip
    return {**container_config(spec), **more}


def said_by(place: Path, request: bytes) -> bytes:
    """What comes back for these bytes, to the end of the connection."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(30)
        asking.connect(str(place))
        with suppress(BrokenPipeError):
            asking.sendall(request)
        heard = b""
        with suppress(ConnectionResetError):
            while data := asking.recv(65536):
                heard += data
        return heard


async def test_the_service_works_behind_it(proxy):
    """Warm containers, jobs, a deadline, a container made to measure; at the end nothing is left."""
    async with open_orchestrator(proxy.settings) as orchestrator:
        answer = await orchestrator.execute(
            JobSpec(runtime="python", code="output = input * 2", input_json="21")
        )
        assert (answer.outcome, answer.output) == (Outcome.SUCCEEDED, 42)
        looping = JobSpec(runtime="python", code="while True: pass", limits=Limits(wall_time_ms=300))
        assert (await orchestrator.execute(looping)).outcome == Outcome.WALL_TIME_LIMIT
        large = Limits(memory_bytes=300 * 1024 * 1024, wall_time_ms=20_000, cpu_time_ms=20_000)
        big = JobSpec(runtime="python", code="output = len(bytearray(200_000_000))", limits=large)
        assert (await orchestrator.execute(big)).output == 200_000_000
        async with open_engine(Settings()) as engine:
            listed = await engine.containers({LABEL_SCOPE: proxy.scope})
            assert listed
            facts = await engine.inspect(listed[0].id)
            assert facts["HostConfig"]["CgroupParent"] == f"/{proxy.scope}"
    async with open_engine(Settings()) as engine:
        assert await engine.containers({LABEL_SCOPE: proxy.scope}) == ()


def test_what_the_service_never_asks_is_refused(proxy):
    """In one line that the SDK shows; nothing is made."""
    refused = {
        "bind": recipe(proxy), "privileged": recipe(proxy), "network": recipe(proxy), "shell": recipe(proxy, Entrypoint=["/bin/sh"]),
    }  # fmt: skip
    refused["bind"]["HostConfig"]["Binds"] = ["/:/host"]
    refused["privileged"]["HostConfig"]["Privileged"] = True
    refused["network"]["HostConfig"]["NetworkMode"] = "host"
    with engine_of(proxy.settings) as call:
        for name, body in refused.items():
            with pytest.raises(EngineRefused, match="engine-proxy: "):
                call(
                    lambda engine, name=name, body=body: engine.create(
                        f"sandbox-orch-{proxy.scope}-{name}", body
                    )
                )
        with pytest.raises(BackendError, match="no Transfer-Encoding"):
            call(lambda engine: engine.image_build(b"", tag="x", build_args={}, labels={}, progress=print))
        with pytest.raises(BackendError, match="engine-proxy"):
            call(lambda engine: engine.image_remove("sandbox-orch/python:none"))
    with engine_of() as call:
        assert call(lambda engine: engine.containers({LABEL_SCOPE: proxy.scope})) == ()


def test_other_peoples_containers_are_not_there(proxy):
    """Made by the same service but not through this proxy: neither seen nor touched, by id, short id or name."""
    name = f"sandbox-orch-{proxy.scope}-foreign"
    with engine_of() as direct, engine_of(proxy.settings) as behind:
        foreign = direct(lambda engine: engine.create(name, recipe(proxy)))
        try:
            direct(lambda engine: engine.start(foreign))
            exec_id, stream = direct(
                lambda engine: engine.exec_open(
                    foreign, ("/usr/bin/python3.13",), user="2000007:2000007", workdir="/work"
                )
            )
            try:
                for asked in (foreign, foreign[:12], name):
                    for verb in ("inspect", "start", "pause", "stats"):
                        with pytest.raises(ContainerGone, match="No such container"):
                            behind(lambda engine, verb=verb, asked=asked: getattr(engine, verb)(asked))
                    behind(lambda engine, asked=asked: engine.remove(asked))
                with pytest.raises(ContainerGone):
                    behind(lambda engine: engine.exec_exit_code(exec_id))
                runner = runtimes_on_offer(proxy.settings)["python"].runner_argv
                with pytest.raises(ContainerGone):
                    behind(
                        lambda engine: engine.exec_open(
                            foreign, runner, user="2000007:2000007", workdir="/work"
                        )
                    )
                found = behind(lambda engine: engine.containers({"org.sandbox-orch.instance": ""}))
                assert foreign not in [each.id for each in found]
            finally:
                stream.socket.close()
            assert direct(lambda engine: engine.inspect(foreign))["State"]["Running"]
        finally:
            direct(lambda engine: engine.remove(foreign))


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n\r\nGET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        (b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411),
        (b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (b"GET /v1.41/containers/../images/json HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        (b"GET /v1.41/containers/%2e%2e/images/json HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        (b"POST /v1.41/build HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n", 403),
        (b"GET /v1.41/images/json HTTP/1.1\r\nHost: d\r\n\r\n", 403),
        (b"GET /v1.24/containers/json HTTP/1.1\r\nHost: d\r\n\r\n", 400),
        (b"GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n", 403),
        (b"POST /v1.41/containers/create?name=sandbox-orch-1 HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /_ping HTTP/1.1\r\nHost: d\r\n" + b"X: " + b"a" * 40_000, 431),
        (b"POST /v1.41/exec/abc/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 29\r\n\r\n"
         b'{"Tty":false,"Detach": false}rm', 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_hostile_bytes_get_one_clear_refusal(proxy, request_bytes, status):
    """A JSON message, the end of the connection, and a proxy that lives on."""
    heard = said_by(proxy.place, request_bytes)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), heard[:200]
    assert heard.count(b"Content-Length: ") == 1
    assert json.loads(body)["message"]
    assert b" 200 " in said_by(proxy.place, b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")[:20]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_made_through_it_does_not_outlive_it(folder, names, number):
    """The streams of its containers ended with it: it removes them as it stops, or as the next one starts."""
    with proxying(folder, names) as proxy:
        with engine_of(proxy.settings) as behind:
            made = behind(lambda engine: engine.create(f"sandbox-orch-{proxy.scope}-left", recipe(proxy)))
            behind(lambda engine: engine.start(made))
        proxy.stop(number)
    if number == signal.SIGKILL:
        with proxying(folder, names):
            pass
    with engine_of() as direct:
        assert direct(lambda engine: engine.containers({LABEL_SCOPE: names})) == ()
    assert not proxy.place.exists()


def test_it_is_root_only_until_it_listens(proxy):
    """Afterwards it is another user, with the engine's group; the socket is that user's, and its group's."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    uids = re.search(r"Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", status).groups()
    if os.geteuid() == 0:
        assert set(uids) == {"10002"}
        assert set(re.search(r"CapEff:\s+(\w+)", status)[1]) == {"0"}
    assert proxy.place.stat().st_mode & 0o777 == 0o660


def test_without_bounds_on_the_parent_nothing_is_made(folder, names):
    """Somebody raised or removed them: the proxy looks before every container."""
    if os.geteuid() != 0:
        pytest.skip("only root can bound a parent cgroup")
    # A proxy of its own: services of other tests take their empty parent with them as they end.
    with proxying(folder, names) as proxy:
        limits = CGROUPS / "memory" / proxy.scope / "memory.limit_in_bytes"
        if not limits.exists():
            limits = CGROUPS / proxy.scope / "memory.max"
        bound = int(limits.read_text())
        assert bound < 2**60
        limits.write_text(str(bound * 2))
        try:
            with engine_of(proxy.settings) as behind, pytest.raises(EngineRefused, match="parent cgroup"):
                behind(lambda engine: engine.create(f"sandbox-orch-{proxy.scope}-x", recipe(proxy)))
        finally:
            limits.write_text(str(bound))


def test_a_second_proxy_on_one_socket_is_refused(proxy):
    """It would take the first one's containers for left-overs."""
    done = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "engine-proxy",
         "--listen", str(proxy.place), "--scope", proxy.scope],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "another engine-proxy serves" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_is_gone_looks_gone(folder, names):
    """The connection ends, as it would without the proxy: whoever may ask again does."""
    dead = folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as never_answers:
        never_answers.bind(str(dead))
    done = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "--docker-url", f"unix://{dead}",
         "engine-proxy", "--listen", str(folder / "engine.sock"), "--scope", names],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
