"""Backends floor: makes the parent cgroup of all containers, and bounds it, before the first of them.

For whoever has the host's cgroup file system mounted but sees no process of the host: the engine proxy, in a
container. Elsewhere `cgroups.py` bounds the parent through its first child.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.backends.cgroups import ParentBounds, is_parent_bounded, parent_files
from orchestrator.domain.errors import HardeningFailed

__all__ = ("make_bounded_parent",)


def make_bounded_parent(root: Path, bounds: ParentBounds) -> None:
    """Make the parent under `root`, where the host's cgroups are mounted, and bound it. Raises HardeningFailed.

    A slice is systemd's to make: of one it is only looked whether it is bounded.
    """
    try:
        if not bounds.name.endswith(".slice"):
            _make(root, bounds)
    except OSError as error:
        problem = f"cannot bound {bounds.name} under {root}: {error.strerror or error}"
        raise HardeningFailed(problem, step="cgroup") from None
    if not is_parent_bounded(root, bounds):
        problem = f"{bounds.name} under {root} is not bounded to {bounds.memory_bytes} bytes, {bounds.pids} processes"
        raise HardeningFailed(problem, step="cgroup")


def _make(root: Path, bounds: ParentBounds) -> None:
    if (root / "cgroup.controllers").exists():
        (root / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")
    for file, figure in parent_files(root, bounds):
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(figure), encoding="ascii")
