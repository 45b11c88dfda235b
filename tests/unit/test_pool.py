"""`pool/pool.py` over the fake backend: who gets which container, and what becomes of each."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from pools import FOR_EVER, RUNTIME, TelemetryNotes, count_in, fake_behind, fake_pool, settle

from orchestrator.backends.fake import FakeBackend, FakeContainer
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import EngineUnavailable, InternalError, PoolClosed, PoolTimeout
from orchestrator.domain.limits import MIB, Limits
from orchestrator.pool.pool import REMOVE_ATTEMPTS, REPLENISH_AFTER_SECONDS, WarmPool

pytestmark = pytest.mark.virtual_time

LARGE = Limits(memory_bytes=512 * MIB)


def now() -> float:
    return asyncio.get_running_loop().time()


async def lease_once(pool: WarmPool, runtime: str = RUNTIME, *, deadline: float = FOR_EVER, **options) -> str:
    """Lease, note which container, give back."""
    async with pool.lease(runtime, deadline=deadline, **options) as lease:
        return lease.container_id


class Holder:
    """A task that leases a container and keeps it until told."""

    def __init__(self, pool: WarmPool, runtime: str = RUNTIME, **options) -> None:
        self.lease = None
        self._release = asyncio.Event()
        self.task = asyncio.create_task(self._hold(pool, runtime, options))

    async def _hold(self, pool, runtime, options) -> None:
        async with pool.lease(runtime, **{"deadline": FOR_EVER, **options}) as lease:
            self.lease = lease
            await self._release.wait()

    async def release(self) -> None:
        self._release.set()
        await self.task


class TestLending:
    async def test_a_warm_container_is_lent_at_once(self):
        """With one on the shelf nothing has to be waited for."""
        backend = FakeBackend()
        async with fake_pool(backend) as pool:
            await settle()
            async with pool.lease(RUNTIME, deadline=now()) as lease:
                assert lease.was_warm
                assert lease.container_id in backend.containers

    async def test_no_container_serves_twice(self):
        """Every lease is of a container that nobody had before, and a used one is removed."""
        backend = FakeBackend()
        async with fake_pool(backend) as pool:
            served = [await lease_once(pool) for _ in range(10)]
            await settle()
            assert len(set(served)) == 10
            assert not set(served) & set(backend.containers)
            assert pool.statistics().retired_by_reason == {"served": 10}

    async def test_the_oldest_warm_container_goes_first(self):
        """Shelves are first in, first out."""
        async with fake_pool(FakeBackend(), {RUNTIME: 3}, creates_at_once=1) as pool:
            await settle()
            assert [await lease_once(pool) for _ in range(3)] == [f"fake{number:060}" for number in (1, 2, 3)]

    async def test_a_lease_is_dead_after_its_end(self):
        """Nothing of one job can reach a container that has gone on."""
        async with fake_pool(FakeBackend()) as pool:
            async with pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
                pass
            with pytest.raises(InternalError, match="after it had ended"):
                lease.inject(b"", Limits())
            with pytest.raises(InternalError, match="after it had ended"):
                lease.send(b"")
            for use in (lease.receive, lease.counters, lease.kill, lease.examine):
                with pytest.raises(InternalError, match="after it had ended"):
                    await use()

    async def test_a_job_that_raises_still_gives_its_container_up(self):
        """An error inside the block retires the container like any other end."""
        backend = FakeBackend()
        async with fake_pool(backend) as pool:
            with pytest.raises(ZeroDivisionError):
                async with pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
                    raise ZeroDivisionError
            await settle()
            assert lease.container_id not in backend.containers

    async def test_a_dead_warm_container_is_not_lent(self):
        """One that died on the shelf is retired and the next one is lent instead."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 2}, creates_at_once=1) as pool:
            await settle()
            first, second = backend.containers.values()
            first.die()
            assert await lease_once(pool) == second.id
            await settle()
            assert first.id not in backend.containers
            assert pool.statistics().retired_by_reason["died while warm"] == 1

    async def test_a_short_job_is_not_disturbed_by_the_making_of_a_replacement(self):
        """The replacement is begun a moment after the lease, at once where somebody waits for it."""
        async with fake_pool(FakeBackend()) as pool:
            await settle()
            holder = Holder(pool, RUNTIME)
            await settle()
            assert pool.statistics().created == 1
            await asyncio.sleep(REPLENISH_AFTER_SECONDS)
            await settle()
            assert pool.statistics().created == 2
            both = [Holder(pool, RUNTIME) for _ in range(2)]
            await settle()
            assert pool.statistics().created == 4
            for one in (holder, *both):
                await one.release()

    async def test_with_only_dead_ones_a_new_container_is_waited_for(self):
        """A shelf of dead containers is an empty shelf."""
        backend = FakeBackend()
        async with fake_pool(backend) as pool:
            await settle()
            (dead,) = backend.containers.values()
            dead.die()
            async with pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
                assert not lease.was_warm
                assert not fake_behind(lease).has_ended


