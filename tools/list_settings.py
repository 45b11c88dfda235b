"""Writes docs/settings.md from the settings themselves; `--check` fails where the page differs."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Each is read from the environment as `SANDBOX_ORCH_<NAME>`, or from a TOML file (`--config`) as `<name>`; absurd values are refused at the start.
This page is written by `tools/list_settings.py` from `orchestrator/config.py`.

| setting | default | what it does, and what goes wrong |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {'-' if default is None else f'`{default}`'} | {text} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0
            if PAGE.read_text(encoding="utf-8") == page()
            else "docs/settings.md differs; run tools/list_settings.py"
        )
    PAGE.write_text(page(), encoding="utf-8")
