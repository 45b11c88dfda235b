"""What all tests share: a virtual clock, specs and frames, and the rules of collection."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import unittest
import warnings

import pytest

from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.domain.errors import BackendError

WITHOUT_ENGINE = "SANDBOX_ORCH_TESTS_WITHOUT_ENGINE"


# -- collection -----------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption(
        "--soak-seconds", type=int, default=60, help="How long the soak test drives jobs and faults."
    )
    parser.addoption(
        "--all-attacks-in-debug-mode", action="store_true", help="The whole corpus there, not a choice of it."
    )


@pytest.fixture(scope="session")
def soak_seconds(request):
    """A minute in the whole suite, ten with `./test --soak`."""
    return request.config.getoption("--soak-seconds")


def pytest_configure(config):
    config.addinivalue_line("markers", "virtual_time: runs on an event loop whose clock jumps")


def lost_methods(cls: type) -> list[str]:
    """Methods of a test class that pytest would silently never run."""
    return [
        name
        for name, value in vars(cls).items()
        if inspect.isfunction(value) and not name.startswith(("test_", "_"))
    ]


def pytest_collection_modifyitems(items):
    """A `Test*` class may hold only `test_…`, `_…` and decorated methods: one without would never run."""
    classes = {item.cls for item in items if getattr(item, "cls", None) is not None}
    for cls in classes:
        if issubclass(cls, unittest.TestCase):
            continue  # Hypothesis makes these, with methods of unittest's own
        if lost := lost_methods(cls):
            raise pytest.UsageError(f"{cls.__module__}.{cls.__name__}: never run: {', '.join(lost)}")


# -- the engine -------------------------------------------------------------------------------------------


def _why_no_engine() -> str | None:
    async def ask() -> None:
        engine = await Engine.open(EngineSettings(call_seconds=10.0))
        try:
            await engine.info()
        finally:
            await engine.close()

    try:
        asyncio.run(ask())
    except BackendError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def engine_answers() -> str | None:
    """None where an engine answers, else why not; asked once."""
    with warnings.catch_warnings():
        # The SDK leaves a socket behind where it could not connect.
        warnings.simplefilter("ignore", ResourceWarning)
        why_not = _why_no_engine()
        gc.collect()
    return why_not


@pytest.fixture(autouse=True)
def _docker_tests_are_loud(request):
    """A test that needs an engine fails without one, unless the environment says that this is meant."""
    if request.node.get_closest_marker("docker") is None:
        return
    why_not = request.getfixturevalue("engine_answers")
    if why_not is None:
        return
    if os.environ.get(WITHOUT_ENGINE) == "1":
        pytest.skip(f"no engine, and {WITHOUT_ENGINE}=1: {why_not}")
    pytest.fail(
        f"no engine answers ({why_not}); set {WITHOUT_ENGINE}=1 to leave these tests out", pytrace=False
    )