class TestDemand:
    async def test_the_shelf_grows_with_a_crowd_and_shrinks_when_it_is_forgotten(self):
        """Four jobs at once leave a larger shelf behind; an hour later it is what it was."""
        async with fake_pool(FakeBackend(), most=6) as pool:
            await settle()
            crowd = [Holder(pool, RUNTIME) for _ in range(4)]
            await settle()
            for one in crowd:
                await one.release()
            await settle()
            assert len(pool.idle()) == 5
            assert "4 jobs" in pool.statistics().targets[RUNTIME].why
            await asyncio.sleep(3600)
            await settle()
            assert len(pool.idle()) == 1
            assert pool.statistics().retired_by_reason == {"served": 4, "surplus": 4}

    async def test_the_hosts_memory_bounds_the_shelf(self):
        """Demand asks for more than there is room for: the shelf takes what there is, and says so."""
        async with fake_pool(FakeBackend(), most=6, free_memory_bytes=0) as pool:
            await settle()
            crowd = [Holder(pool, RUNTIME) for _ in range(4)]
            await settle()
            for one in crowd:
                await one.release()
            await settle()
            assert "memory allows" in pool.statistics().targets[RUNTIME].why
            assert len(pool.idle()) == 1

    async def test_without_a_most_the_target_is_fixed(self):
        """A crowd changes nothing where the operator wants a fixed shelf."""
        async with fake_pool(FakeBackend()) as pool:
            await settle()
            crowd = [Holder(pool, RUNTIME) for _ in range(4)]
            await settle()
            for one in crowd:
                await one.release()
            await settle()
            assert len(pool.idle()) == 1


class TestWaiting:
    async def test_waiters_are_served_first_come_first_served(self):
        """Containers go to those who wait in the order in which they came."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}, maximum=1) as pool:
            served: list[int] = []

            async def take(number: int) -> None:
                async with pool.lease(RUNTIME, deadline=FOR_EVER):
                    served.append(number)

            tasks = [asyncio.create_task(take(number)) for number in range(5)]
            await settle()
            backend.gate.set()
            await asyncio.gather(*tasks)
            assert served == [0, 1, 2, 3, 4]

    async def test_nobody_overtakes_the_line(self):
        """A newcomer who finds an empty shelf stands behind those who wait already."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}, creates_at_once=1) as pool:
            first = Holder(pool)
            await settle()
            backend.gate.set()
            second = Holder(pool)
            await settle()
            assert first.lease.container_id < second.lease.container_id
            await first.release()
            await second.release()

    async def test_a_timed_out_waiter_leaves_the_line(self):
        """At its deadline it raises PoolTimeout, and what is made later stays for others."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            began = now()
            with pytest.raises(PoolTimeout, match="no python container came free in time$"):
                await lease_once(pool, deadline=began + 5)
            assert now() == pytest.approx(began + 5)
            assert pool.statistics().waiting == {RUNTIME: 0}
            backend.gate.set()
            await settle()
            assert count_in(pool, ContainerState.WARM) == 1

    async def test_a_deadline_that_is_over_gets_what_is_there_and_waits_for_nothing(self):
        """No time to wait is no reason not to take a warm container."""
        async with fake_pool(FakeBackend(), {RUNTIME: 1}, maximum=1) as pool:
            await settle()
            holder = Holder(pool, deadline=now() - 1)
            await settle()
            assert holder.lease is not None
            with pytest.raises(PoolTimeout):
                await lease_once(pool, deadline=now() - 1)
            await holder.release()

    async def test_cancelled_waiter_does_not_lose_its_container(self):
        """Cancelled in the moment between hand-over and wake-up, the container goes to the next in line."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}, maximum=1) as pool:
            first, second = Holder(pool), Holder(pool)
            await settle()
            backend.gate.set()
            while pool.statistics().waiting[RUNTIME] == 2:
                await asyncio.sleep(0)
            assert first.lease is None, "the container is handed over, but the waiter has not run yet"
            first.task.cancel()
            await settle()
            assert first.task.cancelled()
            assert second.lease is not None
            assert len(backend.launched) == 1
            await second.release()

    async def test_cancelled_last_waiter_leaves_its_container_on_the_shelf(self):
        """With nobody else in line it becomes a warm container: it was never used."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            holder = Holder(pool)
            await settle()
            backend.gate.set()
            while pool.statistics().waiting[RUNTIME]:
                await asyncio.sleep(0)
            holder.task.cancel()
            await settle()
            assert count_in(pool, ContainerState.WARM) == 1

    async def test_a_container_handed_over_as_the_pool_closes_is_not_left_behind(self):
        """A waiter cancelled after the close began gives back to a pool that has no shelves any more."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            holder = Holder(pool)
            await settle()
            backend.gate.set()
            while pool.statistics().waiting[RUNTIME]:
                await asyncio.sleep(0)
            await pool.close()
            holder.task.cancel()
        assert backend.containers == {}


