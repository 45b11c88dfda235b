"""Pool floor: the warm pool. The only place where containers are lent, and where their states change.

What to make and what to give up is decided in `policies/supply.py`; who waits stands in `waiters.py`. This
file carries it out. Its life: `open_pool` → `lease` … `lease` → close, after which no container is left.

Every step from one `await` to the next leaves the books right, so on one event loop nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from orchestrator.backends.base import Backend, LiveContainer
from orchestrator.domain.container import ContainerRecord, ContainerSpec, ContainerState
from orchestrator.domain.errors import InternalError, OrchestratorError, PoolClosed, PoolTimeout
from orchestrator.domain.inspection import LeakKind
from orchestrator.domain.limits import Limits
from orchestrator.domain.transitions import CONTAINER_TRANSITIONS, change_state
from orchestrator.policies.demand import (
    Demand,
    TargetBounds,
    TargetPlan,
    note_arrival,
    note_making,
    plan_target,
)
from orchestrator.policies.leaks import judge_inspection
from orchestrator.policies.supply import (
    ShelfSnapshot,
    SupplySnapshot,
    plan_backoff_seconds,
    plan_supply,
)
from orchestrator.pool.lease import Lease
from orchestrator.pool.reuse import KeptContainers, ReuseSettings
from orchestrator.pool.waiters import Waiter, WaitingLine
from orchestrator.telemetry import Telemetry

__all__ = (
    "LABEL_NUMBER",
    "ContainerView",
    "PoolSettings",
    "PoolStatistics",
    "ShelfSettings",
    "WarmPool",
    "open_pool",
)

LABEL_NUMBER = "org.sandbox-orch.number"
"""Which of the pool's containers one is: known before the engine has given it an id."""
REMOVE_ATTEMPTS = 5
HANGING_SECONDS = 5.0
"""An engine that fails after this long hangs."""
REPLENISH_AFTER_SECONDS = 0.02
"""How long the making of a replacement waits for the job that took its predecessor, unless somebody waits in line.

Making a container keeps a core busy for 150 ms; a short job is over before that and need not share its core.
Measured on 2 cores: a trivial job took 3.4 ms beside the making and 2 ms before it.
"""
ROUNDS_BEFORE_REMOVING = 3
"""How many rounds of the event loop a container that served stays before it is removed and replaced.

By then the answer has gone out. Removing and making are calls to the engine by threads, which share one interpreter
with the event loop: begun at once, they held an answer up by 1 to 1.5 ms, on 2 cores.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfSettings:
    """How the containers of one runtime are made, and how many stand ready."""

    target: int
    """The least number that stands ready."""
    make_spec: Callable[[Limits | None], ContainerSpec]
    """A new recipe, with a uid of its own; limits None means the class's own ceiling."""
    most: int | None = None
    """Up to how many stand ready while demand is high; None: never more than `target`."""
    container_bytes: int = 0
    """What one idle container may come to hold of the host's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The pool's own knobs."""

    shelves: Mapping[str, ShelfSettings]
    maximum: int
    creates_at_once: int
    ready_within_seconds: float
    usual_limits: Limits | None = None
    """What most jobs ask for: idle containers are narrowed to it beforehand, which saves those jobs the time."""
    free_memory_bytes: Callable[[], int] | None = None
    """What the host's memory has room for, beyond what must stay free; None: no matter."""
    reuse: ReuseSettings | None = None
    """None: no container is ever kept for a second job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """The pool at one moment, and what it has done since it opened."""

    states: Mapping[str, Mapping[ContainerState, int]]
    """Runtime to state to containers in it."""
    targets: Mapping[str, TargetPlan]
    """How many are to stand ready, and why."""
    waiting: Mapping[str, int]
    leases_warm: int
    leases_cold: int
    leases_reused: int
    """Those of the warm ones that were of a container kept for its tenant."""
    created: int
    failures_in_a_row: int
    last_failure: str | None
    retired_by_reason: Mapping[str, int]
    leaks_by_kind: Mapping[LeakKind, int]
    """Signs of leaks in containers that were to be kept; one container may show several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """One container as it can be seen from outside."""

    id: str
    runtime: str
    state: ContainerState
    age_seconds: float
    generation: int
    image_digest: str | None
    """None while it is being made; so is the profile's."""
    profile_digest: str | None
    tenant: str | None
    """Whom it is bound to; None where it is not kept after its job."""
    jobs_served: int


