"""What every backend promises (`backends/base.py`), tried on the fake and on a real Docker Engine alike.

The floors above are tested over the fake; these tests are what makes that worth something.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from orchestrator.backends.base import Backend, LiveContainer
from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.backends.fake import FakeBackend
from orchestrator.backends.frames import encode_frame
from orchestrator.backends.images import images_folder, load_runtimes
from orchestrator.backends.launch import DockerBackend
from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.errors import ImageMissing
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.policies.hardening import HardeningSettings, hardened_spec
from orchestrator.scheduler.run import Job, job_frame

LABEL = "org.sandbox-orch.test"
READY_SECONDS = 60.0
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class House:
    """A backend, and recipes whose label is nobody else's."""

    backend: Backend
    mark: str

    def spec(self, **changes) -> ContainerSpec:
        runtime = load_runtimes(images_folder())["python"]
        spec = hardened_spec(
            runtime,
            HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256),
            job_uid=2_100_000 + uuid.uuid4().int % 800_000,
            limits=runtime.ceiling,
            seccomp_json=None,
            labels={LABEL: self.mark},
        )
        return replace(spec, **changes)

    async def launch(self) -> LiveContainer:
        return await self.backend.launch(self.spec(), ready_within_seconds=READY_SECONDS)

    async def left(self) -> list[str]:
        return [container.id for container in await self.backend.owned({LABEL: self.mark})]


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def house(request) -> AsyncIterator[House]:
    """Each backend in turn; whatever a test leaves on it is removed, and is that test's failure."""
    mark = uuid.uuid4().hex
    engine = None
    if request.param == "fake":
        backend: Backend = FakeBackend()
    else:
        engine = await Engine.open(EngineSettings())
        backend = DockerBackend(engine, name_prefix=f"sandbox-orch-test-{mark[:12]}")
    place = House(backend, mark)
    try:
        yield place
        left = await place.left()
        for container_id in left:
            await backend.remove(container_id)
        assert left == []
    finally:
        await backend.close()
        if engine is not None:
            await engine.close()


@pytest.fixture
async def container(house) -> AsyncIterator[LiveContainer]:
    """A warm container of each backend."""
    live = await house.launch()
    try:
        yield live
    finally:
        await live.destroy()


async def receive(container: LiveContainer) -> dict[str, object] | None:
    return await asyncio.wait_for(container.receive(), ANSWER_SECONDS)


def echo_job(value: object) -> bytes:
    spec = JobSpec(runtime="python", code="output = input", input_json=json.dumps(value))
    return job_frame(
        Job(id="the-job", spec=spec, limits=Limits(), made_to_measure=False, start_by=0.0, accepted_at=0.0)
    )


async def test_a_launched_container_is_ready(house, container):
    """It has an id and an image, its runner listens, and it is on the engine's list."""
    assert not container.has_ended
    assert container.image_digest.startswith("sha256:")
    assert await house.left() == [container.id]


async def test_a_ping_is_answered_by_its_pong(container):
    """With the same nonce, as often as one likes."""
    for nonce in ("1", "é"):
        container.send(encode_frame({"type": "ping", "nonce": nonce}))
        assert await receive(container) == {"type": "pong", "nonce": nonce}


async def test_a_job_is_answered_by_its_result(container):
    """`output = input`, there and back."""
    value = {"text": "é\n\u2028", "numbers": [1, 2.5], "none": None}
    container.narrow(Limits())
    container.send(echo_job(value))
    answer = await receive(container)
    assert answer is not None
    assert (answer["type"], answer["job"], answer["how"]) == ("result", "the-job", "returned")
    assert json.loads(str(answer["payload"])) == {"status": "ok", "output": value}


async def test_counters_can_be_read_at_any_time(container):
    """They never raise, also after the end, and no figure is negative."""
    for _ in range(2):
        counters = await container.counters()
        assert (counters.cpu_ns or 0) >= 0
        assert (counters.memory_peak_bytes or 0) >= 0
        assert counters.oom_kills == counters.pids_refused == 0
        await container.kill()


async def test_a_kill_ends_the_stream(container):
    """A reader that waits gets None, and the container counts as ended."""
    reader = asyncio.create_task(container.receive())
    await asyncio.sleep(0)
    await container.kill()
    assert await asyncio.wait_for(reader, ANSWER_SECONDS) is None
    assert container.has_ended


async def test_after_the_end_receive_is_none_for_ever_and_send_does_nothing(container):
    """Nobody has to know whether the other side is still there."""
    await container.kill()
    for _ in range(3):
        assert await receive(container) is None
        container.send(encode_frame({"type": "ping", "nonce": "1"}))


