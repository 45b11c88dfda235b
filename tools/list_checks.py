"""Writes the table of docs/doctor.md from the checks and probes themselves; `--check` fails where it differs."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.policies.host_checks import CHECKS
from orchestrator.policies.probes import LAUNCH, LIMITS_IN_FORCE, PROBES

PAGE = Path(__file__).parent.parent / "docs" / "doctor.md"
BEGIN, END = "<!-- checks -->\n", "<!-- end of checks -->\n"
HEAD = "| check | required | what goes wrong without it | how to mend it |\n|---|---|---|---|\n"


def table() -> str:
    """The engine and its host, then the containers, then the jobs."""
    rows = [(check.name, check.required, check.why, check.mend) for check in CHECKS]
    abouts = {about.name: about for about in (LAUNCH, LIMITS_IN_FORCE, *(probe.about for probe in PROBES))}
    rows += [(f"{about.name} (…)", True, about.why, about.mend) for about in abouts.values()]
    return HEAD + "".join(
        f"| `{name}` | {'yes' if required else ''} | {_cell(why)} | {_cell(mend)} |\n"
        for name, required, why, mend in rows
    )


def page(text: str) -> str:
    """`text` with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    there = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(0 if there == page(there) else "docs/doctor.md differs; run tools/list_checks.py")
    PAGE.write_text(page(there), encoding="utf-8")
