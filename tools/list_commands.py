"""Writes docs/cli.md from the commands themselves; `--check` fails where the page differs."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from orchestrator.cli.exit_codes import MEANINGS
from orchestrator.cli.main import PROGRAM, cli

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = f"""# The command line

Written by `tools/list_commands.py` from the commands themselves. `{PROGRAM} COMMAND --help` says the same.

## For all commands

- Results go to standard output, everything else to standard error. An error is one line there: `error: what is wrong; what to do`.
- `--json` prints data for programs. `images sbom` always does; `serve` prints no data.
- Colours go to terminals only, and nowhere with `NO_COLOR` set. On a terminal some commands redraw one line on standard error.
- Settings: `SANDBOX_ORCH_<NAME>` in the environment, or `--config FILE` ([settings.md](settings.md)).

## Exit codes

| code | means |
|---|---|
"""


def page() -> str:
    """The whole page."""
    codes = "".join(f"| {int(code)} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return HEAD + codes + "".join(_section(context) for context in commands(cli))


def commands(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context of each command of the tree, groups before what is in them, by name."""
    name = PROGRAM if parent is None else str(command.name)
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for each in sorted(command.commands):
            yield from commands(command.commands[each], context)


def _section(context: click.Context) -> str:
    command, depth = context.command, 2 if context.parent is None else 3
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    if context.parent is None:
        heading = "\n## Commands\n"  # its own help is the tutorial that README and index have
        return f"{heading}\n```text\n{usage}\n```\n{_options(context)}"
    return f"\n{'#' * depth} {context.command_path}\n\n```text\n{usage}\n```\n{_text(command)}{_options(context)}"


def _text(command: click.Command) -> str:
    """Its help: paragraphs as they are, and blocks that click leaves alone as code."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        if paragraph.lstrip().startswith("\b"):
            lines = paragraph.lstrip("\b\n").splitlines()
            parts.append("```text\n" + textwrap.dedent("\n".join(lines)).rstrip() + "\n```")
        else:
            parts.append(" ".join(paragraph.split()))
    return "\n" + "\n\n".join(parts) + "\n"


def _options(context: click.Context) -> str:
    records = [
        record
        for option in context.command.get_params(context)
        if option.name != "help" and (record := option.get_help_record(context)) is not None
    ]
    rows = "".join(f"| `{_cell(names)}` | {_cell(about)} |\n" for names, about in records)
    return f"\n| option | |\n|---|---|\n{rows}" if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        sys.exit(0 if same else "docs/cli.md differs; run tools/list_commands.py")
    PAGE.write_text(page(), encoding="utf-8")
