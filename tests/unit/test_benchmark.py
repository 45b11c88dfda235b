"""`benchmark.py`: what is measured is known for every language that we ship, and asked for otherwise."""

from __future__ import annotations

import pytest
from making import make_runtime

from orchestrator.backends.runtime_files import known_runtimes
from orchestrator.benchmark import ENDLESS_CODE, TRIVIAL_CODE, trivial_job
from orchestrator.domain.errors import ConfigurationError


@pytest.mark.parametrize("runtime", known_runtimes(None).values(), ids=lambda each: each.name)
def test_every_shipped_language_has_its_programs(runtime):
    """In a mode that it has."""
    assert trivial_job(runtime).mode in runtime.modes
    assert ENDLESS_CODE.keys() == TRIVIAL_CODE.keys()


def test_an_operators_own_language_is_one_clear_error():
    """It says what can be measured instead."""
    with pytest.raises(ConfigurationError, match=r"no program in Cobol.*JavaScript, Python, .*RUNTIMES"):
        trivial_job(make_runtime(language="Cobol"))