@dataclass(slots=True, eq=False)
class _Container:
    """A record with the live container behind it, once there is one."""

    number: int
    record: ContainerRecord
    made_to_measure: bool
    live: LiveContainer | None = None
    bound_at: float = 0.0
    """When its first job began."""
    kept_at: float = 0.0
    held_bytes: list[int] = field(default_factory=list)
    """What each inspection found it to hold, for the trend."""

    def enter(self, state: ContainerState) -> None:
        self.record.state = change_state(CONTAINER_TRANSITIONS, self.record.state, state)

    def serve(self, tenant: str | None) -> None:
        """Begin one more job; `tenant` is None for one after which the container is not kept."""
        # INVARIANT: a container serves at most one tenant in its life, and never another job after one without.
        if self.record.jobs_served and (tenant is None or tenant != self.record.tenant):
            raise InternalError("a container was lent to somebody else than its tenant")
        self.enter(ContainerState.LEASED)
        if not self.record.jobs_served:
            self.bound_at = _now()
        self.record.tenant = tenant
        self.record.jobs_served += 1


@dataclass(slots=True)
class _Shelf:
    """One runtime's warm containers, oldest first, and the line of those who wait for one."""

    settings: ShelfSettings
    generation: int = 1
    demand: Demand = field(default_factory=Demand)
    plan: TargetPlan = field(default_factory=lambda: TargetPlan(target=0, why="not open yet"))
    warm: deque[_Container] = field(default_factory=deque)
    line: WaitingLine[_Container] = field(default_factory=WaitingLine)

    def is_stale(self, container: _Container) -> bool:
        """Whether its image or profile has changed since it was made."""
        return container.record.generation != self.generation

    def take_stale(self) -> _Container:
        """Off the shelf: the oldest of an older generation."""
        container = next(one for one in self.warm if self.is_stale(one))
        self.warm.remove(container)
        return container


@dataclass(slots=True, eq=False)
class _Bespoke:
    """A waiter for a container made to measure."""

    runtime: str
    limits: Limits
    waiter: Waiter[_Container]


@asynccontextmanager
async def open_pool(
    backend: Backend,
    settings: PoolSettings,
    telemetry: Telemetry,
    *,
    randomness: random.Random | None = None,
) -> AsyncIterator[WarmPool]:
    """A pool that fills its shelves in the background; on leaving, every container is gone.

    Leaving waits for leases still held. If the engine will not remove a container, that is tried
    REMOVE_ATTEMPTS times and told to `telemetry`; `reap_strays` takes it then, or the next start's reaper.
    """
    pool = WarmPool(backend, settings, telemetry, randomness or random.Random())  # noqa: S311 - jitter
    running = asyncio.create_task(pool.run(), name="warm pool")
    try:
        yield pool
    finally:
        await pool.close()
        await _until_done(running)


async def _until_done(running: asyncio.Task[None]) -> None:
    """Wait for the last removal, also when cancelled meanwhile: half a clean-up leaves containers behind.

    The engine's time limits bound the wait.
    """
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    running.result()


