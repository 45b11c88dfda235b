"""`sandbox-orch serve` as a process of its own on a real engine: what a user types, what a crash leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "SANDBOX_ORCH_WARM_TARGET": "2",
    "SANDBOX_ORCH_CONTAINERS_MAXIMUM": "8",
    "SANDBOX_ORCH_QUEUE_SECONDS": "120",
}


@dataclass
class Server:
    """A serving process."""

    process: asyncio.subprocess.Process
    url: str
    key: str

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=90)

    def containers(self) -> list[str]:
        """Its containers on the engine, running or not."""
        shown = subprocess.run(
            ["docker", "ps", "--all", "--filter", "label=org.sandbox-orch.owner",
             "--format", '{{.ID}} {{.Label "org.sandbox-orch.owner"}}'],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows = [line.partition(" ") for line in shown.stdout.splitlines()]
        return [container for container, _, owner in rows if f"|{self.process.pid}|" in owner]


@asynccontextmanager
async def serving(data: Path, *, runtimes: str = "python"):
    """A server over `data`, which is ended with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from orchestrator.cli.main import main; main()", "serve",
        "--port", "0", "--data", str(data),
        stderr=asyncio.subprocess.PIPE, cwd=ROOT, env={**ENVIRONMENT, "SANDBOX_ORCH_RUNTIMES": runtimes},
    )  # fmt: skip
    lines = []
    async with asyncio.timeout(60):
        while not (found := re.search(r"listening on (http://\S+)", lines[-1] if lines else "")):
            line = await process.stderr.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
    reading = asyncio.create_task(process.stderr.read())
    try:
        yield Server(process, found[1], (data / "admin.key").read_text().strip())
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(60):
                await process.wait()
        await reading


async def until(condition, *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.1)


def job(code: str, value: object = None, **more) -> dict:
    return {"runtime": "python", "code": code, "input": value, **more}


