"""The one place from which what was written can be run: /program, of compiled languages only, as it really is mounted."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator import load_settings
from orchestrator.bootstrap import open_engine, probe_container, runtimes_on_offer

pytestmark = pytest.mark.docker

NAMES = ("bash", "c", "go", "lua", "node", "python", "ruby")
COMPILED = ("c", "go")


async def mounts_of(name: str) -> dict[str, set[str]]:
    """Of one container exactly as jobs get it: place to flags, of every tmpfs that the job can write to."""
    settings = load_settings(runtimes=name)
    async with (
        open_engine(settings) as engine,
        probe_container(engine, settings, runtimes_on_offer(settings)[name]) as (spec, container),
    ):
        rows = [line.split() for line in container.runner_facts["mountinfo"].splitlines()]
        return {
            row[4]: set(row[5].split(","))
            for row in rows
            if row[4] in {"/program", *(one.path for one in spec.tmpfs)}
        }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_cannot_be_run_but_where_a_compiler_writes(name):
    """By the kernel's own list of mounts; nosuid and nodev everywhere."""
    mounts = asyncio.run(mounts_of(name))
    assert all({"rw", "nosuid", "nodev"} <= flags for flags in mounts.values())
    runnable = [path for path, flags in mounts.items() if "noexec" not in flags]
    assert runnable == (["/program"] if name in COMPILED else [])
    assert set(mounts) == {"/work", "/tmp", *runnable}
