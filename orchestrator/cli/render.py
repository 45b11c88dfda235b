"""Command line: a result as a person reads it. Tenant text is shown, never obeyed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import click

from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.limits import MIB
from orchestrator.domain.outcome import JobResult, StreamText

__all__ = ("harmless", "show_findings", "show_result")

# SECURITY: control and format characters could move a terminal's cursor or reorder what is read.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


_LINE_END = re.compile("\r\n|\r|\n")
MAX_LINE = 100
"""Characters shown of a line of code."""


def harmless(text: str) -> str:
    """`text` with every character escaped that a terminal would act on."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def show_result(result: JobResult, *, files_folder: str | None = None) -> None:
    """Print a result: the outcome first, then what the code gave and printed, then what it used."""
    mark, colour = ("✓", "green") if result.success else ("✗", "red")
    click.secho(f"{mark} {result.outcome}", fg=colour, bold=True, nl=False)
    click.echo(f"  {_times(result)}")
    if result.error is not None:
        click.secho(f"  {harmless(result.error.name)}: {harmless(result.error.message)}", fg="red")
        _block("stack", result.error.stack)
    if result.success and result.exit_code is None:
        _block("output", json.dumps(result.output, indent=2, ensure_ascii=False))
    _stream("stdout", result.stdout)
    _stream("stderr", result.stderr)
    if result.files:
        where = f" (saved in {files_folder})" if files_folder else ""
        sizes = ", ".join(f"{name} ({len(data)} bytes)" for name, data in sorted(result.files.items()))
        _block("files" + where, sizes)


def show_findings(findings: Sequence[Finding], code: str, *, name: str) -> None:
    """Print each finding under its line of code, as compilers do: where, what, and a caret."""
    lines = _LINE_END.split(code.removeprefix("\ufeff"))
    for finding in findings:
        colour = "red" if finding.severity is Severity.REJECT else "yellow"
        click.secho(f"{harmless(name)}:{finding.line}:{finding.column}: ", bold=True, nl=False)
        word = "error" if finding.severity is Severity.REJECT else "warning"
        click.secho(f"{word}[{finding.rule}]: ", fg=colour, bold=True, nl=False)
        click.echo(harmless(finding.message))
        if finding.line <= len(lines):
            _show_line(finding, lines[finding.line - 1], colour)


def _show_line(finding: Finding, line: str, colour: str) -> None:
    """The line, or the part of a long one around the finding, and the caret below what was found."""
    start = max(0, finding.column - 1 - MAX_LINE // 2) if len(line) > MAX_LINE else 0
    before, rest = line[start : finding.column - 1], line[finding.column - 1 : start + MAX_LINE]
    width = finding.end_column - finding.column if finding.end_line == finding.line else len(rest)
    marked = rest[: max(1, width)]
    margin = f"{finding.line:>5} | "
    click.echo(click.style(margin, dim=True) + harmless(_tabless(before + rest)))
    carets = "^" * max(1, len(harmless(_tabless(marked))))
    indent = " " * (len(margin) + len(harmless(_tabless(before))))
    click.secho(indent + carets, fg=colour)


def _tabless(text: str) -> str:
    return text.replace("\t", "    ")


def _times(result: JobResult) -> str:
    usage = result.usage
    parts = [f"{result.timing.run_ms:.1f} ms"]
    if usage.cpu_ms is not None:
        parts.append(f"{usage.cpu_ms:.1f} ms CPU")
    if usage.memory_peak_bytes is not None:
        parts.append(f"{usage.memory_peak_bytes / MIB:.1f} MiB")
    if result.exit_code is not None:
        parts.append(f"exit code {result.exit_code}")
    if result.container is not None:
        parts.append(f"container {result.container.id[:12]}{', warm' if result.container.warm else ''}")
    return click.style(" · ".join(parts), dim=True)


def _stream(name: str, stream: StreamText) -> None:
    if stream.bytes_total:
        note = f" ({stream.bytes_total} bytes, cut)" if stream.truncated else ""
        _block(name + note, stream.text)


def _block(title: str, text: str | None) -> None:
    if text:
        click.secho(f"  {title}", dim=True)
        for line in text.rstrip("\n").split("\n"):
            click.echo(f"    {harmless(line)}")
