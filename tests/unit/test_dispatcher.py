"""`scheduler/dispatcher.py` and `scheduler/queue.py`: who starts when, and how jobs end that never run."""

from __future__ import annotations

import asyncio

import pytest
from dispatchers import make_ticket, now, open_hall, slow_backend
from pools import settle

from orchestrator.domain.errors import Draining, HostFull, PoolClosed, TenantLimited
from orchestrator.domain.job import JobState
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Priority, Tenant
from orchestrator.policies.fairness import Books, FairnessSettings, Lane, choose_next, position_in_queue
from orchestrator.scheduler.events import EventLog
from orchestrator.scheduler.queue import JobQueue
from orchestrator.scheduler.run import JobRunner
from orchestrator.scheduler.usage import RecentUse

pytestmark = pytest.mark.virtual_time


async def test_with_a_warm_container_a_job_starts_at_once():
    """Submitting alone starts it: nothing is queued, no time passes."""
    async with open_hall() as hall:
        ticket = hall.submit(input_json="50")
        assert ticket.state is JobState.RUNNING
        result = await ticket.done
        assert result.success
        assert result.timing.queued_ms == pytest.approx(0.0)
        assert result.timing.leased_ms == pytest.approx(0.0)


async def test_the_waterfall_goes_down():
    """Every step of a job that waited is over later than the one before it."""
    async with open_hall(slow_backend(launch_seconds=0.2)) as hall:
        await asyncio.sleep(1)
        hall.submit(input_json="50")
        timing = (await hall.submit(input_json="50").done).timing
        steps = [
            timing.validated_ms, timing.queued_ms, timing.leased_ms, timing.dispatched_ms,
            timing.first_byte_ms, timing.executed_ms, timing.collected_ms,
        ]  # fmt: skip
        assert None not in steps
        assert steps == sorted(steps)
        assert timing.leased_ms >= 200
        assert timing.executed_ms - timing.dispatched_ms == pytest.approx(50)


async def test_every_job_gets_one_result_and_the_books_are_empty_after():
    """Two hundred jobs of three tenants on a small pool: each its own output, none lost, none twice."""
    async with open_hall(slow_backend(0.1), target=2, maximum=4) as hall:
        tickets = [hall.submit(f"t{number % 3}", input_json=str(number % 7)) for number in range(200)]
        for ticket in tickets:
            assert (await ticket.done).output == ticket.job.id
        await settle()
        assert sorted(t.job.id for t in hall.ledger.ends) == sorted(t.job.id for t in tickets)
        assert (len(hall.dispatcher.queue), hall.dispatcher.running) == (0, 0)
        assert hall.backend.most_at_once <= 4


async def test_a_tenant_runs_no_more_than_its_concurrency():
    """The rest of its jobs wait, while another's goes."""
    async with open_hall(target=6, maximum=16) as hall:
        narrow = Tenant(name="narrow", concurrency=2)
        tickets = [hall.submit(narrow, input_json="1000") for _ in range(4)]
        other = hall.submit("other", input_json="1000")
        assert [ticket.state for ticket in (*tickets, other)] == [
            "running",
            "running",
            "queued",
            "queued",
            "running",
        ]
        await asyncio.sleep(1.5)
        assert tickets[3].state is JobState.RUNNING


async def test_a_flood_does_not_take_the_reserved_container():
    """While others are here, who is above its share leaves the last warm container to them."""
    async with open_hall(target=3, maximum=3, reserved_warm=1) as hall:
        await hall.submit("quiet", input_json="1").done
        await asyncio.sleep(1)
        flood = [hall.submit("flood", input_json="60000") for _ in range(10)]
        assert [ticket.state for ticket in flood].count(JobState.RUNNING) == 2
        quiet = hall.submit("quiet", input_json="1")
        assert quiet.state is JobState.RUNNING
        result = await quiet.done
        assert result.timing.leased_ms == pytest.approx(0.0)
        for ticket in flood:
            hall.dispatcher.cancel(ticket)


