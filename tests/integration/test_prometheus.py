"""The shipped rules and dashboard, checked by Prometheus' own tool and by a Prometheus that scrapes a real `serve`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from test_serve import job, serving

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UNPACKED = ROOT / ".tools/prometheus/usr/bin"
SCRAPED_WITHIN_SECONDS = 90


def program(name: str) -> str:
    """A program of Debian's package `prometheus`, installed or unpacked."""
    found = shutil.which(name) or shutil.which(name, path=str(UNPACKED))
    if found is None:
        if os.geteuid() == 0:
            pytest.fail(f"no {name} here: ./test gets Debian's (install_test_browser in tools/setup.sh)")
        pytest.skip(f"NOT TESTED: no {name} here, and only root gets it")
    return found


def checked(*words: str) -> str:
    done = subprocess.run(
        [program("promtool"), *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_promtool_finds_nothing_wrong_with_the_rules():
    """Syntax, names and templates."""
    for path in sorted((DEPLOY / "prometheus/rules").glob("*.yml")):
        assert "SUCCESS" in checked("check", "rules", "--lint=all", "--lint-fatal", str(path))


async def test_alerts_fire_when_they_should_and_only_then():
    """Series of good and bad days, by promtool's own tests."""
    for path in sorted((DEPLOY / "prometheus/tests").glob("*.yml")):
        checked("test", "rules", str(path))


@asynccontextmanager
async def prometheus(folder: Path, target: str):
    """A Prometheus with the shipped rules that scrapes `target` each second; its address."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DEPLOY / "prometheus/rules/*.yml")],
        "scrape_configs": [
            {
                "job_name": "sandbox-orch",
                "authorization": {"credentials_file": str(folder / "admin.key")},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    checked("check", "config", str(folder / "prometheus.yml"))
    process = await asyncio.create_subprocess_exec(
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield await _address_of(process.pid)
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _address_of(pid: int) -> str:
    async with asyncio.timeout(60):
        while True:
            found = [
                each.laddr
                for each in psutil.Process(pid).net_connections("tcp")
                if each.status == psutil.CONN_LISTEN
            ]
            if found:
                return f"http://{found[0].ip}:{found[0].port}"
            await asyncio.sleep(0.1)


async def test_a_real_prometheus_scrapes_a_real_service_and_every_rule_and_panel_works(tmp_path):
    """Jobs run are jobs counted; no rule has an error; every panel's question has an answer that is no error."""
    program("prometheus")
    async with (
        serving(tmp_path) as server,
        server.client() as client,
        prometheus(tmp_path, server.url.removeprefix("http://")) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as asked,
    ):
        for number in range(5):
            assert (await client.post("/v1/execute", json=job("output = input", number))).status_code == 200

        async def value_of(expression: str) -> list[dict]:
            answer = await asked.get("/api/v1/query", params={"query": expression})
            assert answer.json()["status"] == "success", (expression, answer.text)
            return answer.json()["data"]["result"]

        counted = 'sandbox_orch_jobs_total{outcome="succeeded",runtime="python"}'
        async with asyncio.timeout(SCRAPED_WITHIN_SECONDS):
            while not (found := await value_of(f"{counted} == 5")):
                await asyncio.sleep(0.5)
            while not await value_of("sandbox_orch:warm:ratio5m"):
                await asyncio.sleep(0.5)
        assert found[0]["metric"]["job"] == "sandbox-orch"
        assert {each["metric"]["part"]: each["value"][1] for each in await value_of("sandbox_orch_ready")} == {
            "engine": "1", "pool": "1", "store": "1", "disk": "1", "checks": "1",
        }  # fmt: skip
        groups = (await asked.get("/api/v1/rules")).json()["data"]["groups"]
        health = {
            rule["name"]: (rule["health"], rule.get("lastError"))
            for group in groups
            for rule in group["rules"]
        }
        assert len(health) >= 14
        assert {name: found for name, found in health.items() if found[0] != "ok"} == {}
        assert await value_of('ALERTS{alertstate="firing"}') == []
        for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
            for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
                for target in panel.get("targets", ()):
                    await value_of(target["expr"].replace("$__rate_interval", "1m"))
