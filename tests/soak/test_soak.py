"""Mixed jobs and random faults for a while: every accepted job has exactly one result, and nothing is left.

The service runs as a process of its own on an engine of our own, so that both can be killed. What is killed, at
random: containers, the engine, the service. Its figures are printed at the end (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import re
import signal
import socket
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import docker
import httpx
import psutil
import pytest
from private_engine import move_images, private_engine

from orchestrator import load_settings
from orchestrator.bootstrap import runtimes_on_offer

pytestmark = [
    pytest.mark.docker,
    # The SDK forgets to close the socket of a connection that is refused; the collector does.
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
]

ROOT = Path(__file__).parent.parent.parent
IMAGES = [runtime.image for runtime in runtimes_on_offer(load_settings()).values()]
SUBMITTERS = 2
PAUSE_SECONDS = (0.3, 1.0)
"""Together about what two cores can make containers for."""
SETTLE_SECONDS = 240
LABEL = "org.sandbox-orch.instance"

ROOMY = {"wall_time_ms": 20_000, "cpu_time_ms": 20_000}
HASTY = {"wall_time_ms": 300, "cpu_time_ms": 20_000}
WELL = ("succeeded",)
# Runtime, code, limits, how it may end. A fault of ours may make any of them `internal_error` after three attempts.
KINDS: tuple[tuple[str, str, dict[str, int], tuple[str, ...]], ...] = (
    ("python", "output = input + 1", ROOMY, WELL),
    ("node", "output = input + 1", ROOMY, WELL),
    ("python", "import time\ntime.sleep(0.3)\noutput = input + 1", ROOMY, WELL),
    ("python", "print('x' * 100000)\noutput = input + 1", ROOMY, WELL),
    ("python", "while True: pass", HASTY, ("wall_time_limit",)),
    ("node", "for (;;) {}", HASTY, ("wall_time_limit",)),
    ("python", "keep = []\nwhile True: keep.append(bytearray(1 << 20))", ROOMY, ("memory_limit",)),
    ("python", "raise ValueError(input)", ROOMY, ("error",)),
    ("python", "import os\nos._exit(3)", ROOMY, ("killed", "error")),
    ("node", "output = (() => {})", ROOMY, ("invalid_output",)),
)


@dataclass
class Service:
    """The service as a process: killed and started again over the same store."""

    data: Path
    engine_address: str
    port: int
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    samples: dict[int, list[tuple[float, int, int]]] = field(default_factory=dict)
    """Of each life: seconds since its start, resident bytes, open descriptors."""

    async def start(self) -> None:
        with (self.data.parent / "serve.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from orchestrator.cli.main import main; main()", "serve",
                "--port", str(self.port), "--data", str(self.data),
                stderr=log, cwd=ROOT,
                env={
                    **os.environ,
                    "SANDBOX_ORCH_DOCKER_URL": self.engine_address,
                    "SANDBOX_ORCH_WARM_TARGET": "2", "SANDBOX_ORCH_CONTAINERS_MAXIMUM": "10",
                    "SANDBOX_ORCH_ENGINE_CALL_SECONDS": "10", "SANDBOX_ORCH_HEALTH_EVERY_SECONDS": "2",
                    "SANDBOX_ORCH_CGROUP_PARENT": "sandbox-orch-soak",
                },
            )  # fmt: skip
        self.starts += 1

    async def keep_up(self) -> None:
        """Start it whenever it is down: it refuses to start while there is no engine."""
        while True:
            if self.process is None or self.process.returncode is not None:
                await self.start()
            await asyncio.sleep(0.5)

    async def sample(self) -> None:
        while True:
            await asyncio.sleep(1)
            try:
                process = psutil.Process(self.process.pid)
                seen = time.time() - process.create_time(), process.memory_info().rss, process.num_fds()
                self.samples.setdefault(self.process.pid, []).append(seen)
            except psutil.Error:
                continue

    def client(self) -> httpx.AsyncClient:
        key = (self.data / "admin.key").read_text().strip()
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {key}"}, timeout=30
        )


@dataclass
class Soak:
    """One run: what was accepted, what was broken."""

    service: Service
    engine: object
    dice: random.Random
    accepted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Job id to its kind and its input."""
    faults: Counter = field(default_factory=Counter)

    async def submit_until(self, end: float) -> None:
        """Hand in one job after the other; an answer that was lost is asked for again with the same key."""
        async with self.service.client() as client:
            while time.monotonic() < end:
                kind, number = self.dice.randrange(len(KINDS)), self.dice.randrange(10**6)
                job_id = await self._submit(client, kind, number)
                assert job_id not in self.accepted
                self.accepted[job_id] = kind, number
                await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))

    async def _submit(self, client: httpx.AsyncClient, kind: int, number: int) -> str:
        runtime, code, limits, _ = KINDS[kind]
        body = {"runtime": runtime, "code": code, "input": number, "limits": limits}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await client.post("/v1/jobs", json=body, headers=headers)
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 202:
                return answer.json()["id"]
            assert answer.status_code in (429, 503), answer.text
            await asyncio.sleep(0.5)
        raise AssertionError("no job was taken for minutes")

    async def break_things_until(self, end: float) -> None:
        while time.monotonic() < end:
            await asyncio.sleep(self.dice.uniform(2, 6))
            fault = self.dice.choices(("container", "engine", "service"), (6, 1, 2))[0]
            self.faults[fault] += 1
            if fault == "container":
                await asyncio.to_thread(self._kill_a_container)
            elif fault == "engine":
                await asyncio.to_thread(self.engine.kill)
                await asyncio.sleep(self.dice.uniform(0, 2))
                await asyncio.to_thread(self.engine.start)
            elif self.service.process is not None and self.service.process.returncode is None:
                self.service.process.send_signal(signal.SIGKILL)

    def _kill_a_container(self) -> None:
        client = docker.APIClient(base_url=self.engine.address, timeout=10)
        try:
            running = client.containers(filters={"label": LABEL})
            if running:
                client.kill(self.dice.choice(running)["Id"])
        except docker.errors.DockerException:
            pass  # it ended by itself, or the engine is down: a fault of its own
        finally:
            client.close()

    async def judge(self) -> Counter:
        """Every accepted job has one result, told the same way twice, that its code can have; the outcomes."""
        outcomes: Counter = Counter()
        async with self.service.client() as client:
            for job_id, (kind, number) in self.accepted.items():
                job = await self._finished(client, job_id)
                outcomes[job["outcome"]] += 1
                assert job["outcome"] in (*KINDS[kind][3], "internal_error"), (KINDS[kind][1], job)
                if job["outcome"] == "succeeded":
                    assert job["result"]["output"] == number + 1
                assert (await client.get(f"/v1/jobs/{job_id}")).json()["result"] == job["result"]
            listed = await self._list_all(client)
        assert sorted(listed) == sorted(self.accepted)
        return outcomes

    async def _finished(self, client: httpx.AsyncClient, job_id: str) -> dict:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            try:
                job = (await client.get(f"/v1/jobs/{job_id}", params={"wait": 10})).json()
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
                continue
            if job["state"] == "finished":
                return job
        raise AssertionError(f"job {job_id} did not finish: {job}")

    async def _list_all(self, client: httpx.AsyncClient) -> list[str]:
        ids, cursor = [], None
        while True:
            params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/v1/jobs", params=params)).json()
            ids += [job["id"] for job in page["jobs"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return ids


@pytest.fixture(autouse=True)
def _what_the_sdk_forgot_is_collected_here():
    yield
    gc.collect()


@pytest.fixture
def engine():
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a private engine needs root")
    with private_engine({}) as private:
        move_images(private.address, IMAGES)
        yield private


async def test_nothing_is_lost_and_nothing_is_left(engine, soak_seconds, tmp_path):
    """Well- and ill-behaved jobs, killed containers, a killed engine, a killed service: one result each, no trace."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"\nsoak of {soak_seconds} s, seed {seed}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = Service(tmp_path / "data", engine.address, port)
    await service.start()
    keeping, sampling = asyncio.create_task(service.keep_up()), asyncio.create_task(service.sample())
    try:
        await _until_ready(service)
        soak = Soak(service, engine, random.Random(seed))
        end = time.monotonic() + soak_seconds
        await asyncio.gather(
            soak.break_things_until(end), *(soak.submit_until(end) for _ in range(SUBMITTERS))
        )
        outcomes = await soak.judge()
    finally:
        keeping.cancel()
        sampling.cancel()
        await asyncio.gather(keeping, sampling, return_exceptions=True)
        if service.process.returncode is None:
            service.process.terminate()
            await asyncio.wait_for(service.process.wait(), 60)
    print(
        f"jobs {len(soak.accepted)}, outcomes {dict(outcomes)}, faults {dict(soak.faults)}, starts {service.starts}"
    )
    assert service.process.returncode == 0
    _nothing_is_left(engine)
    _memory_is_flat(service)
    assert outcomes["internal_error"] <= 0.02 * len(soak.accepted) + 2


async def _until_ready(service: Service) -> None:
    async with asyncio.timeout(90):
        while not (service.data / "admin.key").exists():
            await asyncio.sleep(0.2)
        async with service.client() as client:
            while True:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.2)


def _nothing_is_left(engine) -> None:
    """No container, network, tmpfs or cgroup of ours."""
    client = docker.APIClient(base_url=engine.address, timeout=30)
    try:
        assert client.containers(all=True, filters={"label": LABEL}) == []
        assert {network["Name"] for network in client.networks()} <= {"host", "none", "bridge"}
    finally:
        client.close()
    mounts = Path("/proc/self/mounts").read_text()
    assert not re.search(rf"{engine.folder}/\S*(work|tmp) tmpfs", mounts)
    assert list(Path("/sys/fs/cgroup").glob("**/sandbox-orch-soak")) == []


def _memory_is_flat(service: Service) -> None:
    """Within each life of the service, what it held after its first ten seconds it holds at the end, about."""
    for pid, seen in service.samples.items():
        warm = [(resident, descriptors) for age, resident, descriptors in seen if age > 10]
        if len(warm) < 10:
            continue
        residents, descriptors = zip(*warm, strict=True)
        print(f"life {pid}: {len(seen)} s, resident {residents[0] >> 20} to {residents[-1] >> 20} MiB, "
              f"descriptors {descriptors[0]} to {descriptors[-1]}, most {max(descriptors)}")  # fmt: skip
        assert residents[-1] < residents[0] + 48 * 1024**2
        assert max(descriptors) < 400