async def test_a_tenant_that_is_alone_may_take_every_container():
    """A reserve for nobody would be a container that stands idle while a job waits."""
    async with open_hall(target=3, maximum=3, reserved_warm=1) as hall:
        tickets = [hall.submit("alone", input_json="1000") for _ in range(3)]
        assert {ticket.state for ticket in tickets} == {JobState.RUNNING}
        for ticket in tickets:
            await ticket.done


async def test_use_is_forgotten_after_a_while():
    """Twenty seconds later nobody is above its share, and whoever left counts no more."""
    use = RecentUse()
    one, other = Tenant(name="one"), Tenant(name="other", weight=3.0)
    use.note(one, 100.0, 0.0)
    assert use.is_below_share(one, 1.0), "it is alone"
    use.note(other, 100.0, 1.0)
    assert not use.is_below_share(one, 2.0)
    assert use.is_below_share(other, 2.0), "its weight gives it three quarters"
    assert use.is_below_share(Tenant(name="new"), 2.0)
    use.note(one, 1.0, 12.0)
    use.note(other, 500.0, 12.0)
    assert use.is_below_share(one, 15.0)
    assert use.is_below_share(other, 40.0)


async def test_a_job_that_waits_too_long_expires():
    """Its one result is `expired`, and it never had a container."""
    async with open_hall(maximum=1) as hall:
        first = hall.submit(input_json="5000")
        late = hall.submit(input_json="1", wait_seconds=2.0)
        began = now()
        result = await late.done
        assert result.outcome is Outcome.EXPIRED
        assert result.container is None
        assert now() - began == pytest.approx(2.0, abs=0.1)
        assert (await first.done).success


async def test_a_queued_job_is_cancelled_where_it_stands():
    """It leaves the queue, has its one result, and costs nothing."""
    async with open_hall(maximum=1) as hall:
        first, second = hall.submit(input_json="1000"), hall.submit(input_json="1")
        assert hall.dispatcher.cancel(second)
        assert (await second.done).outcome is Outcome.CANCELLED
        assert not hall.dispatcher.cancel(second)
        assert (await first.done).success
        assert len(hall.ledger.starts) == 1


async def test_cancelling_a_running_job_kills_its_container_and_keeps_what_it_printed():
    """Cancelled for real: the container is gone long before the job would have ended."""
    async with open_hall() as hall:
        ticket = hall.submit(input_json="50000")
        await settle()
        (container,) = (each for each in hall.backend.containers.values() if each.jobs)
        container._push(
            {"type": "stream", "job": ticket.job.id, "name": "stdout", "text": "so far", "bytes": 6}
        )
        await settle()
        began = now()
        assert hall.dispatcher.cancel(ticket)
        result = await ticket.done
        await settle()
        assert result.outcome is Outcome.CANCELLED
        assert result.stdout.text == "so far"
        assert now() == began
        assert container.id not in hall.backend.containers
        assert hall.dispatcher.running == 0


async def test_a_job_cancelled_before_its_first_step_is_cancelled_all_the_same():
    """Between start and first step there is a moment; no place and no lease is lost in it."""
    async with open_hall() as hall:
        ticket = hall.submit()
        hall.dispatcher.cancel(ticket)
        assert (await ticket.done).outcome is Outcome.CANCELLED
        await settle()
        assert (await hall.submit().done).success


async def test_stopping_waits_for_what_runs_and_leaves_the_rest_unfinished():
    """Running jobs finish; queued ones have neither started nor finished."""
    async with open_hall(maximum=1) as hall:
        running, waiting = hall.submit(input_json="3000"), hall.submit(input_json="1")
        assert hall.dispatcher.stop() == [waiting]
        with pytest.raises(PoolClosed):
            await waiting.done
        with pytest.raises(Draining):
            hall.dispatcher.admit(Tenant(name="alice"))
    assert (await running.done).success
    assert waiting.state is JobState.QUEUED
    assert hall.ledger.ends == [running]


