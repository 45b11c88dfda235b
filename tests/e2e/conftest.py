"""What the end-to-end tests share: one service on the real engine."""

from __future__ import annotations

import pytest
from served import served


@pytest.fixture(scope="session")
def service(tmp_path_factory, engine_answers):
    """A service over a data folder of the tests' own, with two warm containers of each runtime."""
    if engine_answers is not None:
        pytest.fail(f"no engine answers ({engine_answers})", pytrace=False)
    settings = {
        "SANDBOX_ORCH_WARM_TARGET": "2",
        "SANDBOX_ORCH_CONTAINERS_MAXIMUM": "8",
        "SANDBOX_ORCH_QUEUE_SECONDS": "120",
    }
    with served(tmp_path_factory.mktemp("service") / "data", **settings) as running:
        yield running
