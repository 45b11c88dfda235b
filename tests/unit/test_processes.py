"""A process of the host, held by a descriptor."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from orchestrator.backends.processes import HostProcess


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.fixture
async def sleeper():
    child = await asyncio.create_subprocess_exec("sleep", "60")
    yield child
    if child.returncode is None:
        child.kill()
    await child.wait()


async def test_the_end_of_a_process_is_told_once(sleeper):
    """And `has_ended`, which listens on the same process, is not disturbed."""
    process, told = HostProcess.open(sleeper.pid), []
    process.on_end(lambda: told.append(1))
    assert not await process.has_ended(within_seconds=0.01)
    assert told == []
    assert await process.kill(within_seconds=5)
    await asyncio.sleep(0.05)
    assert told == [1]
    process.close()
    process.close()


async def test_after_close_nothing_is_told(sleeper):
    """Nor is a descriptor left open."""
    before = open_descriptors()
    process, told = HostProcess.open(sleeper.pid), []
    process.on_end(lambda: told.append(1))
    process.close()
    assert open_descriptors() == before
    sleeper.send_signal(signal.SIGKILL)
    await sleeper.wait()
    assert told == []


async def test_a_process_that_is_gone_is_none():
    """A pid that was reaped."""
    child = await asyncio.create_subprocess_exec("true")
    await child.wait()
    assert HostProcess.open(child.pid) is None
