"""Draws the state tables as Mermaid diagrams, for docs/lifecycle.md; `--check` fails where the page differs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from orchestrator.domain.transitions import CONTAINER_TRANSITIONS, JOB_TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "lifecycle.md"
TABLES: dict[str, Mapping[StrEnum, frozenset[StrEnum]]] = {
    "containers": CONTAINER_TRANSITIONS,  # type: ignore[dict-item]
    "jobs": JOB_TRANSITIONS,  # type: ignore[dict-item]
}


def draw(table: Mapping[StrEnum, frozenset[StrEnum]]) -> str:
    """One table as a Mermaid state diagram; the first state begins, states without a way on end."""
    states = list(table)
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    for state, nexts in table.items():
        lines += [f"    {state} --> {after}" for after in states if after in nexts]
        lines += [] if nexts else [f"    {state} --> [*]"]
    return "\n".join(lines)


def with_diagrams(page: str) -> str:
    """`page` with every diagram drawn anew."""
    for name, table in TABLES.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition("<!-- end -->")
        page = f"{before}<!-- {name} -->\n```mermaid\n{draw(table)}\n```\n<!-- end -->{after}"
    return page


if __name__ == "__main__":
    old = PAGE.read_text(encoding="utf-8")
    new = with_diagrams(old)
    if "--check" in sys.argv:
        sys.exit(0 if new == old else "docs/lifecycle.md differs from the tables; run tools/draw_states.py")
    PAGE.write_text(new, encoding="utf-8")
