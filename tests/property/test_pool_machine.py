"""`pool/pool.py` as a state machine: whatever happens in whatever order, its promises hold.

The event loop has a virtual clock and is driven by hand: each rule does one thing and lets a few steps pass.
"""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pools import FOR_EVER, TelemetryNotes, fake_behind, fake_pool, reuse_settings
from virtual_time import VirtualTimeLoop

from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import EngineUnavailable, PoolClosed, PoolTimeout
from orchestrator.domain.inspection import Inspection
from orchestrator.domain.limits import MIB, Limits

MAXIMUM = 4
TARGETS = {"a": 2, "b": 1}
TENANTS = ("ada", "bob")
MOST_JOBS = 3
LARGE = Limits(memory_bytes=512 * MIB)


class Caller:
    """A task that asks for a container, keeps it until told, and notes how that ended."""

    def __init__(
        self,
        machine: PoolMachine,
        runtime: str,
        limits: Limits | None,
        tenant: str | None,
        deadline: float,
    ) -> None:
        self.tenant = tenant
        self.container: str | None = None
        self.was_dead = False
        self.answer: str | None = None
        self._machine = machine
        self._release = asyncio.Event()
        self.ends_well = False
        self.was_reused = False
        self.task = machine.loop.create_task(self._ask(runtime, limits, deadline))

    async def _ask(self, runtime: str, limits: Limits | None, deadline: float) -> None:
        pool = self._machine.pool
        try:
            async with pool.lease(
                runtime, tenant=self.tenant, reuse=True, made_to_measure=limits, deadline=deadline
            ) as lease:
                self.container = lease.container_id
                self.was_reused = lease.was_reused
                # One that dies between hand-over and wake-up is noticed by the job itself.
                self.was_dead = lease.was_warm and fake_behind(lease).has_ended
                self.fits = fake_behind(lease).spec.runtime == runtime and (
                    (fake_behind(lease).spec.memory_bytes == LARGE.memory_bytes) == (limits is not None)
                )
                self._machine.note_lease(self)
                await self._release.wait()
                if self.ends_well:
                    lease.end_well()
            self.answer = "served"
        except (PoolTimeout, PoolClosed, EngineUnavailable) as error:
            self.answer = type(error).__name__
        except asyncio.CancelledError:
            self.answer = "cancelled"
        finally:
            self.container = None

    def release(self, *, ends_well: bool = False) -> None:
        self.ends_well = ends_well
        self._release.set()


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        asyncio.set_event_loop(None)
        self.backend = FakeBackend()
        self.callers: list[Caller] = []
        self.leased_ever: dict[str, list[Caller]] = {}
        self.leaky: dict[str, int] = {}
        self.closing: asyncio.Task[None] | None = None

    @initialize()
    def open(self) -> None:
        self.backend.gate = self.run(self._make_gate())
        self.backend.renewal_gate = self.run(self._make_gate())
        self.backend.inspect = lambda one: Inspection(files_count=int(one.id in self.leaky))
        self.opened = fake_pool(
            self.backend,
            TARGETS,
            maximum=MAXIMUM,
            creates_at_once=2,
            telemetry=TelemetryNotes(),
            reuse=reuse_settings(jobs=MOST_JOBS, age_seconds=100.0, idle_seconds=20.0),
        )
        self.pool = self.run(self.opened.__aenter__())

    async def _make_gate(self) -> asyncio.Event:
        gate = asyncio.Event()
        gate.set()
        return gate

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    def note_lease(self, caller: Caller) -> None:
        self.leased_ever.setdefault(str(caller.container), []).append(caller)

    def holding(self) -> list[Caller]:
        return [caller for caller in self.callers if caller.container is not None]

    def unanswered(self) -> list[Caller]:
        return [caller for caller in self.callers if not caller.task.done() and caller.container is None]

    # -- what can happen ----------------------------------------------------------------------------

    @rule(steps=st.integers(1, 40))
    def some_steps_pass(self, steps: int) -> None:
        self.let_steps_pass(steps)

    def let_steps_pass(self, steps: int) -> None:
        async def pass_steps() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self.run(pass_steps())

    @rule(seconds=st.sampled_from([0.1, 1.0, 35.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(
        runtime=st.sampled_from(sorted(TARGETS)),
        large=st.booleans(),
        tenant=st.sampled_from([*TENANTS, None]),
        seconds=st.sampled_from([0.0, 0.5, 10.0, FOR_EVER]),
    )
    def ask(self, runtime: str, large: bool, tenant: str | None, seconds: float) -> None:  # noqa: FBT001 - drawn by name
        deadline = self.loop.time() + seconds
        self.callers.append(Caller(self, runtime, LARGE if large else None, tenant, deadline))

    @rule(
        runtime=st.sampled_from(sorted(TARGETS)),
        tenant=st.sampled_from(TENANTS),
        count=st.integers(1, 3),
        leaks=st.booleans(),
    )
    def a_tenant_has_jobs_done(self, runtime: str, tenant: str, count: int, leaks: bool) -> None:  # noqa: FBT001
        """The usual life: without it, kept containers would hardly ever be seen here."""
        for number in range(count):
            caller = Caller(self, runtime, None, tenant, self.loop.time() + 10)
            self.callers.append(caller)
            self.let_steps_pass(40)
            if caller.container is not None:
                self.end(caller, ends_well=True, leaks=leaks and number == count - 1)
            self.let_steps_pass(40)

    @precondition(lambda self: self.holding())
    @rule(data=st.data(), ends_well=st.booleans(), leaks=st.booleans())
    def give_back(self, data, ends_well: bool, leaks: bool) -> None:  # noqa: FBT001 - drawn by name
        self.end(data.draw(st.sampled_from(self.holding()), "caller"), ends_well=ends_well, leaks=leaks)

    def end(self, caller: Caller, *, ends_well: bool, leaks: bool) -> None:
        if leaks:
            self.leaky[str(caller.container)] = len(self.leased_ever[str(caller.container)])
        caller.release(ends_well=ends_well)

    @rule(is_slow=st.booleans())
    def renewals_hang_or_go_on(self, is_slow: bool) -> None:  # noqa: FBT001 - drawn by name
        if is_slow:
            self.backend.renewal_gate.clear()
        else:
            self.backend.renewal_gate.set()

    @rule(runtime=st.sampled_from(sorted(TARGETS)))
    def an_image_changes(self, runtime: str) -> None:
        self.pool.renew(runtime)

    @precondition(lambda self: [caller for caller in self.callers if not caller.task.done()])
    @rule(data=st.data())
    def cancel(self, data) -> None:
        alive = [caller for caller in self.callers if not caller.task.done()]
        data.draw(st.sampled_from(alive), "caller").task.cancel()

    @precondition(lambda self: self.backend.containers)
    @rule(data=st.data())
    def one_dies(self, data) -> None:
        container = data.draw(st.sampled_from(sorted(self.backend.containers)), "container")
        self.backend.containers[container].die()

    @rule(is_down=st.booleans())
    def the_engine_goes_down_or_up(self, is_down: bool) -> None:  # noqa: FBT001 - drawn by name
        self.backend.launch_error = EngineUnavailable("down") if is_down else None

    @rule(is_slow=st.booleans())
    def launches_hang_or_go_on(self, is_slow: bool) -> None:  # noqa: FBT001 - drawn by name
        if is_slow:
            self.backend.gate.clear()
        else:
            self.backend.gate.set()

    @precondition(lambda self: self.closing is None)
    @rule()
    def close(self) -> None:
        self.closing = self.loop.create_task(self.opened.__aexit__(None, None, None))

    # -- what must always hold ------------------------------------------------------------------------

    @invariant()
    def no_container_ever_serves_two_tenants(self) -> None:
        for callers in self.leased_ever.values():
            assert len({caller.tenant for caller in callers}) == 1

    @invariant()
    def one_lease_in_its_whole_life_for_a_container_of_nobody(self) -> None:
        for callers in self.leased_ever.values():
            assert callers[0].tenant is not None or len(callers) == 1

    @invariant()
    def no_container_serves_two_jobs_at_once_or_too_many(self) -> None:
        held = [caller.container for caller in self.holding()]
        assert len(set(held)) == len(held)
        assert all(len(callers) <= MOST_JOBS for callers in self.leased_ever.values())

    @invariant()
    def whoever_leaves_something_or_ends_badly_is_its_containers_last(self) -> None:
        for container, callers in self.leased_ever.items():
            assert all(caller.ends_well for caller in callers[:-1])
            assert len(callers) == self.leaky.get(container, len(callers))

    @invariant()
    def a_lease_says_whether_its_container_was_used_before(self) -> None:
        for callers in self.leased_ever.values():
            assert [caller.was_reused for caller in callers] == [False] + [True] * (len(callers) - 1)

    @invariant()
    def every_lease_is_of_what_was_asked_for(self) -> None:
        assert all(caller.fits for caller in self.holding())

    @invariant()
    def the_house_is_never_overfilled(self) -> None:
        assert self.backend.most_at_once <= MAXIMUM
        if hasattr(self, "pool"):
            states = self.pool.statistics().states
            assert sum(sum(counts.values()) for counts in states.values()) <= MAXIMUM

    @invariant()
    def the_books_agree_with_those_who_hold(self) -> None:
        if hasattr(self, "pool"):
            states = self.pool.statistics().states
            leased = sum(counts.get(ContainerState.LEASED, 0) for counts in states.values())
            assert leased == len(self.holding())

    @invariant()
    def no_container_off_the_shelf_was_dead_when_it_was_lent(self) -> None:
        assert not [caller for caller in self.holding() if caller.was_dead]

    def teardown(self) -> None:
        try:
            if hasattr(self, "pool"):
                self._end_well()
            assert not asyncio.all_tasks(self.loop)
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.run(asyncio.sleep(1))
            self.loop.close()

    def _end_well(self) -> None:
        """With the engine back, everybody is answered; after the close nothing is left."""
        self.backend.launch_error = None
        self.backend.gate.set()
        self.backend.renewal_gate.set()

        async def serve_everybody() -> None:
            async with asyncio.timeout(10_000):
                while any(not caller.task.done() for caller in self.callers):
                    for caller in self.holding():
                        caller.release()
                    await asyncio.sleep(1)

        self.run(serve_everybody())
        # A task cancelled before its first step has asked for nothing.
        assert all(caller.answer is not None or caller.task.cancelled() for caller in self.callers)
        if self.closing is None:
            self.close()
        self.run(asyncio.wait_for(self.closing, 10_000))
        assert self.backend.containers == {}
        assert self.pool._containers == {}
        with contextlib.suppress(PoolClosed):
            self.run(self._ask_once_more())
            raise AssertionError("a closed pool lent a container")

    async def _ask_once_more(self) -> None:
        async with self.pool.lease("a", deadline=FOR_EVER):
            pass


PoolMachine.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
TestPoolMachine = PoolMachine.TestCase