async def test_a_kill_twice_is_no_error(container):
    """What is dead stays dead."""
    await container.kill()
    await container.kill()


async def test_destroying_leaves_nothing(house):
    """The engine has no container of ours any more; destroying twice is no error."""
    container = await house.launch()
    await container.destroy()
    assert await house.left() == []
    await container.destroy()
    assert await receive(container) is None


async def test_a_killed_container_can_be_destroyed(house):
    """The usual order at a deadline."""
    container = await house.launch()
    await container.kill()
    await container.destroy()
    assert await house.left() == []


async def test_a_container_removed_by_somebody_else_is_told_as_gone(house, container):
    """The stream ends, and examine says that the container is not running."""
    await house.backend.remove(container.id)
    assert await receive(container) is None
    assert not (await container.examine()).container_running


async def test_containers_are_found_by_their_labels(house, container):
    """All labels must match; an empty value matches any."""
    (found,) = await house.backend.owned({LABEL: house.mark})
    assert (found.id, found.running) == (container.id, True)
    assert found.labels[LABEL] == house.mark
    assert container.id in [each.id for each in await house.backend.owned({LABEL: ""})]
    assert await house.backend.owned({LABEL: house.mark, "org.sandbox-orch.no-such-label": ""}) == ()
    assert await house.backend.owned({LABEL: "another"}) == ()


async def test_removing_what_is_not_there_is_no_error(house):
    """Whoever comes second finds nothing left to do."""
    await house.backend.remove("0" * 64)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5])
async def test_a_launch_cancelled_early_leaves_nothing(house, steps):
    """Cancelled within its first steps on the event loop."""
    launching = asyncio.create_task(house.launch())
    for _ in range(steps):
        await asyncio.sleep(0)
    await cancel_and_tidy(house, launching)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97])
async def test_a_launch_cancelled_at_any_moment_leaves_nothing(house, share):
    """Cancelled after each share of the time that a launch takes here: in create, start, exec or self-check."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await (await house.launch()).destroy()
    # The destroy is a good part of it, so that some of these come after the launch; that is a moment too.
    whole = loop.time() - began
    launching = asyncio.create_task(house.launch())
    await asyncio.wait([launching], timeout=share * whole)
    await cancel_and_tidy(house, launching)


async def cancel_and_tidy(house: House, launching: asyncio.Task[LiveContainer]) -> None:
    launching.cancel()
    try:
        container = await launching
    except asyncio.CancelledError:
        pass
    else:
        await container.destroy()
    assert await house.left() == []


async def test_the_engine_says_what_it_is(house):
    """Figures that the layers above build on."""
    info = await house.backend.info()
    assert info.name
    assert info.cgroup_version in (1, 2)
    assert info.cpus > 0
    assert info.memory_bytes > 0


@pytest.mark.docker
@pytest.mark.parametrize("house", ["docker"], indirect=True)
async def test_a_missing_image_is_told_as_such(house):
    """ImageMissing names the image, and nothing is left of the attempt."""
    with pytest.raises(ImageMissing, match="no-such-image"):
        await house.backend.launch(house.spec(image="sandbox-orch/no-such-image:0"), ready_within_seconds=5.0)
    assert await house.left() == []


async def test_a_runner_that_lives_answers_a_ping(container):
    """Again and again, and a dead one does not."""
    assert [await container.ping(within_seconds=ANSWER_SECONDS) for _ in range(3)] == [True] * 3
    await container.kill()
    assert not await container.ping(within_seconds=ANSWER_SECONDS)


async def test_a_ping_does_not_disturb_a_job(container):
    """A job that comes while a ping is on its way sees its own frames only."""
    ping = asyncio.create_task(container.ping(within_seconds=ANSWER_SECONDS))
    await asyncio.sleep(0)
    container.send(echo_job(41))
    answer = await receive(container)
    assert answer is not None
    assert answer["type"] == "result"
    assert await ping


async def test_the_end_of_a_container_is_told(house, container):
    """Whoever ended it: an event names it to those who listen."""
    events = house.backend.events({LABEL: house.mark})
    heard = asyncio.create_task(anext(events))
    try:
        for _ in range(100):
            await asyncio.sleep(0.01)  # until the engine has heard that we listen
        await house.backend.remove(container.id)
        event = await asyncio.wait_for(heard, ANSWER_SECONDS)
        assert event.container_id == container.id
        assert event.action in ("die", "oom", "destroy")
    finally:
        heard.cancel()
        await asyncio.gather(heard, return_exceptions=True)
        await events.aclose()
