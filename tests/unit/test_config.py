"""`config.py`: every knob is typed, bounded and refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.bootstrap import default_limits
from orchestrator.config import Settings, load_settings
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.limits import MIB, Limits


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch):
    """Tests see the defaults, whatever this host's environment says."""
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)


def problem_of(**overrides) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_defaults_are_usable():
    """Without any setting there is a deployment, with the concept's limits."""
    assert default_limits(load_settings()) == Limits()


def test_the_environment_is_read(monkeypatch):
    """SANDBOX_ORCH_<NAME> sets <name>."""
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TARGET", "7")
    monkeypatch.setenv("SANDBOX_ORCH_RUNTIMES", " python , ,node ")
    monkeypatch.setenv("SANDBOX_ORCH_IMAGES_FOLDER", "/srv/images")
    settings = load_settings()
    assert settings.warm_target == 7
    assert settings.runtimes == ("python", "node")
    assert settings.images_folder == Path("/srv/images")


def test_overrides_win_over_the_environment(monkeypatch):
    """What the command line says comes first."""
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TARGET", "7")
    assert load_settings(warm_target=2).warm_target == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warm_target", -1),
        ("containers_maximum", 0),
        ("creates_at_once", "many"),
        ("ready_within_seconds", 0),
        ("queue_seconds", -1),
        ("wall_time_ms", 0),
        ("memory_bytes", 1 * MIB),
        ("cpus_per_container", 0),
        ("uid_first", 0),
        ("uid_count", 1),
    ],
)
def test_absurd_values_are_refused_by_name(name, value):
    """The one line names the setting and its variable."""
    message = problem_of(**{name: value})
    assert message.startswith(f"{name}: ")
    assert f"SANDBOX_ORCH_{name.upper()}" in message


def test_a_bad_variable_is_refused_by_name(monkeypatch):
    """The same for what comes from the environment."""
    monkeypatch.setenv("SANDBOX_ORCH_QUEUE_SECONDS", "soon")
    assert problem_of().startswith("queue_seconds: ")


def test_an_unknown_setting_is_refused():
    """A misspelled override is an error, not a default."""
    assert problem_of(warm_targets=1).startswith("warm_targets: ")


def test_shelves_that_do_not_fit_are_refused():
    """The idle containers alone must fit below the maximum."""
    assert "at least 20" in problem_of(warm_target=10, containers_maximum=19)
    assert load_settings(warm_target=10, containers_maximum=20).containers_maximum == 20


def test_cpu_time_follows_wall_time_unless_set():
    """None means as long as the wall time."""
    assert default_limits(load_settings(wall_time_ms=900)).cpu_time_ms == 900
    assert default_limits(load_settings(wall_time_ms=900, cpu_time_ms=100)).cpu_time_ms == 100


def test_settings_cannot_be_changed():
    """What was checked stays as it was."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().warm_target = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_default_is_within_its_own_bounds(name):
    """A default that its own check refuses would be a trap."""
    default = Settings.model_fields[name].default
    assert getattr(load_settings(**{name: default}), name) == default
