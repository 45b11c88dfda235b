"""`pool/pool.py` with `recycle = "leak"`: which container is kept for whom, and when it is given up."""

from __future__ import annotations

import asyncio

import pytest
from pools import (
    FOR_EVER,
    RUNTIME,
    TelemetryNotes,
    count_in,
    fake_behind,
    fake_pool,
    reuse_settings,
    settle,
)

from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import EngineUnavailable, InternalError, PoolTimeout, ProtocolError
from orchestrator.domain.inspection import Inspection, LeakKind
from orchestrator.domain.limits import KIB, MIB, Limits
from orchestrator.pool.pool import WarmPool

pytestmark = pytest.mark.virtual_time


def keeping_pool(backend: FakeBackend, targets=None, *, telemetry=None, maximum=8, **reuse):
    """A pool that keeps containers, of which `maximum` may exist."""
    return fake_pool(backend, targets, telemetry=telemetry, maximum=maximum, reuse=reuse_settings(**reuse))


async def run_job(pool: WarmPool, tenant: str | None = "ada", *, ends_well=True, **options) -> str:
    """One job, from its lease until its container has been looked at; which container it was."""
    options = {"runtime": RUNTIME, "reuse": True, "deadline": FOR_EVER, **options}
    async with pool.lease(options.pop("runtime"), tenant=tenant, **options) as lease:
        if ends_well:
            lease.end_well()
    await settle()
    return lease.container_id


class Waiting:
    """A job that has asked and holds its container until told."""

    def __init__(self, pool: WarmPool, tenant: str | None, deadline: float = FOR_EVER) -> None:
        self.lease = None
        self._release = asyncio.Event()
        self.task = asyncio.create_task(self._hold(pool, tenant, deadline))

    async def _hold(self, pool, tenant, deadline) -> None:
        async with pool.lease(RUNTIME, tenant=tenant, reuse=True, deadline=deadline) as lease:
            self.lease = lease
            await self._release.wait()
            lease.end_well()

    async def end(self) -> None:
        self._release.set()
        await self.task
        await settle()


