"""`pool/health.py`: what stands ready is watched, and what is not fit to serve is replaced."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from making import make_spec
from pools import FOR_EVER, RUNTIME, TelemetryNotes, fake_behind, fake_pool, settle

from orchestrator.backends.base import ContainerEvent
from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.errors import ConfigurationError, EngineUnavailable
from orchestrator.pool.health import AGE_JITTER, HealthSettings, keep_healthy
from orchestrator.pool.pool import LABEL_NUMBER
from orchestrator.pool.reaper import LABEL_INSTANCE

pytestmark = pytest.mark.virtual_time

ROUND_SECONDS = 10.0
AGE_SECONDS = 3600.0


class World:
    """A watched pool, and what its containers are made of."""

    def __init__(self, pool, backend, telemetry) -> None:
        self.pool, self.backend, self.telemetry = pool, backend, telemetry
        self.made_of = {RUNTIME: "image 1"}
        self.trouble: Exception | None = None

    async def fingerprints(self):
        if self.trouble is not None:
            raise self.trouble
        return dict(self.made_of)

    def ids(self) -> list[str]:
        return [container.id for container in self.pool.idle()]

    @property
    def retired(self) -> dict[str, int]:
        return dict(self.pool.statistics().retired_by_reason)


@asynccontextmanager
async def watched(target: int = 3, **pool_settings):
    backend, telemetry = FakeBackend(), TelemetryNotes()
    async with fake_pool(backend, {RUNTIME: target}, telemetry=telemetry, **pool_settings) as pool:
        world = World(pool, backend, telemetry)
        settings = HealthSettings(
            labels={},
            round_every_seconds=ROUND_SECONDS,
            answer_within_seconds=2.0,
            warm_age_seconds=AGE_SECONDS,
            fingerprints=world.fingerprints,
        )
        async with keep_healthy(pool, backend, settings, telemetry, randomness=random.Random(3)):
            await settle()
            yield world


async def a_round() -> None:
    await asyncio.sleep(ROUND_SECONDS * 1.5)
    await settle()


async def test_what_is_well_stays():
    """Rounds disturb nobody: the same containers stand ready after an hour of them."""
    async with watched() as world:
        before = world.ids()
        await asyncio.sleep(AGE_SECONDS * (1 - AGE_JITTER) * 0.9)
        assert world.ids() == before
        assert world.retired == {}


async def test_a_silent_container_is_replaced():
    """One that answers no ping is retired in the next round; its neighbours stay."""
    async with watched() as world:
        silent, *others = world.ids()
        world.backend.containers[silent].is_silent = True
        await a_round()
        assert world.retired == {"silent": 1}
        assert silent not in world.backend.containers
        assert set(others) < set(world.ids())
        assert len(world.ids()) == 3


async def test_a_container_that_is_leased_meanwhile_is_not_retired():
    """A ping that fails after its container went to a job is no business of the health round."""
    async with watched(target=1) as world:
        (only,) = world.ids()
        world.backend.containers[only].is_silent = True
        await asyncio.sleep(ROUND_SECONDS * 1.1)  # the ping is out, its two seconds are not over
        async with world.pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
            assert lease.container_id == only
            await asyncio.sleep(5)
            assert not fake_behind(lease).is_dead
        assert "silent" not in world.retired


@pytest.mark.parametrize("action", ["die", "oom", "destroy"])
async def test_a_container_killed_behind_our_back_is_replaced_at_once(action):
    """The engine's event is enough; no round has to come by, and no job has to find out."""
    async with watched() as world:
        lost = world.ids()[1]
        world.backend.tell(ContainerEvent(container_id=lost, action=action))
        await settle()
        assert world.retired == {"died while warm": 1}
        assert lost not in world.ids()
        assert len(world.ids()) == 3


async def test_events_of_leased_or_unknown_containers_change_nothing():
    """A job's end is its own affair, and our own removals are told as well."""
    async with watched() as world, world.pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
        await asyncio.sleep(1)
        for container_id in (lease.container_id, "f" * 64):
            world.backend.tell(ContainerEvent(container_id=container_id, action="die"))
        await settle()
        assert world.retired == {}


