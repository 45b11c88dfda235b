"""The fenced blocks of the docs, and what each declares of itself in the comment above it.

A block that can run is run, unless the comment says why not:

    <!-- not run: REASON -->        nobody runs it
    <!-- run by: tests/FILE -->     that test takes it from the page and runs it
    <!-- before: COMMANDS -->       a reader has done this already; run first, in the same shell
    <!-- settings --> <!-- policy --> <!-- runtime --> <!-- pyproject -->   what a TOML block is
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ("ROOT", "RUNNABLE", "SHELL", "SHOWN", "Block", "blocks_of", "pages")

ROOT = Path(__file__).parent.parent
SHELL = ("sh", "bash", "console")
RUNNABLE = (*SHELL, "python", "toml", "json", "yaml", "http")
SHOWN = ("text", "mermaid")
"""Nothing that could run."""
_COMMENT = re.compile(
    r"<!--\s*(not run|run by|before|settings|policy|runtime|pyproject)(?::\s*(.*?))?\s*-->", re.DOTALL
)
_FENCE = re.compile(r"^( *)(`{3,})(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    declared: dict[str, str]

    @property
    def where(self) -> str:
        """`docs/page.md:12`"""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and every page of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in their order; MyST's own directives are none."""
    lines = page.read_text(encoding="utf-8").split("\n")
    found, number = [], 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        number += 1
        if fence is None:
            continue
        indent, ticks, info = fence.groups()
        began = number
        while lines[number].strip() != ticks:
            number += 1
        text = "\n".join(line.removeprefix(indent) for line in lines[began:number])
        number += 1
        if not info.startswith("{"):
            declared = _declared("\n".join(lines[: began - 1]))
            language = info.split()[0] if info.split() else ""
            found.append(Block(page=page, line=began, language=language, text=text, declared=declared))
    return found


def _declared(above: str) -> dict[str, str]:
    """The comments right above a block, as they are named."""
    declared: dict[str, str] = {}
    rest = above.rstrip()
    while rest.endswith("-->") and (start := rest.rfind("<!--")) >= 0:
        if match := _COMMENT.fullmatch(rest[start:]):
            declared[match[1]] = match[2] or ""
        rest = rest[:start].rstrip()
    return declared
