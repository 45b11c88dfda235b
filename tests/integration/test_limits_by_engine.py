"""Where the host's cgroup files may be read and not written: limits by the engine, and no bound on all together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from orchestrator import JobSpec, Limits, Mode, Orchestrator, bootstrap, load_settings
from orchestrator.backends import cgroups
from orchestrator.domain.limits import MIB
from orchestrator.domain.outcome import Outcome
from orchestrator.policies.checkup import HostFacts, Status
from orchestrator.policies.host_checks import CHECKS

LARGE = "large = b'x' * {}_000_000\noutput = len(large)"
CROWD = (
    "import threading, time\nfor n in range(30):\n    threading.Thread(target=time.sleep, args=(5,)).start()"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def powerless() -> AsyncIterator[Orchestrator]:
    """An orchestrator that could write no file of a cgroup."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (cgroups._V1, cgroups._V2):
            for way in ("narrow", "widen", "bound_parent"):
                patch.setattr(kind, way, lambda *_, **__: False)
        patch.setattr(bootstrap, "may_write_cgroups", lambda: False)
        settings = load_settings(
            runtimes="python,c", warm_target=1, warm_maximum=1, containers_maximum=4, queue_seconds=60
        )
        async with Orchestrator.open(settings) as running:
            yield running
    # Who may not write them may not remove the empty one either; this process may.
    cgroups.remove_empty_parent("sandbox-orch")


def limits(**own: int) -> Limits:
    return Limits(wall_time_ms=20_000, cpu_time_ms=20_000, **own)


@pytest.mark.parametrize(
    ("code", "own", "outcome", "is_warm"),
    [
        (LARGE.format(8), {}, Outcome.SUCCEEDED, True),
        (LARGE.format(40), {}, Outcome.MEMORY_LIMIT, True),
        (LARGE.format(40), {"memory_bytes": 64 * MIB}, Outcome.SUCCEEDED, False),
        (LARGE.format(20), {"memory_bytes": 8 * MIB}, Outcome.MEMORY_LIMIT, False),
        (CROWD, {"processes": 4}, Outcome.PROCESS_LIMIT, False),
    ],
)
async def test_a_job_is_held_to_its_own_limits(powerless, code, own, outcome, is_warm):
    """A warm container has those of a job that asks for none; for others one is made."""
    await powerless.wait_until_warm(within_seconds=60)
    result = await powerless.execute(JobSpec(runtime="python", code=code, limits=limits(**own)))
    assert (result.outcome, result.container.warm) == (outcome, is_warm), result
    if result.limit is not None:
        assert result.limit.configured == getattr(limits(**own), result.limit.name)


@pytest.mark.parametrize(
    ("mebibytes", "own", "outcome"),
    [
        (8, {}, Outcome.SUCCEEDED),
        (40, {}, Outcome.MEMORY_LIMIT),
        (40, {"memory_bytes": 64 * MIB}, Outcome.SUCCEEDED),
        (20, {"memory_bytes": 8 * MIB}, Outcome.MEMORY_LIMIT),
    ],
)
async def test_a_compiled_program_is_held_to_its_own_limits(powerless, mebibytes, own, outcome):
    """Whatever its compiler may use; the compiler's processor time is not the program's either."""
    touch = "#include <stdlib.h>\nint main(void) {{ volatile char *x = malloc({0}); for (int n = 0; n < {0}; n++) x[n] = 1; }}"
    code = touch.format(mebibytes << 20)
    await powerless.wait_until_warm(within_seconds=60)
    result = await powerless.execute(JobSpec(runtime="c", code=code, mode=Mode.PROGRAM, limits=limits(**own)))
    assert (result.outcome, result.container.warm) == (outcome, True), result
    assert result.usage.cpu_ms <= result.usage.wall_ms * 1.5 + 10


async def test_the_kernel_keeps_what_the_engine_was_told(powerless):
    """What the interpreter holds, the job's own, and the room that a clean limit inside needs; no swap on top."""
    await powerless.wait_until_warm(within_seconds=60)
    (container,) = powerless.pool._shelves["python"].warm
    live = container.live
    in_force = cgroups.limits_in_force(live._init._pid, live.id)
    held = live.cgroup.held()
    room = 16 * MIB + live._spec.headroom_bytes
    assert 0 <= in_force.memory_bytes - room <= held.memory_bytes + 4 * MIB
    assert in_force.memory_bytes < live._spec.memory_bytes
    assert in_force.memory_and_swap_bytes in (in_force.memory_bytes, None)
    assert in_force.pids == held.processes + 16


async def test_that_nothing_bounds_all_together_is_told(powerless, caplog):
    """In the log as it opens, and by the doctor; each container is bounded all the same."""
    settings = load_settings(runtimes="python", warm_target=0, warm_maximum=0)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, "orchestrator"):
        patch.setattr(bootstrap, "may_write_cgroups", lambda: False)
        async with Orchestrator.open(settings), bootstrap.open_engine(settings) as engine:
            needs = await bootstrap.host_needs(engine, settings)
    assert "unbounded parent=sandbox-orch" in caplog.text
    (check,) = [each for each in CHECKS if each.name == "parent-cgroup"]
    assert check.judge(HostFacts(), needs)[0] is Status.WARN