async def test_listening_begins_again_after_trouble():
    """An engine that stops telling is asked again, and what it tells then counts."""
    async with watched() as world:
        world.backend.tell(EngineUnavailable("gone", step="events"))
        await settle()
        assert world.backend.listeners == []
        assert world.telemetry.count("watch_failed") == 1
        await asyncio.sleep(31)
        world.backend.tell(ContainerEvent(container_id=world.ids()[0], action="die"))
        await settle()
        assert world.retired == {"died while warm": 1}


async def test_the_old_are_replaced_one_by_one():
    """Age retires one of a runtime in a round, never all at once, and all in the end."""
    async with watched() as world:
        before = set(world.ids())
        fewest = 3
        for _ in range(int(AGE_SECONDS / ROUND_SECONDS)):
            await asyncio.sleep(ROUND_SECONDS)
            fewest = min(fewest, len(world.ids()))
        await a_round()
        assert not before & set(world.ids())
        assert world.retired == {"too old": 3}
        assert fewest >= 2


async def test_a_changed_image_makes_a_new_generation():
    """Old containers are replaced one by one as new ones stand beside them; then there is rest."""
    async with watched() as world:
        before = set(world.ids())
        world.made_of[RUNTIME] = "image 2"
        await a_round()
        assert not before & set(world.ids())
        assert len(world.ids()) == 3
        assert {container.generation for container in world.pool.idle()} == {2}
        assert world.retired == {"older generation": 3}
        created = world.pool.statistics().created
        await a_round()
        assert world.pool.statistics().created == created


async def test_a_new_generation_makes_its_way_in_a_full_house():
    """Where there is no room for a new one beside the old, an old one goes first."""
    async with watched(target=2, maximum=2) as world:
        world.pool.renew(RUNTIME)
        await asyncio.sleep(1)
        await settle()
        assert {container.generation for container in world.pool.idle()} == {2}
        assert len(world.ids()) == 2


async def test_jobs_get_the_new_generation_first():
    """While both stand ready, nobody is given what was made of the old image."""
    async with watched(target=2, creates_at_once=1) as world:
        world.backend.gate = asyncio.Event()
        world.pool.renew(RUNTIME)
        await settle()
        world.backend.gate.set()
        for _ in range(8):
            await asyncio.sleep(0)
            if {container.generation for container in world.pool.idle()} == {1, 2}:
                break
        async with world.pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
            made = {one.id: one.generation for one in world.pool.containers()}
            assert made[lease.container_id] == 2


@pytest.mark.parametrize("trouble", [EngineUnavailable("gone"), ConfigurationError("python.json: no JSON")])
async def test_a_look_that_fails_changes_nothing(trouble):
    """What cannot be seen is taken for unchanged, and told."""
    async with watched() as world:
        before = world.ids()
        world.trouble = trouble
        await a_round()
        assert world.ids() == before
        assert world.telemetry.count("watch_failed") >= 1
        world.trouble, world.made_of = None, {RUNTIME: "image 2"}
        await a_round()
        assert not set(before) & set(world.ids())


async def test_a_stray_is_removed_and_what_the_books_have_is_not():
    """A silent engine may make a container after its maker gave up: the next round finds it."""
    async with watched(target=2) as world, world.pool.lease(RUNTIME, deadline=FOR_EVER) as lease:
        await asyncio.sleep(1)
        known = set(world.backend.containers)
        await world.backend.launch(
            make_spec(labels={LABEL_INSTANCE: "this", LABEL_NUMBER: "999"}), ready_within_seconds=1
        )
        await world.backend.launch(make_spec(labels={LABEL_INSTANCE: "this"}), ready_within_seconds=1)
        await a_round()
        assert set(world.backend.containers) == known
        assert lease.container_id in known
        assert world.telemetry.count("reaped") == 2


async def test_a_container_that_is_being_made_is_no_stray():
    """Its number is in the books before the engine hears of it."""
    async with watched(target=2) as world:
        (number,) = {one.labels[LABEL_NUMBER] for one in world.backend.launched[:1]}
        assert world.pool.has_number(number)
        assert not world.pool.has_number("")
        assert not world.pool.has_number("-1")