SLEEP = "import time; time.sleep(input / 1000); output = input"
LONG = {"wall_time_ms": 30_000}
JOBS_KILLED = 50


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_the_curl_lines_of_the_readme_work_as_printed(tmp_path):
    """Typed into a shell, one after the other, on a machine where it was never started before."""
    (block,) = re.findall(
        r"```sh\n(sandbox-orch serve.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    lines = [line.partition("   #")[0].rstrip() for line in block.strip().split("\n")]
    assert sum("curl " in line for line in lines) == 5
    script = "\n".join(f"{line}\necho; echo '--'" if "curl " in line else line for line in lines)
    script = script.replace("8080", str(free_port())) + "\nkill %1; wait %1; echo ended $?"
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip
    ready, result, submitted, shown, events, ended = (each.strip() for each in done.stdout.split("--\n"))
    assert json.loads(ready)["ready"] is True, done.stderr
    assert json.loads(result)["output"] == 42
    assert submitted == ""
    assert json.loads(shown)["result"]["output"] == 42
    assert [line for line in events.split("\n") if line.startswith("event:")][-1] == "event: result"
    assert ended == "ended 0"
    assert (tmp_path / "data/admin.key").stat().st_mode & 0o777 == 0o600


async def test_after_kill_9_every_accepted_job_has_exactly_one_result(tmp_path):
    """Killed in the middle of its work: the next start runs what is left, and no container stays behind."""
    async with serving(tmp_path) as first:
        async with first.client() as client:
            ids = []
            for number in range(JOBS_KILLED):
                answer = await client.post("/v1/jobs", json=job(SLEEP, 20 + number, limits=LONG))
                assert answer.status_code == 202
                ids.append(answer.json()["id"])
            await client.get(f"/v1/jobs/{ids[5]}", params={"wait": 30})
        first.process.kill()
        await first.process.wait()
    async with serving(tmp_path) as second:
        async with second.client() as client:
            for number, job_id in enumerate(ids):
                shown = (await client.get(f"/v1/jobs/{job_id}", params={"wait": 60})).json()
                assert (shown["outcome"], shown["result"]["output"]) == ("succeeded", 20 + number)
            assert len((await client.get("/v1/jobs", params={"limit": 100})).json()["jobs"]) == JOBS_KILLED
            assert (await client.get("/v1/stats")).json()["total"] == JOBS_KILLED
        assert first.containers() == []
    assert second.process.returncode == 0
    assert second.containers() == []


async def test_duplicates_cancels_and_leavers_on_real_containers(tmp_path):
    """A storm of one key is one job; who goes away, or cancels, has the container killed; SIGTERM lets jobs finish."""
    async with serving(tmp_path) as server, server.client() as client:
        await _storm(client)
        await _leave(server, client)
        await _cancel(client)
        running = (await client.post("/v1/jobs", json=job(SLEEP, 1500, limits=LONG))).json()["id"]
        await asyncio.sleep(0.3)
        polling = asyncio.create_task(client.get(f"/v1/jobs/{running}/events"))
        await asyncio.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert "event: result" in (await polling).text
        await server.process.wait()
    assert server.process.returncode == 0
    assert server.containers() == []


async def _storm(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "storm"}
    answers = await asyncio.gather(
        *(client.post("/v1/execute", json=job(SLEEP, 200), headers=headers) for _ in range(100))
    )
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    places = {answer.headers["location"] for answer in answers if answer.status_code == 409}
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(ids) == 1
    assert places <= {f"/v1/jobs/{job_id}" for job_id in ids}
    assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1


async def _leave(server: Server, client: httpx.AsyncClient) -> None:
    async with server.client() as leaver:
        try:
            await leaver.post("/v1/execute", json=job(SLEEP, 25_000, limits=LONG), timeout=2)
        except httpx.ReadTimeout:
            pass
        else:
            raise AssertionError("it should not have been answered")
    async with asyncio.timeout(10):
        while (await client.get("/v1/jobs", params={"outcome": "cancelled"})).json()["jobs"] == []:
            await asyncio.sleep(0.1)
    pool = (await client.get("/v1/pool")).json()
    assert (pool["running"], pool["states"]["python"].get("leased", 0)) == (0, 0)


async def _cancel(client: httpx.AsyncClient) -> None:
    printing = "print('so far', flush=True)\nimport time\ntime.sleep(25)"
    job_id = (await client.post("/v1/jobs", json=job(printing, limits=LONG))).json()["id"]
    async with client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
        async for line in events.aiter_lines():
            if line == "event: stdout":
                break
    shown = (await client.delete(f"/v1/jobs/{job_id}")).json()
    assert (shown["outcome"], shown["result"]["stdout"]["text"]) == ("cancelled", "so far\n")


async def test_the_pool_can_be_watched_from_the_command_line(tmp_path):
    """A table for people, JSON for programs, one clear line without the right key."""
    async with serving(tmp_path) as server:
        key = ["--server", server.url, "--key-file", str(tmp_path / "admin.key")]
        table = await typed("pool", *key)
        shown = json.loads((await typed("pool", "--json", *key)).stdout)
        refused = await typed("pool", "--server", server.url)
    assert [word in table.stdout for word in ("python", "warm", "the minimum", "retired:", "queue:")] == [
        True
    ] * 5
    assert shown["targets"]["python"]["target"] == 2
    assert {container["runtime"] for container in shown["containers"]} == {"python"}
    assert refused.returncode != 0
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr


async def typed(*words: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT if data is None else {**ENVIRONMENT, "SANDBOX_ORCH_DATA_FOLDER": str(data)}
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", "from orchestrator.cli.main import main; main()", *words],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment,
    )  # fmt: skip


async def test_no_answer_is_lost_doubled_or_mixed_up_at_1_8_64_and_512_clients(tmp_path):
    """Each client asks and waits over its own connection; a tenant that keeps its containers makes it a crowd."""
    async with serving(tmp_path) as server:
        tenant = [
            "--rate-per-second",
            "100000",
            "--burst",
            "100000",
            "--queue-share",
            "1",
            "--recycle",
            "leak",
        ]
        granted = await typed("tenants", "set", "admin", *tenant, data=tmp_path)
        assert granted.returncode == 0, granted.stderr
        loaded = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "bench/load.py", "--url", server.url, "--key-file", str(tmp_path / "admin.key"),
             "--seconds", "3", "--clients", "1", "8", "64", "512"],
            capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        )  # fmt: skip
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    rows = loaded.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["1", "8", "64", "512"]
    for row in rows:
        assert "200 succeeded" in row, row
        assert "lost 0 duplicated 0 mixed up 0" in row


async def test_two_services_on_one_engine_do_not_disturb_each_other(tmp_path):
    """Neither reaps the other's containers, at its start or at its end, and each runs its own jobs."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with serving(tmp_path / "one") as one, one.client() as client:
        running = asyncio.create_task(client.post("/v1/execute", json=job(SLEEP, 15_000, limits=LONG)))
        await until(lambda: len(one.containers()) >= 3)
        before = set(one.containers())
        async with serving(tmp_path / "two") as two, two.client() as other:
            answer = await other.post("/v1/execute", json=job("output = input", 7))
            assert answer.json()["output"] == 7
            assert before <= set(one.containers())
        assert two.containers() == []
        assert (await running).json()["output"] == 15_000
    assert one.containers() == []
