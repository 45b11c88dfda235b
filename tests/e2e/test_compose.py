"""`compose.yaml` as a user brings it up, driven over HTTP: by pytest-docker, with Compose v2 and docker-compose 1.29."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from composing import COMPOSE_FILE, ROOT, compose_v1, compose_v2, left_of, run
from pytest_docker.plugin import get_docker_services

from orchestrator import __version__
from orchestrator.backends.images import COMPOSE_IMAGES, ComposeImage, ImageBuilder
from orchestrator.bootstrap import open_engine, open_orchestrator
from orchestrator.config import Settings
from orchestrator.domain.job import JobSpec
from orchestrator.engine_proxy.rules import LABEL_SCOPE

pytestmark = pytest.mark.docker

CGROUPS = Path("/sys/fs/cgroup")
PARENT = f"sandbox-orch-tests-{secrets.token_hex(4)}"
SETTINGS = {
    "SANDBOX_ORCH_IMAGE": "sandbox-orch/orchestrator:tests",
    "SANDBOX_ORCH_RUNTIMES": "python",
    "SANDBOX_ORCH_WARM_TARGET": "2",
    "SANDBOX_ORCH_CONTAINERS_MAXIMUM": "6",
    "SANDBOX_ORCH_CGROUP_PARENT": PARENT,
    "SANDBOX_ORCH_PORT": "0",
    "SANDBOX_ORCH_DRAIN_SECONDS": "10",
}
READY_SECONDS = 120
KEY_FILE = "/var/lib/sandbox-orch/admin.key"
LONG = {"wall_time_ms": 30_000, "cpu_time_ms": 30_000}
SLEEP = "import time; time.sleep(input / 1000); output = input"


# -- the stack, by pytest-docker's own fixtures -------------------------------------------------------------


def tag_of(name: str) -> str:
    """Not the tag of the machine's own images."""
    return f"{COMPOSE_IMAGES[name].tag.partition(':')[0]}:tests"


def build_image(name: str) -> str:
    """An image of compose.yaml, from this checkout; the build cache makes a second time short."""

    async def build() -> None:
        async with open_engine(Settings()) as engine:
            image = ComposeImage(tag=tag_of(name), dockerfile=COMPOSE_IMAGES[name].dockerfile)
            await ImageBuilder.for_this_host(engine).build_for_compose(ROOT, image, lambda _: None)

    asyncio.run(build())
    return tag_of(name)


@pytest.fixture(scope="module")
def service_image(engine_answers) -> str:
    """The service's image."""
    assert engine_answers is None, engine_answers
    return build_image("orchestrator")


@pytest.fixture(scope="module")
def docker_compose_command() -> str:
    # Not in our own environment: the settings of other tests are read from there.
    settings = " ".join(f"{name}={value}" for name, value in SETTINGS.items())
    return f"env {settings} {' '.join(compose_v2())}"


@pytest.fixture(scope="module")
def docker_compose_file() -> str:
    return str(COMPOSE_FILE)


@pytest.fixture(scope="module")
def docker_compose_project_name() -> str:
    return f"sandbox-orch-e2e-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def docker_setup(service_image) -> list[str]:
    return ["up --detach --no-build"]


@pytest.fixture(scope="module")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 60"]


@pytest.fixture(scope="module")
def docker_services(
    docker_compose_command, docker_compose_file, docker_compose_project_name, docker_setup, docker_cleanup
):
    """pytest-docker's own, for this file only: the stack need not idle beside all other tests. Nothing may be left."""
    with get_docker_services(
        docker_compose_command, docker_compose_file, docker_compose_project_name, docker_setup, docker_cleanup
    ) as services:
        yield services
    assert left_of(docker_compose_project_name) == []
    for place in (*CGROUPS.glob(f"*/{PARENT}"), CGROUPS / PARENT):
        with suppress(OSError):
            place.rmdir()


