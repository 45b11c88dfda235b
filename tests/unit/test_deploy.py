"""What is shipped for Prometheus and Grafana names metrics that there are."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml
from apis import job, open_house

from orchestrator.domain.errors import EngineUnavailable

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
NAME = re.compile(r"\bsandbox_orch[a-z0-9_:]*")


def rules() -> list[dict]:
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def expressions() -> list[str]:
    """Every question that a rule or a panel asks."""
    panels = [
        panel for path in DASHBOARDS for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
    ]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return asked + [rule["expr"] for rule in rules()]


@pytest.fixture
async def exposed(tmp_path) -> set[str]:
    """The names of all metrics of a service that has seen everything once."""
    async with open_house(
        tmp_path, sampling={"every_seconds": 0.02, "look_at_engine_every_seconds": 0.02}
    ) as house:
        async with await house.client() as client:
            await client.post("/v1/execute", json=job())
        while not house.monitor.parts:
            await asyncio.sleep(0.01)
        house.monitor.refused("queue_full")
        house.monitor.create_failed("python", EngineUnavailable("no"), retry_in_seconds=1)
        house.monitor.store_failed("", RuntimeError("no"))
        text = house.monitor.exposition().decode()
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}


async def test_every_metric_that_is_named_exists(exposed):
    """In rules, alerts and panels: one of ours, or one that a rule records."""
    known = exposed | {rule["record"] for rule in rules() if "record" in rule}
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 12
    assert named - known == set()


def test_every_alert_says_what_to_do():
    """What is wrong, what to do about it, and how bad it is."""
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 10
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning"), alert["alert"]
        assert alert["annotations"]["summary"], alert["alert"]
        assert alert["annotations"]["action"], alert["alert"]


def test_every_panel_asks_the_provisioned_source():
    """And each has its own place and number."""
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    )
    (uid,) = [each["uid"] for each in source["datasources"]]
    for path in DASHBOARDS:
        panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            assert all(target["datasource"]["uid"] == uid for target in panel.get("targets", ())), panel[
                "title"
            ]
