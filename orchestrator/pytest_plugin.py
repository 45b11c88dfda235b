"""For pytest: fixtures that run code in a sandbox, `sandbox_orch` and `sandbox`, and the marker `sandbox_limits`.

pytest loads this file in every run of an environment that has this package, so it loads nothing itself: what the
fixtures need is in `pytest_services.py`, and comes with the first test that asks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchestrator.pytest_services import Sandbox, Service

__all__ = ("sandbox", "sandbox_orch")

_MARKER = (
    "sandbox_limits(**limits): limits of the jobs of this test, sandbox_limits(wall_time_ms=200) for example"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How the service is reached: on the command line, else in pytest's own configuration."""
    group = parser.getgroup("sandbox-orch", "code in sandboxes")
    group.addoption(
        "--sandbox-orch",
        metavar="HOW",
        help="`process`, `compose`, or the URL of a running service.  [default: the ini value sandbox_orch, process]",
    )
    group.addoption(
        "--sandbox-orch-key-file",
        metavar="FILE",
        help="Where the API key of that URL is.  [default: the variable SANDBOX_ORCH_KEY]",
    )
    parser.addini("sandbox_orch", "How the fixture sandbox_orch gets its service.", default="process")
    parser.addini("sandbox_orch_key_file", "Where the API key is, from the root of the tests.", default="")
    parser.addini("sandbox_orch_compose_file", "The compose.yaml to bring up.", default="compose.yaml")
    parser.addini("sandbox_runtime", "The runtime of code that names none.", default="python")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture(scope="session")
def sandbox_orch(pytestconfig: pytest.Config) -> Iterator[Service]:
    """A running service, one for the whole session: in this process, by Compose, or where the URL says."""
    from orchestrator.domain.errors import OrchestratorError  # noqa: PLC0415
    from orchestrator.pytest_services import open_service  # noqa: PLC0415

    how = pytestconfig.getoption("--sandbox-orch") or pytestconfig.getini("sandbox_orch")
    compose_file = _from_root(pytestconfig, "sandbox_orch_compose_file")
    with ExitStack() as stack:
        try:
            service = stack.enter_context(
                open_service(how, key=_key(pytestconfig), compose_file=compose_file)
            )
        except (OrchestratorError, OSError) as error:
            pytest.fail(f"sandbox_orch={how}: {error}", pytrace=False)
        yield service


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, sandbox_orch: Service) -> Sandbox:
    """Run code and get its result: `sandbox("output = input * 2", 21).output == 42`."""
    from orchestrator.pytest_services import Sandbox  # noqa: PLC0415

    limits: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("sandbox_limits"))):
        limits |= marker.kwargs
    return Sandbox(sandbox_orch, runtime=request.config.getini("sandbox_runtime"), limits=limits)


def _key(config: pytest.Config) -> str | None:
    given = config.getoption("--sandbox-orch-key-file")
    file = Path(given) if given else _from_root(config, "sandbox_orch_key_file")
    if not given and not config.getini("sandbox_orch_key_file"):
        return os.environ.get("SANDBOX_ORCH_KEY")
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        pytest.fail(f"cannot read the key in {file}: {error}", pytrace=False)


def _from_root(config: pytest.Config, name: str) -> Path:
    return config.rootpath / str(config.getini(name))