class Stack:
    """The running stack."""

    def __init__(self, services, project: str) -> None:
        self._services = services
        self.project = project
        self._compose = [*compose_v2(), "-f", str(COMPOSE_FILE), "-p", project]

    def run(self, *words: str) -> str:
        """One command of Compose."""
        return run([*self._compose, *words], **SETTINGS)

    @property
    def url(self) -> str:
        # Asked anew each time: a container that is started again may get another port.
        published = self.run("port", "sandbox-orch", "8080").strip()
        return f"http://127.0.0.1:{published.rpartition(':')[2]}"

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            try:
                return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
            except (httpx.TransportError, AssertionError):
                return False

        self._services.wait_until_responsive(is_ready, timeout=READY_SECONDS, pause=0.3)

    def key(self) -> str:
        return self.run("exec", "-T", "sandbox-orch", "cat", KEY_FILE).strip()

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/v1", headers={"Authorization": f"Bearer {self.key()}"}, timeout=120
        )

    def containers(self) -> set[str]:
        """What its service has made, in full ids."""
        listed = run(
            [
                "docker",
                "ps",
                "--all",
                "--quiet",
                "--no-trunc",
                "--filter",
                f"label={LABEL_SCOPE}={self.project}",
            ]
        )
        return set(listed.split())

    def facts(self, service: str, template: str) -> str:
        (container,) = self.run("ps", "--quiet", service).split()
        return run(["docker", "inspect", "--format", template, container]).strip()


@pytest.fixture
def stack(docker_services, docker_compose_project_name) -> Stack:
    """The stack, ready. Brought up once for all tests."""
    stack = Stack(docker_services, docker_compose_project_name)
    stack.wait_until_ready()
    return stack


def job(code: str, value: object = None, **more) -> dict:
    return {"runtime": "python", "code": code, "input": value, **more}


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


# -- what it does ---------------------------------------------------------------------------------------


def test_the_lines_of_the_readme_work_on_it(stack):
    """Run, submit, wait, listen: the same service as on a bare host."""
    with stack.client() as client:
        assert client.post("/execute", json=job("output = input + 1", 41)).json()["output"] == 42
        location = client.post("/jobs", json=job("print(7); output = input * 2", 21)).json()["id"]
        assert client.get(f"/jobs/{location}", params={"wait": 10}).json()["result"]["output"] == 42
        events = client.get(f"/jobs/{location}/events").text
    assert [line for line in events.splitlines() if line.startswith("event:")][-1] == "event: result"


def test_both_containers_are_confined(stack):
    """Users without privileges on a root that nobody can write to; only the proxy sees the engine's socket."""
    for service, uid in (("sandbox-orch", "10001"), ("engine-proxy", "10002")):
        status = Path(f"/proc/{stack.facts(service, '{{.State.Pid}}')}/status").read_text()
        assert set(re.search(r"Uid:\s+(.*)", status)[1].split()) == {uid}
        assert set(re.search(r"CapEff:\s+(\w+)", status)[1]) == {"0"}
        assert re.search(r"NoNewPrivs:\s+(\d)", status)[1] == "1"
        assert re.search(r"Seccomp:\s+(\d)", status)[1] == "2"
        assert (
            stack.facts(service, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}") == "true false"
        )
    assert "docker.sock" not in stack.facts("sandbox-orch", "{{json .Mounts}}")
    assert stack.facts("engine-proxy", "{{.HostConfig.NetworkMode}}") == "none"


def test_containers_get_limits_and_parent_as_on_a_bare_host(stack):
    """The engine keeps the limits of the class, and the kernel those of all containers together."""
    template = "{{.HostConfig.CgroupParent}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.State.Pid}}"
    for container in stack.containers():
        # One that has just served may go between the list and the look.
        inspect = ["docker", "inspect", "--format", template, container]
        if told := run(inspect, check=False).split():
            parent, memory, pids, pid = told
            break
    assert parent == f"/{PARENT}"
    assert f"/{PARENT}/{container}" in Path(f"/proc/{pid}/cgroup").read_text()
    if (CGROUPS / "memory").is_dir():
        together, own = CGROUPS / "memory" / PARENT / "memory.limit_in_bytes", "memory.limit_in_bytes"
        pids_file = CGROUPS / "pids" / PARENT / "pids.max"
    else:
        together, own = CGROUPS / PARENT / "memory.max", "memory.max"
        pids_file = CGROUPS / PARENT / "pids.max"
    assert int((together.parent / container / own).read_text()) == int(memory)
    assert int(pids) > 0
    assert int(together.read_text()) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert pids_file.read_text().strip() == "8192"


