"""One orchestrator on the real engine for all tests of this folder: each job gets a container of its own anyway."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from orchestrator import Orchestrator, load_settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs an engine, and runs on one event loop."""
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def orchestrator() -> AsyncIterator[Orchestrator]:
    """A running orchestrator with both runtimes. These programs are about the containers, not about the validator."""
    settings = load_settings(warm_target=2, containers_maximum=12, queue_seconds=120, policy="open")
    async with Orchestrator.open(settings) as running:
        await running.wait_until_warm(within_seconds=120)
        yield running
