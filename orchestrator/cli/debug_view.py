"""Command line: what debug mode recorded, as a person reads it. Tenant text is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Iterator

import click

from orchestrator.cli.render import harmless
from orchestrator.domain.debug import ConsoleEntry, DebugReport, DebugValue, ErrorLink, Position, StackFrame

__all__ = ("place_of", "show_debug", "show_source", "text_of")

LONGEST_VALUE = 400
"""Characters of one value on a line."""
RELATIONS = {
    "thrown": "",
    "cause": "caused by ",
    "context": "while handling ",
    "member": "with ",
}


def show_debug(report: DebugReport) -> None:
    """Print the console and the stack traces of a report."""
    if report.console is not None:
        click.secho(f"  console ({len(report.console)} calls)", dim=True)
        for entry in report.console:
            _show_entry(entry)
    for link in report.errors or ():
        _show_link(link)
    for part in report.truncated:
        click.secho(f"  … of {part} there was more than is kept", fg="yellow")
    if report.unreadable:
        click.secho(f"  … {report.unreadable} records could not be read", fg="yellow")


def _show_entry(entry: ConsoleEntry) -> None:
    colour = "red" if entry.stream == "stderr" else None
    said = " ".join(text_of(each) for each in entry.arguments) + (" …" if entry.truncated else "")
    click.secho(f"    {entry.at_ms:>9.2f} ms  ", dim=True, nl=False)
    click.secho(f"{harmless(entry.level):<8} ", fg=colour, nl=False)
    click.echo(f"{said}  ", nl=False)
    click.secho("" if entry.position is None else f"({place_of(entry.position)})", dim=True)


def _show_link(link: ErrorLink) -> None:
    click.secho(f"  {RELATIONS[link.relation]}{_one_line(link.name)}: ", fg="red", bold=True, nl=False)
    click.echo(_one_line(link.message))
    for frame in link.frames:
        _show_frame(frame)
    if link.truncated:
        click.secho("    … more frames", dim=True)


def _show_frame(frame: StackFrame) -> None:
    click.secho(f"    at {place_of(frame.position)}", dim=True)
    show_source(
        [(line.line, line.text) for line in frame.excerpt],
        frame.position.line,
        column=frame.position.column,
        indent="      ",
    )


def show_source(
    lines: list[tuple[int, str]], current: int, *, column: int | None = None, indent: str = ""
) -> None:
    """Print some lines of code, the current one marked, with a caret below where the column is known."""
    for number, text in lines:
        mark = ">" if number == current else " "
        shown = harmless(text.replace("\t", " "))
        click.secho(f"{indent}{mark}{number:>5} | {shown}", bold=number == current)
        # What was escaped has moved the columns: then there is no caret.
        if number == current and column is not None and column <= len(text) and len(shown) == len(text):
            click.secho(f"{indent}       | {' ' * (column - 1)}^", fg="red")


def place_of(position: Position) -> str:
    """`total (job.py:3:7)`, or without what is not known."""
    column = "" if position.column is None else f":{position.column}"
    where = f"{_one_line(position.file)}:{position.line}{column}"
    return where if position.function is None else f"{_one_line(position.function)} ({where})"


def text_of(value: DebugValue) -> str:
    """A value on one line."""
    text = "".join(_pieces(value))
    return _one_line(text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…")


def _pieces(value: DebugValue) -> Iterator[str]:
    yield value.text
    if not value.entries:
        return
    yield " {"
    for number, (name, entry) in enumerate(value.entries):
        yield f"{', ' if number else ''}{name}: "
        yield from _pieces(entry)
    yield ", …}" if value.truncated else "}"


def _one_line(text: str) -> str:
    return harmless(text.replace("\n", "\\n").replace("\t", "\\t"))
