"""Compose for tests: which of its two generations is here, and what a project has on the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ("COMPOSE_FILE", "compose_v1", "compose_v2", "left_of", "run")

ROOT = Path(__file__).parent.parent
COMPOSE_FILE = ROOT / "compose.yaml"
FETCHED = ROOT / ".venv/compose-v2/docker-compose"


def compose_v2() -> list[str]:
    """`docker compose`, or what `./test` fetched; a test that needs it fails without."""
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return [docker, "compose"]
    if FETCHED.exists():
        return [str(FETCHED)]
    pytest.fail(
        "no Compose v2 here; ./test fetches it (as root, by apt), or install docker-compose-plugin",
        pytrace=False,
    )


def compose_v1() -> list[str]:
    """Debian 12's docker-compose 1.29. Other systems do not have it any more: then its test says so."""
    found = shutil.which("docker-compose")
    if found:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if "1.29" in said:
            return [found]
    pytest.skip("no docker-compose 1.29 here: only Debian 12 has its package")


def run(argv: list[str], *, seconds: float = 240, check: bool = True, **environment: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{argv}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout


def left_of(project: str) -> list[str]:
    """Containers, volumes and networks of a project, and the containers that its service made."""
    label = f"label=com.docker.compose.project={project}"
    asked = [
        ["docker", "ps", "--all", "--quiet", "--filter", label],
        ["docker", "ps", "--all", "--quiet", "--filter", f"label=org.sandbox-orch.scope={project}"],
        ["docker", "volume", "ls", "--quiet", "--filter", label],
        ["docker", "network", "ls", "--quiet", "--filter", label],
    ]
    return [line for argv in asked for line in run(argv).split()]
