"""Every module says what it offers, in one sorted tuple of names that exist."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import orchestrator

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator.")
    if "__main__" not in module.name
)
PACKAGES_WITHOUT_NAMES = {
    module.name for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator.") if module.ispkg
}
WITHOUT_NAMES = {"orchestrator.domain.errors"}
"""All of its classes are for everybody."""


@pytest.mark.parametrize("name", ["orchestrator", *MODULES])
def test_public_names_are_a_sorted_tuple_of_what_exists(name):
    """`__all__` is a tuple, sorted as ruff sorts it, and each of its names is there."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is None:
        assert name in PACKAGES_WITHOUT_NAMES | WITHOUT_NAMES
        return
    assert isinstance(names, tuple)
    assert len(set(names)) == len(names)
    assert list(names) == sorted(names, key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    assert not [each for each in names if not hasattr(module, each)]


@pytest.mark.parametrize("name", ["orchestrator", *MODULES])
def test_every_module_says_what_it_is(name):
    """The first line of a module is one sentence."""
    module = importlib.import_module(name)
    assert module.__doc__
    assert module.__doc__.strip().splitlines()[0].rstrip().endswith((".", ":")), module.__doc__