def test_every_limit_ends_a_job_without_the_hosts_files(stack):
    """Neither cgroup files nor processes of the host are within reach: the engine and the runner do it."""
    cases = [
        (job("while True: pass", limits={"wall_time_ms": 300}), "wall_time_limit"),
        (job("while True: pass", limits={"wall_time_ms": 20_000, "cpu_time_ms": 200}), "cpu_time_limit"),
        (job("output = len(bytearray(1_000_000_000))", limits=LONG), "memory_limit"),
        (job("output = 'x' * 100_000", limits={"output_bytes": 1024}), "output_limit"),
    ]
    with stack.client() as client:
        for request, outcome in cases:
            answer = client.post("/execute", json=request).json()
            assert answer["outcome"] == outcome, answer
        usage = client.post("/execute", json=job("output = sum(range(1_000_000))", limits=LONG)).json()[
            "usage"
        ]
        assert usage["cpu_ms"] is not None
        assert usage["memory_peak_bytes"] is not None


def test_memory_and_processes_are_bounded_to_the_job(stack):
    """A warm container has the limits of a job that asks for none; for other limits one is made."""
    large = "large = b'x' * {}_000_000\noutput = len(large)"
    crowd = "import threading, time\nfor n in range(30):\n    threading.Thread(target=time.sleep, args=(5,)).start()"
    mib = 1024 * 1024
    cases = [
        (job(large.format(8)), "succeeded", True),
        (job(large.format(40)), "memory_limit", True),
        (job(large.format(40), limits={**LONG, "memory_bytes": 64 * mib}), "succeeded", False),
        (job(large.format(20), limits={**LONG, "memory_bytes": 8 * mib}), "memory_limit", False),
        (job(crowd, limits={**LONG, "processes": 4}), "process_limit", False),
    ]
    with stack.client() as client:
        for request, outcome, may_be_warm in cases:
            answer = client.post("/execute", json=request).json()
            assert answer["outcome"] == outcome, answer
            # One that could be warm may have found the last one taken; one that has limits of its own cannot be.
            assert not answer["container"]["warm"] or may_be_warm


def test_after_kill_9_of_the_service_every_accepted_job_has_its_result(stack):
    """The next one runs what is left, and removes the containers of the killed one."""
    with stack.client() as client:
        ids = [client.post("/jobs", json=job(SLEEP, 300 + n, limits=LONG)).json()["id"] for n in range(12)]
        client.get(f"/jobs/{ids[1]}", params={"wait": 30})
    before = stack.containers()
    assert before
    stack.run("kill", "--signal", "KILL", "sandbox-orch")
    assert stack.containers() & before
    stack.run("up", "--detach", "--no-build")
    stack.wait_until_ready()
    with stack.client() as client:
        for number, job_id in enumerate(ids):
            shown = client.get(f"/jobs/{job_id}", params={"wait": 60}).json()
            assert (shown["outcome"], shown["result"]["output"]) == ("succeeded", 300 + number)
    until(lambda: not stack.containers() & before)


def test_after_kill_9_of_everything_the_old_containers_are_gone(stack):
    """Also where Compose makes new containers for the services, with other names of hosts and namespaces."""
    until(stack.containers)
    before = stack.containers()
    stack.run("kill", "--signal", "KILL")
    stack.run("up", "--detach", "--no-build", "--force-recreate")
    stack.wait_until_ready()
    until(lambda: not stack.containers() & before)
    with stack.client() as client:
        assert client.post("/execute", json=job("output = input", 1)).json()["output"] == 1


async def test_a_service_on_the_host_and_one_in_a_container_leave_each_other_alone(stack):
    """Each starts, and so reaps, while the other runs."""
    settings = Settings(
        runtimes=("python",), warm_target=1, warm_maximum=1, containers_maximum=2, queue_seconds=120
    )
    inside = stack.containers()
    assert inside
    async with open_orchestrator(settings) as orchestrator:
        await orchestrator.wait_until_warm(within_seconds=60)
        assert inside <= stack.containers()
        ours = {each.id for each in orchestrator.pool.containers()}
        await asyncio.to_thread(stack.run, "restart", "sandbox-orch")
        await asyncio.to_thread(stack.wait_until_ready)
        running = set((await asyncio.to_thread(run, ["docker", "ps", "--quiet", "--no-trunc"])).split())
        assert ours <= running
        answer = await orchestrator.execute(JobSpec(runtime="python", code="output = 1"))
        assert answer.output == 1


