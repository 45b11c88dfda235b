"""The images as they really are: built and looked through on a Docker Engine."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.backends.images import ImageBuilder, images_folder, load_runtimes
from orchestrator.domain.errors import EngineUnavailable

pytestmark = pytest.mark.docker

RUNTIMES = load_runtimes(images_folder())
LARGEST_MEGABYTES = {"python": 60, "node": 140}


@pytest.fixture
async def engine():
    try:
        opened = await Engine.open(EngineSettings())
    except EngineUnavailable as error:
        pytest.skip(f"no Docker Engine: {error}")
    yield opened
    await opened.close()


@pytest.fixture
def builder(engine):
    return ImageBuilder.for_this_host(engine)


@pytest.mark.parametrize("name", sorted(RUNTIMES))
async def test_image_has_nothing_that_helps_an_escaped_job(builder, name):
    """The image as it would serve tenants: no shell, no installer, no setuid file, nothing to write to."""
    runtime = RUNTIMES[name]
    await builder.build(runtime, lambda _: None)
    report = await builder.verify(runtime)
    assert report.findings == ()
    assert report.state.is_current
    assert report.state.size_bytes < LARGEST_MEGABYTES.get(name, 200) * 1_000_000


@pytest.mark.parametrize("name", sorted(RUNTIMES))
async def test_image_starts_as_nobody_with_pause_as_pid_1(builder, engine, name):
    """Started without any option, an image idles under a uid without rights until it is killed."""
    runtime = RUNTIMES[name]
    await builder.build(runtime, lambda _: None)
    config = {
        "Image": runtime.image,
        "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True, "CapDrop": ["ALL"]},
    }
    container = await engine.create("", config)
    try:
        await engine.start(container)
        facts = await engine.inspect(container)
    finally:
        await engine.remove(container)
    assert facts["State"]["Running"]
    assert facts["Path"] == "/pause"
    assert facts["Config"]["User"] == "65534:65534"


@pytest.mark.parametrize(
    ("name", "package"),
    [("python", "pkg:deb/debian/python3.13-minimal@"), ("node", "pkg:npm/isolated-vm@")],
)
async def test_image_has_a_bill_of_materials(builder, name, package):
    """Valid CycloneDX that names the packages, Debian's C library among them, and every file of the image."""
    runtime = RUNTIMES[name]
    await builder.build(runtime, lambda _: None)
    text = await builder.bill_of_materials(runtime)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    rows = json.loads(text)["components"]
    packages = [row["purl"] for row in rows if row["type"] == "library"]
    for wanted in (package, "pkg:deb/debian/libc6@"):
        assert any(one.startswith(wanted) for one in packages), packages
    assert "/pause" in {row["name"] for row in rows if row["type"] == "file"}


async def test_base_image_is_there_once_images_are_built(builder, engine):
    """A build leaves the base image behind, so that the next one needs neither registry nor bootstrap."""
    said: list[str] = []
    await builder.ensure_base(said.append)
    await builder.ensure_base(said.append)
    assert await engine.image_inspect("sandbox-orch/debian:trixie") is not None
