"""The module that tenant code runs in: a fresh `__main__`, with all builtins or only the allowed ones.

Owns what a job finds in its globals before its first line. Must not know how the code is run.
"""

from __future__ import annotations

import builtins
import sys
from sys import modules
from types import ModuleType

from pristine import BUILTINS as __builtins__

SOURCE_NAME = "job.py"
MODULE_NAME = "__main__"
_ALL = __builtins__


def fresh_main(allowed: list[str] | None) -> dict[str, object]:
    """The globals of a new `__main__`, which takes the runner's place in sys.modules."""
    module = ModuleType(MODULE_NAME)
    modules[MODULE_NAME] = module
    namespace = module.__dict__
    namespace["__file__"] = SOURCE_NAME
    # Named outright: left out, exec would hand the runner's private copy to the tenant.
    namespace["__builtins__"] = builtins if allowed is None else _narrowed(allowed)
    return namespace


def forget_main() -> None:
    """Leave an empty `__main__` behind."""
    sys.modules[MODULE_NAME] = ModuleType(MODULE_NAME)


def _narrowed(allowed: list[str]) -> dict[str, object]:
    names = {*allowed, "__build_class__"} if "class" in allowed else allowed
    return {name: _ALL[name] for name in names if name in _ALL}
