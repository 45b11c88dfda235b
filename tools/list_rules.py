"""Writes the tables of docs/validation.md from the rules and presets; `--check` fails where the page differs."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.domain.job import Mode
from orchestrator.guard.policy import load_preset
from orchestrator.guard.rules import RULES

PAGE = Path(__file__).parent.parent / "docs" / "validation.md"
BEGIN, END = "<!-- rules: written by tools/list_rules.py -->\n", "<!-- end of rules -->\n"


def tables() -> str:
    """The table of rules, and the list of modules."""
    rows = ["| rule | language | finds | strict | standard |\n", "|---|---|---|---|---|\n"]
    strict, standard = load_preset("strict"), load_preset("standard")
    for rule in RULES.values():
        language = rule.languages[0] if len(rule.languages) == 1 else "both"
        function, program = (standard.severity(rule.id, mode) for mode in (Mode.FUNCTION, Mode.PROGRAM))
        usual = function if function == program else f"{function}; programs: {program}"
        finds = rule.finds.replace("|", "\\|")
        rows.append(f"| `{rule.id}` | {language} | {finds} | {strict.rules[rule.id]} | {usual} |\n")
    modules = ", ".join(f"`{name}`" for name in sorted(standard.allowed_modules or ()))
    few = ", ".join(f"`{name}`" for name in sorted(strict.allowed_modules or ()))
    return "".join(rows) + f"\nPython modules of `standard`: {modules}.\n\nOf `strict`: {few}.\n"


def page() -> str:
    """The whole page, with its tables as they must be."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + tables() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    if "--check" in sys.argv:
        same = PAGE.read_text(encoding="utf-8") == page()
        sys.exit(0 if same else "docs/validation.md differs; run tools/list_rules.py")
    PAGE.write_text(page(), encoding="utf-8")