class WarmPool:
    """Warm containers of every runtime. Made by `open_pool`."""

    def __init__(
        self, backend: Backend, settings: PoolSettings, telemetry: Telemetry, randomness: random.Random
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._telemetry = telemetry
        self._random = randomness
        self._shelves = {name: _Shelf(shelf) for name, shelf in settings.shelves.items()}
        self._bespoke: deque[_Bespoke] = deque()
        self._kept: KeptContainers[_Container] = KeptContainers()
        self._containers: dict[int, _Container] = {}
        self._made = 0
        self._changed = asyncio.Event()
        self._closing = False
        self._creating: set[asyncio.Task[None]] = set()
        self._failures_in_a_row = 0
        self._last_failure: str | None = None
        self._not_before = 0.0
        self._leases: Counter[bool] = Counter()
        self._leases_reused = 0
        self._retired: Counter[str] = Counter()
        self._leaks: Counter[LeakKind] = Counter()

    def __repr__(self) -> str:
        shelves = ", ".join(
            f"{name}: {len(shelf.warm)} warm, {len(shelf.line)} waiting"
            for name, shelf in self._shelves.items()
        )
        return f"<WarmPool {len(self._containers)}/{self._settings.maximum} containers; {shelves}>"

    # -- lending ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def lease(
        self,
        runtime: str,
        *,
        tenant: str | None = None,
        reuse: bool = False,
        made_to_measure: Limits | None = None,
        deadline: float,
    ) -> AsyncIterator[Lease]:
        """A never-used container of `runtime`, ours alone; on leaving it is retired and replaced.

        With `reuse` and a named `tenant` it may be one that only that tenant has used, and may be kept for
        that tenant afterwards.

        `deadline` is the event loop's time until which to wait; `made_to_measure` asks for a container
        of these limits instead of one off the shelf, which is never kept. Raises PoolTimeout or PoolClosed.
        """
        keeper = tenant if reuse and self._settings.reuse and made_to_measure is None else None
        container, was_warm = await self._obtain(runtime, keeper, made_to_measure, deadline)
        assert container.live is not None  # noqa: S101 - a warm container has one
        was_reused = container.record.jobs_served > 0
        container.serve(keeper)
        self._leases[was_warm] += 1
        self._leases_reused += was_reused
        if not was_reused:
            asyncio.get_running_loop().call_later(REPLENISH_AFTER_SECONDS, self._changed.set)
        lease = Lease(container.live, was_warm, was_reused)
        try:
            yield lease
        except BaseException:
            lease.has_ended_well = False
            raise
        finally:
            # Nothing here waits, so neither cancellation nor an error can keep a container.
            lease.expire()
            self._take_back(container, lease)

    async def _obtain(
        self, runtime: str, tenant: str | None, made_to_measure: Limits | None, deadline: float
    ) -> tuple[_Container, bool]:
        if self._closing:
            raise PoolClosed("the pool is closing; no new job can start")
        if made_to_measure is not None:
            return await self._wait_for_bespoke(runtime, made_to_measure, deadline), False
        if tenant is not None and (kept := self._take_kept(runtime, tenant)) is not None:
            return kept, True
        shelf = self._shelves[runtime]
        shelf.demand = note_arrival(shelf.demand, _now())
        if (container := self._take_off(shelf)) is not None:
            return container, True
        container = await self._wait_in_line(shelf, runtime, tenant, deadline)
        return container, container.record.state is ContainerState.KEPT

    def _take_kept(self, runtime: str, tenant: str) -> _Container | None:
        """The tenant's own container that was used last and is still fit to serve."""
        while (container := self._kept.take(runtime, tenant)) is not None:
            if (flaw := self._flaw(container)) is None:
                return container
            self._retire(container, flaw)
        return None

    def _take_off(self, shelf: _Shelf) -> _Container | None:
        """The oldest warm container that is still alive, of the newest generation where there is one."""
        while shelf.warm:
            container = next((one for one in shelf.warm if not shelf.is_stale(one)), shelf.warm[0])
            shelf.warm.remove(container)
            if container.live is not None and not container.live.has_ended:
                return container
            self._retire(container, "died while warm")
        return None

    async def _wait_in_line(
        self, shelf: _Shelf, runtime: str, tenant: str | None, deadline: float
    ) -> _Container:
        waiter = shelf.line.join(tenant)
        try:
            return await self._wait(waiter, runtime, deadline)
        finally:
            shelf.line.leave(waiter)

    async def _wait_for_bespoke(self, runtime: str, limits: Limits, deadline: float) -> _Container:
        order = _Bespoke(runtime, limits, Waiter())
        self._bespoke.append(order)
        try:
            return await self._wait(order.waiter, runtime, deadline)
        finally:
            if order in self._bespoke:
                self._bespoke.remove(order)

    async def _wait(self, waiter: Waiter[_Container], runtime: str, deadline: float) -> _Container:
        self._changed.set()
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter.wait()
        except BaseException as error:
            if (container := waiter.withdraw()) is not None:
                self._offer(container)
            if isinstance(error, TimeoutError):
                why = f"; making one fails: {self._last_failure}" if self._failures_in_a_row else ""
                raise PoolTimeout(f"no {runtime} container came free in time{why}") from None
            raise

    def _offer(self, container: _Container) -> None:
        """Give an unused warm container to the first in line, else put it on the shelf; a kept one to its tenant."""
        shelf = self._shelves[container.record.runtime]
        if self._closing:
            self._retire(container, "closing")
        elif container.record.tenant is not None:
            self._offer_kept(container, container.record.tenant)
        elif container.made_to_measure:
            # Made for someone who has left: it fits nobody else.
            self._retire(container, "not collected")
        elif not shelf.line.offer(container):
            shelf.warm.append(container)
        self._changed.set()

    # -- keeping, for the same tenant ----------------------------------------------------------------

    def _take_back(self, container: _Container, lease: Lease) -> None:
        """After a job: inspect in the background what may be kept, retire everything else."""
        reuse = self._settings.reuse
        if reuse is None or container.record.tenant is None or self._closing:
            self._retire(container, "served")
        elif not lease.has_ended_well:
            self._retire(container, "did not end well")
        elif container.record.jobs_served >= reuse.jobs:
            self._retire(container, "served its jobs")
        elif (flaw := self._flaw(container)) is not None:
            self._retire(container, flaw)
        else:
            container.enter(ContainerState.INSPECTING)
            self._tasks.create_task(self._inspect(container, reuse))

    def _flaw(self, container: _Container) -> str | None:
        """Why a container can serve its tenant no longer, None where it can."""
        reuse = self._settings.reuse
        if container.live is None or container.live.has_ended:
            return "died while kept"
        if self._shelves[container.record.runtime].is_stale(container):
            return "older generation"
        if reuse is None or _now() - container.bound_at >= reuse.age_seconds:
            return "too old"
        return None

    async def _inspect(self, container: _Container, reuse: ReuseSettings) -> None:
        """Let it be prepared for one more job, look at what the last one left, and keep it where that is nothing."""
        assert container.live is not None  # noqa: S101 - it has just served
        try:
            seen = await container.live.renew(within_seconds=reuse.renew_within_seconds)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, this container serves nobody
            self._telemetry.renew_failed(container.record.id, error)
            self._retire(container, "not renewed")
            return
        verdict = judge_inspection(seen, container.held_bytes, reuse.leaks)
        container.held_bytes.append(seen.memory_bytes)
        if verdict.keep:
            self._narrow_beforehand(container.live)
            container.enter(ContainerState.KEPT)
            self._offer(container)
        else:
            self._leaks.update(verdict.reasons)
            self._telemetry.leaked(container.record.id, verdict.reasons)
            self._retire(container, "leaked")

    def _offer_kept(self, container: _Container, tenant: str) -> None:
        """Give a kept container to the next job of its tenant, now or later."""
        if (flaw := self._flaw(container)) is not None:
            self._retire(container, flaw)
        elif not self._shelves[container.record.runtime].line.offer_to(tenant, container):
            self._kept.add(container, _now())

    def _give_up_kept(self) -> bool:
        """Retire the longest unused of the kept containers; False without one."""
        container = self._kept.take_longest_unused()
        if container is not None:
            self._retire(container, "made room")
        return container is not None

    def _retire_expired(self) -> float | None:
        """Give up what was kept long enough; answers after how many seconds to look again."""
        reuse = self._settings.reuse
        if reuse is None:
            return None
        for container, reason in self._kept.take_expired(reuse, _now()):
            self._retire(container, reason)
        next_at = self._kept.next_expiry(reuse)
        return None if next_at is None else max(0.0, next_at - _now())

    # -- supplying, in the background ---------------------------------------------------------------

    async def run(self) -> None:
        """Supply until closed, then until the last container is gone. `open_pool` runs this."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while not self._is_finished():
                    self._changed.clear()
                    delay = self._supply()
                    await self._wait_for_change(delay)
        finally:
            # Also where a bug has ended it: nobody shall wait for a container that nobody makes.
            self._closing = True
            self._turn_everyone_away()

    def _is_finished(self) -> bool:
        return self._closing and not self._containers

    async def _wait_for_change(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _supply(self) -> float | None:
        """Start what the plan says; answers after how many seconds to look again, None for on change."""
        if self._closing:
            return None
        next_expiry = self._retire_expired()
        delay = self._not_before - asyncio.get_running_loop().time()
        if delay > 0:
            return delay if next_expiry is None else min(delay, next_expiry)
        self._fill_orders()
        self._plan_targets()
        plan = plan_supply(self._snapshot())
        for runtime in plan.give_up:
            self._retire(self._shelves[runtime].warm.pop(), "made room")
        if plan.give_up_kept:
            self._give_up_kept()
        for runtime in plan.surplus:
            self._retire(self._shelves[runtime].warm.popleft(), "surplus")
        for runtime in plan.renew:
            self._retire(self._shelves[runtime].take_stale(), "older generation")
        for runtime in plan.create:
            self._create(runtime, limits=None, waiter=None)
        delays = [next_expiry, *(shelf.plan.less_in_seconds for shelf in self._shelves.values())]
        return min((seconds for seconds in delays if seconds), default=None)

    def _plan_targets(self) -> None:
        free = self._settings.free_memory_bytes
        for shelf in self._shelves.values():
            least, most = shelf.settings.target, shelf.settings.most
            allowed = None
            if most is not None and most > least and free is not None:
                allowed = len(shelf.warm) + max(0, free()) // max(1, shelf.settings.container_bytes)
            bounds = TargetBounds(minimum=least, maximum=max(least, most or 0), memory_allows=allowed)
            shelf.plan = plan_target(shelf.demand, bounds, _now())

    def _fill_orders(self) -> None:
        """Containers made to measure come first: somebody waits for each of them."""
        while self._bespoke and self._has_room():
            order = self._bespoke.popleft()
            self._create(order.runtime, limits=order.limits, waiter=order.waiter)

    def _has_room(self) -> bool:
        if self._count(ContainerState.PROVISIONING) >= self._settings.creates_at_once:
            return False
        if len(self._containers) < self._settings.maximum:
            return True
        # One for each order: what is being removed already makes room for somebody.
        if self._count(ContainerState.RETIRING) < len(self._bespoke):
            self._make_room()
        return False

    def _make_room(self) -> None:
        idle = max(self._shelves.values(), key=lambda shelf: len(shelf.warm))
        if not self._give_up_kept() and idle.warm:
            self._retire(idle.warm.pop(), "made room")

    def _count(self, state: ContainerState) -> int:
        return sum(container.record.state is state for container in self._containers.values())

    def _snapshot(self) -> SupplySnapshot:
        provisioning = Counter(
            container.record.runtime
            for container in self._containers.values()
            if container.record.state is ContainerState.PROVISIONING
        )
        return SupplySnapshot(
            shelves=tuple(
                ShelfSnapshot(
                    runtime=name,
                    target=shelf.plan.target,
                    warm=len(shelf.warm) - sum(map(shelf.is_stale, shelf.warm)),
                    stale=sum(map(shelf.is_stale, shelf.warm)),
                    may_shrink=shelf.settings.most is not None,
                    provisioning=provisioning[name],
                    waiting=len(shelf.line) - self._about_to_be_served(name, shelf),
                )
                for name, shelf in self._shelves.items()
            ),
            total=len(self._containers),
            retiring=self._count(ContainerState.RETIRING),
            maximum=self._settings.maximum,
            creates_at_once=self._settings.creates_at_once,
            kept=len(self._kept),
        )

    def _about_to_be_served(self, runtime: str, shelf: _Shelf) -> int:
        """How many in line will get their tenant's own container, which is being prepared: that is ten times faster."""
        inspecting = Counter(
            container.record.tenant
            for container in self._containers.values()
            if container.record.state is ContainerState.INSPECTING and container.record.runtime == runtime
        )
        return (shelf.line.tenants() & inspecting).total() if inspecting else 0

    def _create(self, runtime: str, *, limits: Limits | None, waiter: Waiter[_Container] | None) -> None:
        self._made += 1
        generation = self._shelves[runtime].generation
        record = ContainerRecord(id="", runtime=runtime, generation=generation, created_at=_now())
        container = self._containers[self._made] = _Container(self._made, record, limits is not None)
        task = self._tasks.create_task(self._provision(container, limits, waiter))
        self._creating.add(task)
        task.add_done_callback(partial(self._end_provision, container, waiter))

    def _end_provision(
        self, container: _Container, waiter: Waiter[_Container] | None, task: asyncio.Task[None]
    ) -> None:
        """The books after a create that was cancelled, which may be before its first step."""
        self._creating.discard(task)
        if container.record.state is ContainerState.PROVISIONING:
            self._drop_unmade(container)
            if waiter is not None:
                waiter.fail(PoolClosed("the pool closed while the container was being made"))

    async def _provision(
        self, container: _Container, limits: Limits | None, waiter: Waiter[_Container] | None
    ) -> None:
        record = container.record
        try:
            spec = self._shelves[record.runtime].settings.make_spec(limits)
            spec = replace(spec, labels={**spec.labels, LABEL_NUMBER: str(container.number)})
            live = await self._backend.launch(spec, ready_within_seconds=self._settings.ready_within_seconds)
        except Exception as error:  # noqa: BLE001 - a bug in making one container must not end the pool
            self._drop_unmade(container)
            self._note_failure(record.runtime, error, waiter)
            return
        container.live, record.id = live, live.id
        self._failures_in_a_row = 0
        took = _now() - record.created_at
        shelf = self._shelves[record.runtime]
        shelf.demand = note_making(shelf.demand, took)
        self._telemetry.container_warm(record.runtime, took)
        self._place(container, waiter)

    def _place(self, container: _Container, waiter: Waiter[_Container] | None) -> None:
        container.enter(ContainerState.WARM)
        if container.live is not None and not container.made_to_measure:
            self._narrow_beforehand(container.live)
        if waiter is None or not waiter.offer(container):
            self._offer(container)

    def _narrow_beforehand(self, live: LiveContainer) -> None:
        """A lease narrows it again where the job's limits are others, or where this did not work."""
        if self._settings.usual_limits is not None:
            live.narrow(self._settings.usual_limits)

    def _drop_unmade(self, container: _Container) -> None:
        container.enter(ContainerState.RETIRING)
        self._forget(container)

    def _forget(self, container: _Container) -> None:
        container.enter(ContainerState.REMOVED)
        del self._containers[container.number]
        self._changed.set()

    def _note_failure(self, runtime: str, error: Exception, waiter: Waiter[_Container] | None) -> None:
        self._failures_in_a_row += 1
        self._last_failure = str(error) or type(error).__name__
        pause = plan_backoff_seconds(self._failures_in_a_row, self._random.random())
        self._not_before = asyncio.get_running_loop().time() + pause
        self._telemetry.create_failed(runtime, error, retry_in_seconds=pause)
        if waiter is not None:
            waiter.fail(error if isinstance(error, OrchestratorError) else InternalError(repr(error)))

    # -- retiring -----------------------------------------------------------------------------------

    def _retire(self, container: _Container, reason: str) -> None:
        """Begin the end of a container. Does not wait."""
        container.enter(ContainerState.RETIRING)
        self._retired[reason] += 1
        self._tasks.create_task(self._remove(container))

    async def _remove(self, container: _Container) -> None:
        assert container.live is not None  # noqa: S101 - only live containers are retired
        for _ in range(ROUNDS_BEFORE_REMOVING):
            await asyncio.sleep(0)
        self._changed.set()  # its successor may be made while it is being removed
        for attempt in range(REMOVE_ATTEMPTS):
            asked_at = _now()
            try:
                await container.live.destroy()
                break
            except Exception as error:  # noqa: BLE001 - a bug in removing one container must not end the pool
                self._telemetry.remove_failed(container.record.id, error)
                if self._closing and _now() - asked_at > HANGING_SECONDS:
                    break  # it shall not hold the end up five times over; what is left is reaped by its labels
                await asyncio.sleep(plan_backoff_seconds(attempt + 1, self._random.random()))
        self._forget(container)

    # -- health: what `health.py` asks for ------------------------------------------------------------

    def idle(self) -> tuple[ContainerView, ...]:
        """The containers that stand ready, oldest first, and those that are kept for their tenants."""
        warm = [one for shelf in self._shelves.values() for one in shelf.warm]
        return tuple(map(self._view, [*warm, *self._kept.all()]))

    def containers(self) -> tuple[ContainerView, ...]:
        """All containers, in the order in which they were made."""
        return tuple(map(self._view, self._containers.values()))

    def _view(self, container: _Container) -> ContainerView:
        record, live = container.record, container.live
        return ContainerView(
            id=record.id,
            runtime=record.runtime,
            state=record.state,
            age_seconds=_now() - record.created_at,
            generation=record.generation,
            image_digest=live.image_digest if live else None,
            profile_digest=live.profile_digest if live else None,
            tenant=record.tenant,
            jobs_served=record.jobs_served,
        )

    async def ping(self, container_id: str, *, within_seconds: float) -> bool:
        """Whether the runner of an idle container answers in time. One that is idle no longer needs no answer."""
        container = self._find_idle(container_id)
        if container is None or container.live is None:
            return True
        return await container.live.ping(within_seconds=within_seconds)

    def retire_idle(self, container_id: str, reason: str) -> bool:
        """Retire a container that stands ready; False where it does so no longer."""
        container = self._find_idle(container_id)
        if container is None:
            return False
        if container.record.state is ContainerState.KEPT:
            self._kept.remove(container)
        else:
            self._shelves[container.record.runtime].warm.remove(container)
        self._retire(container, reason)
        return True

    def renew(self, runtime: str) -> None:
        """Begin a new generation: what stands ready is replaced, one by one, by containers made from now on.

        Kept containers are of no use any more: their tenants get new ones.
        """
        self._shelves[runtime].generation += 1
        for container in self._kept.all():
            if container.record.runtime == runtime:
                self.retire_idle(container.record.id, "older generation")
        self._changed.set()

    def has_number(self, number: str) -> bool:
        """Whether the books have a container that carries this number as its label, whatever its state."""
        return number.isdecimal() and int(number) in self._containers

    def _find_idle(self, container_id: str) -> _Container | None:
        warm = (one for shelf in self._shelves.values() for one in shelf.warm)
        return next((one for one in (*warm, *self._kept.all()) if one.record.id == container_id), None)

    # -- closing ------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Turn waiters away, give up idle containers, stop making more. `run` ends when all are gone."""
        if self._closing:
            return
        self._closing = True
        self._turn_everyone_away()
        for shelf in self._shelves.values():
            while shelf.warm:
                self._retire(shelf.warm.popleft(), "closing")
        while (kept := self._kept.take_longest_unused()) is not None:
            self._retire(kept, "closing")
        for task in tuple(self._creating):
            task.cancel()
        self._changed.set()

    def _turn_everyone_away(self) -> None:
        error = PoolClosed("the pool closed before a container came free")
        for shelf in self._shelves.values():
            shelf.line.fail_all(error)
        while self._bespoke:
            self._bespoke.popleft().waiter.fail(error)

    # -- looking in ---------------------------------------------------------------------------------

    def count_warm(self, runtime: str) -> int:
        """How many containers of `runtime` stand ready. Cheap: asked before every job of a queue."""
        return len(self._shelves[runtime].warm)

    def statistics(self) -> PoolStatistics:
        """The pool now."""
        states: dict[str, Counter[ContainerState]] = {name: Counter() for name in self._shelves}
        for container in self._containers.values():
            states[container.record.runtime][container.record.state] += 1
        return PoolStatistics(
            states=states,
            targets={name: shelf.plan for name, shelf in self._shelves.items()},
            waiting={name: len(shelf.line) for name, shelf in self._shelves.items()},
            leases_warm=self._leases[True],
            leases_cold=self._leases[False],
            leases_reused=self._leases_reused,
            created=self._made,
            failures_in_a_row=self._failures_in_a_row,
            last_failure=self._last_failure,
            retired_by_reason=dict(self._retired),
            leaks_by_kind=dict(self._leaks),
        )

    async def wait_until_warm(self, *, deadline: float) -> None:
        """Wait until every shelf has its target. Raises PoolTimeout, saying why where it is known."""
        while not all(len(shelf.warm) >= shelf.settings.target for shelf in self._shelves.values()):
            if self._closing:
                raise PoolClosed("the pool is closing")
            if asyncio.get_running_loop().time() > deadline:
                why = f"; making one fails: {self._last_failure}" if self._failures_in_a_row else ""
                raise PoolTimeout(f"the pool did not become warm in time{why}")
            await asyncio.sleep(0.01)


def _now() -> float:
    return asyncio.get_running_loop().time()