async def test_a_full_queue_and_a_full_share_are_told_apart():
    """The tenant's own share is 429's business, the house being full is 503's; both say when to come back."""
    async with open_hall(maximum=1, places=4) as hall:
        for _ in range(3):
            hall.submit("greedy", input_json="1000")
        with pytest.raises(TenantLimited) as limited:
            hall.dispatcher.admit(Tenant(name="greedy"))
        assert limited.value.reason == "queue_share"
        hall.dispatcher.admit(Tenant(name="other"))
        hall.submit("other", input_json="1000")
        hall.submit("third", input_json="1000")
        with pytest.raises(HostFull) as full:
            hall.dispatcher.admit(Tenant(name="fourth"))
        assert 1 <= full.value.retry_after_seconds <= 300


async def test_an_order_made_to_measure_waits_for_its_turn():
    """Containers made to measure go before the shelves in the pool, so only one is waited for at a time."""
    async with open_hall(slow_backend(1.0), target=1, maximum=8) as hall:
        big = Limits(memory_bytes=512 * MIB, wall_time_ms=60_000, cpu_time_ms=60_000)
        orders = [hall.submit("big", limits=big, made_to_measure=True) for _ in range(3)]
        assert [ticket.state for ticket in orders] == ["running", "queued", "queued"]
        for ticket in orders:
            assert (await ticket.done).success


async def test_events_are_numbered_and_resumable():
    """Status, output, status, result; whoever comes back with a number gets what came after it."""
    async with open_hall() as hall:
        ticket = hall.submit(input_json="100")
        await ticket.done
        events = [event async for event in ticket.events.since(0)]
        assert [(event.id, event.name, event.data.get("state")) for event in events] == [
            (1, "status", "queued"), (2, "status", "running"), (3, "status", "finished"),
        ]  # fmt: skip
        assert [event.id async for event in ticket.events.since(2)] == [3]


async def test_positions_and_starts_are_estimated():
    """The head of the only lane is first; another tenant's newcomer is second, not five hundredth."""
    async with open_hall(maximum=1) as hall:
        hall.submit("flood", input_json="600000")
        flood = [hall.submit("flood", input_json="1") for _ in range(500)]
        new = hall.submit("new", input_json="1")
        assert hall.dispatcher.estimate(flood[0])[0] == 2
        assert hall.dispatcher.estimate(flood[-1])[0] == 501
        position, milliseconds = hall.dispatcher.estimate(new)
        assert position <= 3
        assert milliseconds > 0
        hall.dispatcher.stop()
        assert hall.dispatcher.estimate(new) is None
        for ticket in hall.ledger.starts:
            hall.dispatcher.cancel(ticket)


async def test_the_queue_asks_only_the_heads_of_lanes():
    """A decision among five thousand jobs of one tenant and one of another looks at two."""
    queue = JobQueue(FairnessSettings())
    for _ in range(5000):
        queue.add(make_ticket("flood"), now())
    queue.add(make_ticket("new", priority=Priority.BATCH), now())
    asked = []
    assert queue.take_next(lambda ticket: bool(asked.append(ticket)) or True, now()) is not None
    assert len(asked) == 2
    assert queue.depth() == {Priority.INTERACTIVE: 0, Priority.NORMAL: 4999, Priority.BATCH: 1}