class TestKeeping:
    async def test_a_tenants_next_job_gets_the_same_container(self):
        """Inspected and prepared in between, and the lease says that it was used before."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            first = await run_job(pool)
            assert count_in(pool, ContainerState.KEPT) == 1
            async with pool.lease(RUNTIME, tenant="ada", reuse=True, deadline=FOR_EVER) as lease:
                assert (lease.container_id, lease.was_warm, lease.was_reused) == (first, True, True)
                assert fake_behind(lease).renewals == 1
            assert pool.statistics().leases_reused == 1

    async def test_another_tenant_never_gets_it(self):
        """Not while it is idle, and not when nothing else is left: others wait for a never-used one."""
        async with keeping_pool(FakeBackend()) as pool:
            served = {tenant: {await run_job(pool, tenant) for _ in range(3)} for tenant in ("ada", "bob")}
            assert all(len(containers) == 1 for containers in served.values())
            assert not served["ada"] & served["bob"]

    async def test_a_lease_without_a_tenant_or_without_reuse_is_never_of_a_used_container(self):
        """Nor is its container kept: it serves that one job."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            kept = await run_job(pool)
            others = {
                await run_job(pool, None),
                await run_job(pool, reuse=False),
                await run_job(pool, made_to_measure=Limits(memory_bytes=512 * MIB)),
            }
            assert len(others) == 3
            assert kept not in others
            assert not others & set(backend.containers)

    async def test_without_the_setting_nothing_is_kept(self):
        """`recycle = "job"`: whoever asks, one job per container."""
        backend = FakeBackend()
        async with fake_pool(backend) as pool:
            served = [await run_job(pool) for _ in range(3)]
            assert len(set(served)) == 3
            assert not set(served) & set(backend.containers)

    async def test_a_container_is_of_one_runtime(self):
        """A tenant's job of another runtime gets another container."""
        async with keeping_pool(FakeBackend(), {"a": 1, "b": 1}) as pool:
            assert await run_job(pool, runtime="a") != await run_job(pool, runtime="b")
            assert await run_job(pool, runtime="a") == await run_job(pool, runtime="a")

    async def test_lending_a_used_container_to_somebody_else_is_a_bug_that_raises(self):
        """The last line of defence changes nothing and raises."""
        async with keeping_pool(FakeBackend()) as pool:
            await run_job(pool)
            (container,) = pool._kept.all()
            for tenant in ("bob", None):
                with pytest.raises(InternalError, match="somebody else"):
                    container.serve(tenant)
            assert container.record.state is ContainerState.KEPT

    async def test_the_inspection_is_not_on_the_callers_path(self):
        """The lease is left at once, also where the runner takes its time to renew itself."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            await settle()
            backend.renewal_gate = asyncio.Event()
            began = asyncio.get_running_loop().time()
            await run_job(pool)
            assert asyncio.get_running_loop().time() == began
            assert count_in(pool, ContainerState.INSPECTING) == 1
            backend.renewal_gate.set()
            await settle()
            assert count_in(pool, ContainerState.KEPT) == 1

    async def test_the_container_used_last_is_used_next(self):
        """So that those that are too many for their tenant go idle."""
        async with keeping_pool(FakeBackend(), {RUNTIME: 2}) as pool:
            await settle()
            jobs = [Waiting(pool, "ada"), Waiting(pool, "ada")]
            await settle()
            first, second = (job.lease.container_id for job in jobs)
            await jobs[0].end()
            await jobs[1].end()
            assert await run_job(pool) == second != first


class TestWaiting:
    async def test_a_waiting_job_gets_its_tenants_container_before_others_get_new_ones(self):
        """Wherever it stands in the line: nobody else could use that container."""
        backend = FakeBackend()
        async with keeping_pool(backend, maximum=1) as pool:
            holder = Waiting(pool, "ada")
            await settle()
            bob, ada = Waiting(pool, "bob"), Waiting(pool, "ada")
            await settle()
            assert ada.lease is None
            await holder.end()
            assert ada.lease is not None
            assert ada.lease.was_reused
            assert ada.lease.was_warm
            await ada.end()
            await asyncio.sleep(1)
            assert bob.lease is not None, "the kept container made room"
            assert not bob.lease.was_reused
            assert bob.lease.container_id != ada.lease.container_id
            await bob.end()

    async def test_nothing_is_made_for_a_job_whose_container_is_being_prepared(self):
        """A renewal takes a tenth of a making."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 0}) as pool:
            job = Waiting(pool, "ada")
            await settle()
            backend.renewal_gate = asyncio.Event()
            await job.end()
            following = Waiting(pool, "ada")
            await asyncio.sleep(1)
            assert pool.statistics().created == 1
            backend.renewal_gate.set()
            await settle()
            assert following.lease is not None
            await following.end()

    async def test_a_job_that_left_the_line_gives_its_container_back_to_its_tenant_only(self):
        """Cancelled between hand-over and wake-up: kept again, never put on the shelf."""
        async with keeping_pool(FakeBackend(), {RUNTIME: 0}, maximum=1) as pool:
            holder = Waiting(pool, "ada")
            await settle()
            following = Waiting(pool, "ada")
            await settle()
            (record,) = pool._containers.values()
            holder._release.set()
            while record.record.state is not ContainerState.KEPT:
                await asyncio.sleep(0)
            following.task.cancel()
            await settle()
            assert following.lease is None
            assert pool.statistics().states[RUNTIME] == {ContainerState.KEPT: 1}
            assert [view.tenant for view in pool.idle()] == ["ada"]

    async def test_kept_containers_make_room_before_never_used_ones_do(self):
        """And the longest unused first; what they cost is a tenant that may come back."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 0, "other": 1}, maximum=3) as pool:
            await settle()
            ada, bob = await run_job(pool, "ada"), await run_job(pool, "bob")
            await run_job(pool, None)
            assert ada not in backend.containers
            assert bob in backend.containers
            assert count_in(pool, ContainerState.WARM, "other") == 1
            assert pool.statistics().retired_by_reason["made room"] == 1

    async def test_a_container_made_to_measure_finds_room_too(self):
        """A kept one is given up for it."""
        async with keeping_pool(FakeBackend(), {RUNTIME: 0}, maximum=1) as pool:
            await run_job(pool)
            await run_job(pool, None, made_to_measure=Limits(memory_bytes=512 * MIB))
            assert pool.statistics().retired_by_reason["made room"] == 1

    async def test_a_full_house_of_busy_containers_is_still_full(self):
        """Kept containers count towards the maximum, and nothing is made above it."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 0}, maximum=2) as pool:
            jobs = [Waiting(pool, "ada"), Waiting(pool, "bob")]
            await settle()
            with pytest.raises(PoolTimeout):
                await run_job(pool, "eve", deadline=asyncio.get_running_loop().time() + 1)
            assert backend.most_at_once == 2
            for job in jobs:
                await job.end()


