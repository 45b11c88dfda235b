"""Who gives way on a busy host: the plan, and its carrying out on containers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make_spec
from pools import settle

from orchestrator.backends import host_load
from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.errors import EngineRefused
from orchestrator.domain.limits import CpuShare
from orchestrator.domain.tenant import Priority
from orchestrator.policies.throttle import (
    HostLoad,
    ThrottleSettings,
    ThrottleState,
    cpu_share,
    plan_throttle,
)
from orchestrator.pool.lease import Lease
from orchestrator.scheduler.throttle import LOOK_EVERY_SECONDS, open_throttle

SETTINGS = ThrottleSettings()
BUSY = HostLoad(busy_share=1.0, batch_running=4, better_present=1)


def after(state: ThrottleState, load: HostLoad, looks: int) -> ThrottleState:
    for _ in range(looks):
        state = plan_throttle(state, load, SETTINGS)
    return state


class TestPlan:
    def test_throttling_begins_after_some_looks_and_ends_after_more(self):
        """One busy moment is no saturation, and one quiet moment is no rest."""
        begun = after(ThrottleState(), BUSY, SETTINGS.looks_to_begin)
        assert not after(ThrottleState(), BUSY, SETTINGS.looks_to_begin - 1).is_throttled
        assert begun.is_throttled
        quiet = HostLoad(busy_share=0.3, batch_running=4, better_present=1)
        assert after(begun, quiet, SETTINGS.looks_to_end - 1).is_throttled
        assert not after(begun, quiet, SETTINGS.looks_to_end).is_throttled

    def test_looks_must_follow_each_other(self):
        """Busy, quiet, busy, quiet for ever is no saturation."""
        state, quiet = ThrottleState(), HostLoad(busy_share=0.5, batch_running=4, better_present=1)
        for _ in range(20):
            state = after(after(state, BUSY, SETTINGS.looks_to_begin - 1), quiet, 1)
        assert not state.is_throttled

    def test_batch_has_the_host_for_itself_where_nobody_else_wants_it(self):
        """A busy host is a used host."""
        alone = HostLoad(busy_share=1.0, pressure_percent=90.0, batch_running=4, better_present=0)
        assert not after(ThrottleState(), alone, 50).is_throttled

    def test_pressure_tells_of_saturation_too(self):
        """Where the kernel says that others wait, a busy share below the bound is no excuse."""
        pressed = HostLoad(busy_share=0.8, pressure_percent=60.0, batch_running=1, better_present=1)
        assert after(ThrottleState(), pressed, SETTINGS.looks_to_begin).is_throttled

    def test_without_batch_there_is_nothing_to_throttle(self):
        """The next batch job begins with a clean slate."""
        begun = after(ThrottleState(), BUSY, 10)
        assert after(begun, HostLoad(busy_share=1.0, better_present=9), 1) == ThrottleState()

    @given(st.sampled_from(Priority), st.booleans())
    def test_only_batch_is_cut_and_better_classes_weigh_more(self, priority, throttled):
        """The order of weights is the order of classes, whatever the state."""
        shares = [cpu_share(each, ThrottleState(is_throttled=throttled), SETTINGS) for each in Priority]
        assert [share.weight for share in shares] == sorted((share.weight for share in shares), reverse=True)
        share = cpu_share(priority, ThrottleState(is_throttled=throttled), SETTINGS)
        assert (share.quota < 1) == (throttled and priority is Priority.BATCH)


class TestHostLoad:
    def test_pressure_is_read_where_the_kernel_tells_it(self, tmp_path):
        """`some avg10`, and None for anything else."""
        file = tmp_path / "cpu"
        file.write_text(
            "some avg10=12.50 avg60=1.00 avg300=0.00 total=9\nfull avg10=1.00 avg60=0 avg300=0 total=0\n"
        )
        assert host_load.pressure_percent(file) == 12.5
        for text in ("", "some avg10=x", "full avg10=1.0", "some"):
            file.write_text(text)
            assert host_load.pressure_percent(file) is None
        assert host_load.pressure_percent(tmp_path / "none") is None

    def test_the_hosts_own_figures_are_figures(self):
        """Between nothing and everything."""
        assert 0 <= host_load.busy_share() <= 1
        assert 0 <= (host_load.pressure_percent() or 0) <= 100


@asynccontextmanager
async def throttling(**backend_options):
    """A throttle over a host whose load the test sets, and containers of each class."""
    backend = FakeBackend(**backend_options)
    load = [0.0, None]
    async with open_throttle(lambda: (load[0], load[1]), lambda: 0) as throttle:

        async def run(name: str, priority: Priority):
            container = await backend.launch(make_spec(), ready_within_seconds=1)
            lease = Lease(container, True)
            throttle.hold(name, lease, priority)
            await settle()
            return container, lease

        yield throttle, load, run


async def looks(count: int) -> None:
    await asyncio.sleep(LOOK_EVERY_SECONDS * count + 0.01)
    await settle()


@pytest.mark.virtual_time
class TestThrottle:
    async def test_each_class_gets_its_weight_as_it_is_leased(self):
        """Before the job has begun."""
        async with throttling() as (_, _, run):
            containers = [(await run(each, each))[0] for each in Priority]
            weights = [container.shares[-1].weight for container in containers]
            assert weights == sorted(weights, reverse=True)
            assert len(set(weights)) == 3

    async def test_a_busy_host_cuts_batch_and_gives_it_back(self):
        """Only batch, only while it lasts, and also those that start meanwhile."""
        async with throttling() as (throttle, load, run):
            batch, _ = await run("b", Priority.BATCH)
            better, _ = await run("i", Priority.INTERACTIVE)
            load[0] = 1.0
            await looks(SETTINGS.looks_to_begin)
            assert throttle.state.is_throttled
            late, _ = await run("late", Priority.BATCH)
            assert [one.shares[-1].quota for one in (batch, late, better)] == [0.25, 0.25, 1.0]
            load[0] = 0.1
            await looks(SETTINGS.looks_to_end)
            assert [one.shares[-1].quota for one in (batch, late, better)] == [1.0, 1.0, 1.0]

    async def test_a_job_that_ended_is_left_alone(self):
        """Its lease is dead: touching it would be an error."""
        async with throttling() as (throttle, load, run):
            batch, lease = await run("b", Priority.BATCH)
            await run("i", Priority.INTERACTIVE)
            lease.expire()
            throttle.let_go("b")
            throttle.let_go("b")
            load[0] = 1.0
            await looks(5)
            assert len(batch.shares) == 1

    async def test_without_files_the_engine_is_asked(self):
        """In the background: a lease does not wait for it."""
        async with throttling(files_in_reach=False) as (_, load, run):
            batch, _ = await run("b", Priority.BATCH)
            assert batch.shares == [CpuShare(weight=128)]
            await run("i", Priority.INTERACTIVE)
            load[0] = 1.0
            await looks(SETTINGS.looks_to_begin)
            assert batch.shares[-1] == CpuShare(weight=128, quota=0.25)
            assert batch.pauses == []

    async def test_where_the_engine_refuses_batch_is_paused_for_a_part_of_each_second(self):
        """Stopped and resumed in turn, never left stopped, and nobody else."""
        refusal = EngineRefused("no", step="update")
        async with throttling(files_in_reach=False, update_error=refusal) as (_, load, run):
            batch, _ = await run("b", Priority.BATCH)
            better, _ = await run("i", Priority.INTERACTIVE)
            load[0] = 1.0
            await looks(2 + 20)
            assert len(batch.pauses) > 6
            load[0] = 0.0
            await looks(SETTINGS.looks_to_end + 4)
            assert batch.pauses == [True, False] * (len(batch.pauses) // 2)
            assert better.pauses == []