@pytest.mark.parametrize("longest", [5, 100, 400])
async def test_a_flood_of_five_thousand_at_most_doubles_another_tenants_p95(longest):
    """One tenant queues 5,000 jobs, another sends one per second: its p95 is at most twice that of an empty house."""

    async def p95_of_quiet_tenant(flood: int) -> tuple[float, int]:
        async with open_hall(
            slow_backend(0.15), target=4, maximum=8, creates_at_once=2, reserved_warm=1
        ) as hall:
            await asyncio.sleep(2)
            for number in range(flood):
                hall.submit("flood", input_json=str(longest * (number % 5 + 1) // 5), wait_seconds=1e6)
            waits = []
            for _ in range(60):
                began = now()
                await hall.submit("quiet", input_json="30").done
                waits.append(now() - began)
                await asyncio.sleep(1.0)
            done = len(hall.ledger.ends) - 60
            hall.dispatcher.stop()
            return sorted(waits)[56], done

    alone, _ = await p95_of_quiet_tenant(0)
    beside, served = await p95_of_quiet_tenant(5000)
    assert beside <= 2 * alone
    assert served > 400, "the flood is served at the speed at which containers are made"


async def test_a_flood_of_events_keeps_the_last_and_shows_the_gap():
    """The oldest go first, by number and by length; nobody waits for what is gone."""
    log = EventLog(most_events=3, most_characters=100)
    for number in range(5):
        log.add("stdout", {"text": str(number)}, characters=1)
    log.add("stdout", {"text": "x" * 99}, characters=99)
    log.end()
    log.add("stdout", {"text": "late"})
    assert [event.id async for event in log.since(0)] == [5, 6]
    log = EventLog(most_characters=10)
    log.add("stdout", {"text": "x" * 99}, characters=99)
    log.end()
    assert [event.id async for event in log.since(0)] == [1], "the last is kept, however long"


async def test_who_watches_hears_each_event_as_it_comes():
    """Also what comes while the last one is being told."""
    log, heard = EventLog(), []

    async def watch():
        async for event in log.since(0):
            heard.append(event.id)
            if event.id == 1:
                log.add("stdout", {"text": "b"})

    watching = asyncio.create_task(watch())
    await settle()
    log.add("stdout", {"text": "a"})
    await settle()
    assert heard == [1, 2]
    log.end()
    await watching


def test_positions_count_what_goes_before():
    """The tenant's own better lanes go first; of others, what their share lets go; worse classes do not count."""

    def lane(tenant, priority, length, waited=0.0, weight=1.0):
        return Lane(
            tenant=tenant, priority=priority, shelf="s", weight=weight, head_cost=100.0,
            head_waited_seconds=waited, length=length,
        )  # fmt: skip

    own = lane("me", Priority.NORMAL, 10)
    others = [
        own,
        lane("me", Priority.INTERACTIVE, 3),
        lane("me", Priority.BATCH, 50),
        lane("heavy", Priority.NORMAL, 500, weight=2.0),
        lane("small", Priority.NORMAL, 2),
        lane("later", Priority.BATCH, 500),
        lane("aged", Priority.BATCH, 1, waited=15.0),
    ]
    assert position_in_queue(4, own, others, FairnessSettings()) == 4 + 3 + 10 + 2 + 1 + 1


async def test_of_one_tenants_lanes_the_longest_waiting_head_goes():
    """Two runtimes, one class: first come, first served across them."""
    first, second = (
        Lane(tenant="t", priority=Priority.NORMAL, shelf=shelf, weight=1.0, head_cost=1.0,
             head_waited_seconds=waited, length=1)
        for shelf, waited in (("python", 2.0), ("node", 3.0))
    )  # fmt: skip
    assert choose_next([first, second], Books(), FairnessSettings()).lane is second
    assert choose_next([second, first], Books(), FairnessSettings()).lane is second


async def test_a_bug_under_one_job_is_that_jobs_internal_error():
    """The others go on."""
    async with open_hall(target=2) as hall:

        async def broken(*_args):
            raise ZeroDivisionError

        run = JobRunner.run
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JobRunner, "run", broken)
            result = await hall.submit().done
        assert result.outcome is Outcome.INTERNAL_ERROR
        assert JobRunner.run is run
        assert (await hall.submit().done).success


async def test_abandoning_ends_what_runs_without_a_result():
    """Its container is killed, nobody is told an outcome, and it can be run again."""
    async with open_hall() as hall:
        ticket = hall.submit(input_json="50000")
        await settle()
        hall.dispatcher.abandon()
        with pytest.raises(PoolClosed):
            await ticket.done
        assert hall.ledger.ends == []
        late = hall.submit()
        with pytest.raises(PoolClosed):
            await late.done
    assert hall.backend.containers == {}