def test_the_pytest_plugin_takes_a_url(stack, tmp_path):
    """Of a service that runs, with its key in a file."""
    (tmp_path / "key").write_text(stack.key())
    (tmp_path / "test_it.py").write_text(
        "def test_it(sandbox):\n    assert sandbox('output = input', 5).output == 5\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "sandbox-orch", "-p", "no:cacheprovider", str(tmp_path),
         f"--rootdir={tmp_path}", f"--sandbox-orch={stack.url}", f"--sandbox-orch-key-file={tmp_path}/key"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


# -- the file itself ------------------------------------------------------------------------------------


def test_compose_v2_takes_the_file():
    """With all its profiles; and the image it names is of this version."""
    shown = run(
        [*compose_v2(), "-f", str(COMPOSE_FILE), "--profile", "postgres", "--profile", "monitoring", "config"]
    )
    assert f"sandbox-orch/orchestrator:{__version__}" in shown
    for image in COMPOSE_IMAGES.values():
        assert image.tag in shown
        assert (ROOT / image.dockerfile).exists()


def test_docker_compose_1_29_runs_it_with_its_profiles(service_image):
    """From up to down: the store in PostgreSQL, Prometheus with a key of its own; and nothing is left."""
    project = f"sandbox-orch-v1-{secrets.token_hex(4)}"
    compose = [*compose_v1(), "-f", str(COMPOSE_FILE), "-p", project]
    for name in ("postgres", "prometheus"):
        build_image(name)
    parent, password = f"{PARENT}-v1", secrets.token_hex(16)
    settings = {
        **SETTINGS,
        "SANDBOX_ORCH_CGROUP_PARENT": parent,
        "SANDBOX_ORCH_WARM_TARGET": "1",
        "SANDBOX_ORCH_POSTGRES_IMAGE": tag_of("postgres"),
        "SANDBOX_ORCH_PROMETHEUS_IMAGE": tag_of("prometheus"),
        "SANDBOX_ORCH_PROMETHEUS_PORT": "0",
        "SANDBOX_ORCH_POSTGRES_PASSWORD": password,
        "SANDBOX_ORCH_STORE_URL": f"postgresql+psycopg://sandbox_orch:{password}@postgres/sandbox_orch",
    }
    # Grafana is in no package: its part of the file is only read here.
    run([*compose, "--profile", "postgres", "--profile", "monitoring", "config", "--quiet"], **settings)
    compose += ["--profile", "postgres", "--profile", "monitoring"]

    def address_of(service: str, port: int) -> str:
        published = run([*compose, "port", service, str(port)], **settings).strip()
        return f"http://127.0.0.1:{published.rpartition(':')[2]}"

    def key() -> str:
        argv = [*compose, "exec", "-T", "sandbox-orch", "cat", KEY_FILE]
        return run(argv, check=False, **settings).strip()

    def is_answered() -> bool:
        headers = {"Authorization": f"Bearer {key()}"}
        with suppress(httpx.TransportError, AssertionError):
            url = address_of("sandbox-orch", 8080)
            said = httpx.post(f"{url}/v1/execute", json=job("output = input", 3), headers=headers, timeout=60)
            return said.json().get("output") == 3
        return False

    def is_scraped() -> bool:
        with suppress(httpx.TransportError):
            asked = httpx.get(
                f"{address_of('prometheus', 9090)}/api/v1/query", params={"query": "up"}, timeout=30
            )
            found = asked.json()["data"]["result"]
            return [each["value"][1] for each in found] == ["1"]
        return False

    try:
        services = ("sandbox-orch", "postgres", "prometheus")
        run([*compose, "up", "--detach", "--no-build", *services], **settings)
        until(key, READY_SECONDS)
        until(is_answered, READY_SECONDS)
        sql = "select count(*) from jobs"
        asked = [
            *compose,
            "exec",
            "-T",
            "-e",
            f"PGPASSWORD={password}",
            "postgres",
            "psql",
            "-h",
            "/tmp",
            "-U",
            "sandbox_orch",
            "-d",
            "sandbox_orch",
        ]
        counted = run([*asked, "--tuples-only", "-c", sql], **settings)
        assert int(counted) >= 1
        until(is_scraped, READY_SECONDS)
    finally:
        run([*compose, "down", "--volumes", "--timeout", "60"], **settings)
        for place in (*CGROUPS.glob(f"*/{parent}"), CGROUPS / parent):
            with suppress(OSError):
                place.rmdir()
    assert left_of(project) == []