class TestMadeToMeasure:
    async def test_it_is_made_for_the_jobs_own_limits(self):
        """The container is of the limits asked for, and the lease says that it was not warm."""
        async with fake_pool(FakeBackend()) as pool:
            await settle()
            async with pool.lease(RUNTIME, made_to_measure=LARGE, deadline=FOR_EVER) as lease:
                assert fake_behind(lease).spec.memory_bytes == LARGE.memory_bytes
                assert not lease.was_warm

    async def test_it_is_made_even_in_a_full_house(self):
        """An idle container makes room for somebody who waits, one and no more."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 3}, maximum=3) as pool:
            await settle()
            await lease_once(pool, made_to_measure=LARGE)
            assert pool.statistics().retired_by_reason["made room"] == 1
            assert backend.most_at_once <= 3

    async def test_it_waits_for_a_free_hand(self):
        """An order that comes while all hands are busy is begun as soon as one is free."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 1}, creates_at_once=1) as pool:
            await settle()
            order = asyncio.create_task(lease_once(pool, made_to_measure=LARGE))
            await settle()
            assert len(pool._creating) == 1
            backend.gate.set()
            await order
            assert [spec.memory_bytes // MIB for spec in backend.launched][:2] == [64, 512]

    async def test_a_full_house_of_busy_containers_makes_it_wait(self):
        """Nothing that is leased is ever given up."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 1}, maximum=1) as pool:
            holder = Holder(pool)
            await settle()
            with pytest.raises(PoolTimeout):
                await lease_once(pool, made_to_measure=LARGE, deadline=now() + 1)
            await holder.release()

    async def test_nobody_else_gets_one_that_was_not_collected(self):
        """Who has left while it was being made leaves it to nobody: it fits no other job."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            order = asyncio.create_task(lease_once(pool, made_to_measure=LARGE))
            await settle()
            order.cancel()
            backend.gate.set()
            await settle()
            assert pool.statistics().retired_by_reason == {"not collected": 1}
            assert backend.containers == {}

    async def test_nobody_else_gets_one_that_was_handed_over_too_late(self):
        """The same where the waiter is cancelled between hand-over and wake-up."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            order = asyncio.create_task(lease_once(pool, made_to_measure=LARGE))
            while not backend.launched:
                await asyncio.sleep(0)
            while not count_in(pool, ContainerState.WARM):
                await asyncio.sleep(0)
            order.cancel()
            await settle()
            assert order.cancelled()
            assert pool.statistics().retired_by_reason == {"not collected": 1}
            assert backend.containers == {}

    async def test_a_failing_engine_is_told_to_who_ordered(self):
        """There is no shelf to fall back on, so the error is the caller's at once."""
        backend = FakeBackend(launch_error=EngineUnavailable("down"))
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            with pytest.raises(EngineUnavailable, match="down"):
                await lease_once(pool, made_to_measure=LARGE)

    async def test_an_order_that_was_never_begun_is_forgotten_at_its_deadline(self):
        """A timed-out order costs no container."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 1}, creates_at_once=1) as pool:
            await settle()
            with pytest.raises(PoolTimeout):
                await lease_once(pool, made_to_measure=LARGE, deadline=now() + 1)
            backend.gate.set()
            await settle()
            assert len(backend.launched) == 1


class TestSupplying:
    async def test_shelves_are_filled_and_refilled(self):
        """Every runtime has its target again after each lease."""
        async with fake_pool(FakeBackend(), {"a": 2, "b": 1}) as pool:
            for _ in range(3):
                await settle()
                assert count_in(pool, ContainerState.WARM, "a") == 2
                assert count_in(pool, ContainerState.WARM, "b") == 1
                await lease_once(pool, "a")

    async def test_wait_until_warm_answers_when_every_shelf_has_its_target(self):
        """It waits for all runtimes."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {"a": 2, "b": 1}) as pool:
            waiting = asyncio.create_task(pool.wait_until_warm(deadline=FOR_EVER))
            await asyncio.sleep(5)
            assert not waiting.done()
            backend.gate.set()
            await waiting
            assert len(backend.containers) == 3

    async def test_wait_until_warm_says_why_not(self):
        """In time or with the engine's own reason."""
        backend = FakeBackend(launch_error=EngineUnavailable("the engine is down"))
        async with fake_pool(backend) as pool:
            with pytest.raises(PoolTimeout, match="the engine is down"):
                await pool.wait_until_warm(deadline=now() + 5)
            backend.launch_error, backend.gate = None, asyncio.Event()
            await asyncio.sleep(60)
        with pytest.raises(PoolClosed):
            await pool.wait_until_warm(deadline=FOR_EVER)

    async def test_the_maximum_is_never_exceeded(self):
        """However many ask at once, containers in any state stay within the bound."""
        backend = FakeBackend()
        async with fake_pool(backend, {"a": 2, "b": 2}, maximum=5) as pool:
            await asyncio.gather(*(lease_once(pool, "ab"[number % 2]) for number in range(40)))
            assert backend.most_at_once <= 5

    async def test_no_more_are_made_at_once_than_there_are_hands(self):
        """creates_at_once bounds what is in the making."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {"a": 4, "b": 4}, creates_at_once=3) as pool:
            await settle()
            made = sum(count_in(pool, ContainerState.PROVISIONING, name) for name in "ab")
            assert made == 3

    async def test_a_full_house_gives_up_one_idle_container_of_another_runtime(self):
        """One waiter costs the best stocked shelf one container, not all of them."""
        backend = FakeBackend()
        async with fake_pool(backend, {"a": 4, "b": 0}, maximum=4) as pool:
            await settle()
            holder = Holder(pool, "b")
            await settle()
            assert holder.lease is not None
            assert pool.statistics().retired_by_reason == {"made room": 1}
            assert count_in(pool, ContainerState.WARM, "a") == 3
            await holder.release()
            await settle()
            assert count_in(pool, ContainerState.WARM, "a") == 4

    async def test_a_failing_engine_is_left_alone_for_longer_and_longer(self):
        """Pauses between attempts grow up to their cap, and each failure is told."""
        backend, telemetry = FakeBackend(launch_error=EngineUnavailable("down")), TelemetryNotes()
        async with fake_pool(backend, telemetry=telemetry) as pool:
            await asyncio.sleep(600)
            pauses = [values[2] for name, values in telemetry.events if name == "create_failed"]
            assert 20 < len(pauses) < 100, "about every 15 s once the cap is reached"
            assert pauses[0] <= 0.5
            assert max(pauses) <= 30.0
            assert pool.statistics().failures_in_a_row == len(pauses)
            assert pool.statistics().last_failure == "down"

    async def test_a_recovered_engine_is_used_again(self):
        """After the back-off containers are made as before, and the count of failures starts anew."""
        backend = FakeBackend(launch_error=EngineUnavailable("down"))
        async with fake_pool(backend) as pool:
            await asyncio.sleep(60)
            backend.launch_error = None
            await lease_once(pool, deadline=now() + 60)
            assert pool.statistics().failures_in_a_row == 0

    async def test_who_waits_for_a_failing_engine_learns_why_at_the_deadline(self):
        """PoolTimeout carries the last failure."""
        backend = FakeBackend(launch_error=EngineUnavailable("the engine is down"))
        async with fake_pool(backend) as pool:
            with pytest.raises(PoolTimeout, match="making one fails: the engine is down"):
                await lease_once(pool, deadline=now() + 5)

    async def test_a_launch_that_hangs_counts_as_failed(self):
        """A runner that is never ready is given up within its time, and made again."""
        backend, telemetry = FakeBackend(gate=asyncio.Event()), TelemetryNotes()
        async with fake_pool(backend, telemetry=telemetry) as pool:
            await asyncio.sleep(31)
            assert telemetry.count("create_failed") == 1
            backend.gate.set()
            await lease_once(pool, deadline=now() + 60)


class TestClosing:
    async def test_nothing_is_left(self):
        """After close every container is gone, idle ones and those being made."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 3}):
            await settle()
            assert len(backend.containers) == 3
        assert backend.containers == {}

    async def test_a_pool_that_never_began_closes(self):
        """Closing at once, before any create has run its first step, ends like any other."""
        backend = FakeBackend()
        async with fake_pool(backend, {RUNTIME: 3}):
            pass
        for ticks in range(6):
            async with fake_pool(backend, {RUNTIME: 3}):
                for _ in range(ticks):
                    await asyncio.sleep(0)
        assert backend.containers == {}

    async def test_creates_in_flight_are_cancelled(self):
        """A launch that hangs does not hold up the close."""
        backend = FakeBackend(gate=asyncio.Event())
        began = now()
        async with fake_pool(backend, {RUNTIME: 3}) as pool:
            await settle()
            assert count_in(pool, ContainerState.PROVISIONING) == 3
        assert now() == began
        assert backend.launched == []

    async def test_it_waits_for_leases(self):
        """A job that is running when the close begins keeps its container until it is done."""
        backend = FakeBackend()
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(fake_pool(backend))
            holder = Holder(pool)
            await settle()
            closing = asyncio.create_task(stack.aclose())
            await settle()
            assert not closing.done()
            assert list(backend.containers) == [holder.lease.container_id]
            await holder.release()
            await closing
        assert backend.containers == {}

    async def test_waiters_are_turned_away(self):
        """Everybody in line gets PoolClosed, ordered containers included."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}, creates_at_once=1) as pool:
            waiters = [asyncio.create_task(lease_once(pool)) for _ in range(2)]
            await settle()
            orders = [asyncio.create_task(lease_once(pool, made_to_measure=LARGE)) for _ in range(2)]
            await settle()
        answers = await asyncio.gather(*waiters, *orders, return_exceptions=True)
        assert [type(answer) for answer in answers] == [PoolClosed] * 4

    async def test_an_order_in_the_making_is_turned_away(self):
        """The close cancels its create and tells who ordered it."""
        backend = FakeBackend(gate=asyncio.Event())
        async with fake_pool(backend, {RUNTIME: 0}) as pool:
            order = asyncio.create_task(lease_once(pool, made_to_measure=LARGE))
            await settle()
        with pytest.raises(PoolClosed):
            await order

    async def test_nobody_gets_in_any_more(self):
        """A closed pool lends nothing; closing it again is no error."""
        async with fake_pool(FakeBackend()) as pool:
            await pool.close()
            with pytest.raises(PoolClosed):
                await lease_once(pool)
            await pool.close()

    async def test_a_container_that_cannot_be_removed_is_tried_again_and_told(self):
        """A failing removal is repeated with pauses; success ends it."""
        backend, telemetry = FakeBackend(), TelemetryNotes()
        async with fake_pool(backend, telemetry=telemetry) as pool:
            await settle()
            backend.destroy_error = EngineUnavailable("down")
            asyncio.get_running_loop().call_later(0.1, setattr, backend, "destroy_error", None)
            await lease_once(pool)
        assert telemetry.count("remove_failed") >= 1
        assert backend.containers == {}

    async def test_an_engine_that_removes_nothing_does_not_hold_up_the_close_for_ever(self):
        """After REMOVE_ATTEMPTS it is left to the next start's reaper."""
        backend, telemetry = FakeBackend(), TelemetryNotes()
        async with fake_pool(backend, telemetry=telemetry):
            await settle()
            backend.destroy_error = EngineUnavailable("down")
        assert telemetry.count("remove_failed") == REMOVE_ATTEMPTS
        assert len(backend.containers) == 1

    async def test_an_engine_that_hangs_is_asked_once_while_closing(self, monkeypatch):
        """Each call to it costs its whole time limit."""

        async def hang(container):
            await asyncio.sleep(30)
            raise EngineUnavailable("no answer within 30 s")

        backend, telemetry = FakeBackend(), TelemetryNotes()
        monkeypatch.setattr(FakeContainer, "destroy", hang)
        async with fake_pool(backend, telemetry=telemetry):
            await settle()
            began = now()
        assert now() - began < 31
        assert telemetry.count("remove_failed") == 1


async def test_the_pool_can_be_looked_at():
    """repr and statistics tell the same, in a form for people and one for programs."""
    backend = FakeBackend()
    async with fake_pool(backend, {"a": 2, "b": 0}) as pool:
        await settle()
        holder = Holder(pool, "a")
        await asyncio.sleep(REPLENISH_AFTER_SECONDS)
        await settle()
        seen, statistics = repr(pool), pool.statistics()
        await holder.release()
    assert seen == "<WarmPool 3/8 containers; a: 2 warm, 0 waiting, b: 0 warm, 0 waiting>"
    assert statistics.states == {"a": {ContainerState.WARM: 2, ContainerState.LEASED: 1}, "b": {}}
    assert statistics.waiting == {"a": 0, "b": 0}
    assert (statistics.leases_warm, statistics.leases_cold, statistics.created) == (1, 0, 3)