class TestGivingUp:
    @pytest.mark.parametrize(
        ("seen", "kinds"),
        [
            (Inspection(processes=1), (LeakKind.PROCESSES,)),
            (Inspection(files=("/tmp/x",), files_count=1), (LeakKind.FILES,)),
            (Inspection(descriptors=1), (LeakKind.DESCRIPTORS,)),
            (Inspection(shared_memory=1), (LeakKind.SHARED_MEMORY,)),
            (Inspection(files_count=1, host_processes=2), (LeakKind.PROCESSES, LeakKind.FILES)),
        ],
    )
    async def test_any_sign_of_a_leak_retires_it_and_is_counted_by_kind(self, seen, kinds):
        """The next job of its tenant gets a never-used one."""
        backend, telemetry = FakeBackend(inspect=lambda _: seen), TelemetryNotes()
        async with keeping_pool(backend, telemetry=telemetry) as pool:
            first = await run_job(pool)
            assert first not in backend.containers
            assert await run_job(pool) != first
            statistics = pool.statistics()
            assert statistics.leaks_by_kind == dict.fromkeys(kinds, 2)
            assert statistics.retired_by_reason == {"leaked": 2}
            assert telemetry.events[0] == ("leaked", (first, kinds))

    async def test_memory_that_climbs_from_job_to_job_retires_it(self):
        """Each container has its own history, which ends with it."""
        backend = FakeBackend(inspect=lambda one: Inspection(memory_bytes=one.renewals * 100 * KIB))
        async with keeping_pool(backend, jobs=100) as pool:
            served = [await run_job(pool) for _ in range(22)]
            assert [served.count(container) for container in dict.fromkeys(served)] == [11, 11]
            assert pool.statistics().leaks_by_kind == {LeakKind.MEMORY_TREND: 2}

    async def test_a_job_that_did_not_end_well_takes_its_container_with_it(self):
        """It is not even looked at."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            first = await run_job(pool, ends_well=False)
            assert first not in backend.containers
            assert pool.statistics().retired_by_reason == {"did not end well": 1}

    async def test_an_error_after_the_end_keeps_nothing(self):
        """Also where the job had ended well before."""
        backend, served = FakeBackend(), []

        async def end_well_and_fail(pool: WarmPool) -> None:
            async with pool.lease(RUNTIME, tenant="ada", reuse=True, deadline=FOR_EVER) as lease:
                served.append(lease.container_id)
                lease.end_well()
                raise ZeroDivisionError

        async with keeping_pool(backend) as pool:
            with pytest.raises(ZeroDivisionError):
                await end_well_and_fail(pool)
            await settle()
            assert len(served) == 1
            assert served[0] not in backend.containers

    @pytest.mark.parametrize(
        "error", [ProtocolError("a late 'stream' frame came"), EngineUnavailable("gone"), ZeroDivisionError()]
    )
    async def test_a_container_that_cannot_be_renewed_is_retired(self, error):
        """Whatever went wrong, and the pool goes on."""
        backend, telemetry = FakeBackend(renew_error=error), TelemetryNotes()
        async with keeping_pool(backend, telemetry=telemetry) as pool:
            first = await run_job(pool)
            assert first not in backend.containers
            assert telemetry.count("renew_failed") == 1
            assert pool.statistics().retired_by_reason == {"not renewed": 1}
            backend.renew_error = None
            assert await run_job(pool) == await run_job(pool)

    async def test_a_runner_that_does_not_renew_itself_in_time_is_retired(self):
        """Inspecting is bounded."""
        backend = FakeBackend()
        async with keeping_pool(backend, renew_within_seconds=5.0) as pool:
            await settle()
            backend.renewal_gate = asyncio.Event()
            await run_job(pool)
            await asyncio.sleep(5.1)
            await settle()
            assert pool.statistics().retired_by_reason == {"not renewed": 1}

    async def test_it_is_retired_after_its_last_job(self):
        """After so many, clean or not, and without an inspection."""
        async with keeping_pool(FakeBackend(), jobs=3) as pool:
            served = [await run_job(pool) for _ in range(7)]
            assert [served.count(container) for container in dict.fromkeys(served)] == [3, 3, 1]
            assert pool.statistics().retired_by_reason == {"served its jobs": 2}

    async def test_it_is_given_up_when_its_tenant_has_gone_idle(self):
        """Without anybody asking."""
        backend = FakeBackend()
        async with keeping_pool(backend, idle_seconds=30.0) as pool:
            first = await run_job(pool)
            await asyncio.sleep(29)
            assert await run_job(pool) == first
            await asyncio.sleep(29)
            assert first in backend.containers
            await asyncio.sleep(2)
            assert first not in backend.containers
            assert pool.statistics().retired_by_reason == {"tenant went idle": 1}

    async def test_it_is_given_up_at_its_age(self):
        """Idle at that moment or not."""
        backend = FakeBackend()
        async with keeping_pool(backend, age_seconds=60.0, idle_seconds=1000.0) as pool:
            first = await run_job(pool)
            job = Waiting(pool, "ada")
            await settle()
            assert job.lease.container_id == first
            await asyncio.sleep(70)
            await job.end()
            assert pool.statistics().retired_by_reason["too old"] == 1
            second = await run_job(pool)
            await asyncio.sleep(70)
            assert second not in backend.containers
            assert pool.statistics().retired_by_reason["too old"] == 2

    async def test_its_age_counts_from_its_first_job(self):
        """One that stood warm for long is as good as new."""
        async with keeping_pool(FakeBackend(), age_seconds=60.0) as pool:
            await settle()
            await asyncio.sleep(1000)
            assert await run_job(pool) == await run_job(pool)

    async def test_it_is_given_up_while_making_fails(self):
        """The back-off of the makers does not put off what is due."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 1}, idle_seconds=3.0) as pool:
            await settle()
            backend.launch_error = EngineUnavailable("down")
            first = await run_job(pool)
            await asyncio.sleep(3.1)
            await settle()
            assert first not in backend.containers

    async def test_one_that_died_while_kept_is_not_lent(self):
        """Its tenant gets a never-used one."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            first = await run_job(pool)
            backend.containers[first].die()
            assert await run_job(pool) != first
            assert pool.statistics().retired_by_reason["died while kept"] == 1

    async def test_one_that_died_under_inspection_is_not_kept(self):
        """The renewal fails, or the death is seen right after."""
        backend = FakeBackend()

        def die(container) -> Inspection:
            container.die()
            return Inspection()

        backend.inspect = die
        async with keeping_pool(backend) as pool:
            first = await run_job(pool)
            assert first not in backend.containers
            assert count_in(pool, ContainerState.KEPT) == 0

    async def test_a_new_generation_gives_kept_containers_up(self):
        """Those that are idle at once, those that are at work when they end."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 2}) as pool:
            await settle()
            first, busy = await run_job(pool, "ada"), Waiting(pool, "bob")
            await settle()
            pool.renew(RUNTIME)
            await settle()
            assert first not in backend.containers
            await busy.end()
            assert busy.lease.container_id not in backend.containers
            assert pool.statistics().retired_by_reason["older generation"] >= 2

    async def test_health_sees_and_retires_kept_containers(self):
        """They are pinged like those on the shelf, and the silent are given up."""
        backend = FakeBackend()
        async with keeping_pool(backend) as pool:
            first = await run_job(pool)
            (view,) = [one for one in pool.idle() if one.state is ContainerState.KEPT]
            assert (view.id, view.tenant, view.jobs_served) == (first, "ada", 1)
            assert await pool.ping(first, within_seconds=1)
            assert pool.retire_idle(first, "silent")
            await settle()
            assert first not in backend.containers

    async def test_closing_leaves_none(self):
        """Neither those that are kept nor those that are being inspected, nor those that still serve."""
        backend = FakeBackend()
        async with keeping_pool(backend, {RUNTIME: 3}) as pool:
            await settle()
            await run_job(pool, "ada")
            backend.renewal_gate = asyncio.Event()
            await run_job(pool, "bob")
            job = Waiting(pool, "eve")
            await settle()
            closing = asyncio.create_task(pool.close())
            await settle()
            backend.renewal_gate.set()
            await job.end()
            await closing
        assert backend.containers == {}
