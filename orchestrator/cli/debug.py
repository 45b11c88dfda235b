"""Command line: `sandbox-orch debug`, which runs a file once, records its steps and walks them in the terminal."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from orchestrator.cli.debug_view import place_of, show_debug, show_source, text_of
from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.job_options import JobOptions, job_options, run_once, spec_of
from orchestrator.cli.render import harmless, show_findings, show_result
from orchestrator.cli.walk import Walk
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.job import JobSpec

__all__ = ("debug",)

WALL_TIME = "wall_time_ms=10000"
"""Recording takes its time: where no other limit is asked for, a walked job has this one."""
AROUND = 3
"""Lines shown above and below the current one."""
LIST_AROUND = 10
MAX_COMMAND = 200
_LINE_END = re.compile("\r\n|\r|\n")
HELP = """\
  n, next [N]       the next step, or N steps on          b, back [N]      the step before, or N steps back
  c, continue       on to the next breakpoint, or the end rc, reverse      back to a breakpoint, or the start
  br, break LINE    stop there (again: no longer)         br               list breakpoints
  v, vars           variables of this call                p, print NAME    one variable, with what is in it
  w, where          the calls under way                   l, list [LINE]   more of the code
  r, result         how the job ended, and its console    g, go STEP       go to a step by its number
  h, help           this                                  q, quit          leave
An empty line repeats next or back."""


@click.command()
@job_options
@click.pass_obj
def debug(settings: Settings, /, **options: Any) -> None:
    """Run FILE once, record its steps, and walk them: forwards, backwards, to breakpoints, with variables.

    Commands come from the terminal or, line by line, from standard input. `help` lists them.

    \b
    sandbox-orch debug total.py --input '[1, 2, 3]'
    printf 'break 3\\ncontinue\\nvars\\n' | sandbox-orch debug total.py --input '[1, 2, 3]'
    """  # noqa: D301 - click wants the character itself
    chosen = JobOptions(**options)
    if "-" in (chosen.file, chosen.stdin, chosen.input):
        raise InvalidJob("FILE", "standard input is for the commands; name a file")
    if not any(each.startswith("wall_time_ms=") for each in chosen.limits):
        chosen = replace(chosen, limits=(*chosen.limits, WALL_TIME))
    spec = spec_of(chosen, settings, DebugOptions(console=True, stack_traces=True, steps=True))
    result = asyncio.run(run_once(settings, spec))
    show_findings(result.findings, spec.code, name=chosen.file)
    show_result(result)
    steps = () if result.debug is None else result.debug.steps or ()
    if not steps:
        click.echo("no steps were recorded", err=True)
        sys.exit(ExitCode.JOB_FAILED)

    def show_end() -> None:
        show_result(result)
        if result.debug is not None:
            show_debug(result.debug)

    if result.debug is not None and "steps" in result.debug.truncated:
        click.secho(f"  only the first {len(steps)} steps are kept", fg="yellow")
    _Session(Walk(steps), spec, show_end).run()


class _Session:
    """Commands in, screens out."""

    def __init__(self, walk: Walk, spec: JobSpec, show_end: Callable[[], None]) -> None:
        self._walk = walk
        self._spec = spec
        self._show_end = show_end
        self._count = len(walk)
        self._repeated = "next"
        self._commands: dict[str, Callable[[str], None]] = {
            "next": self._next, "back": self._back, "continue": self._continue, "reverse": self._reverse,
            "break": self._break, "vars": self._vars, "print": self._print, "where": self._where,
            "list": self._list, "result": self._result, "go": self._go, "help": self._help,
        }  # fmt: skip
        self._short = {
            "n": "next", "b": "back", "c": "continue", "rc": "reverse", "br": "break", "v": "vars", "p": "print",
            "w": "where", "l": "list", "r": "result", "g": "go", "h": "help", "q": "quit", "?": "help",
        }  # fmt: skip

    def run(self) -> None:
        """Until `quit` or the end of the commands."""
        click.echo("  help lists the commands")
        self._show()
        while (line := self._ask()) is not None:
            name, _, rest = line.strip().partition(" ")
            name = self._short.get(name, name) or self._repeated
            if name == "quit":
                return
            self._do(name, rest.strip())

    def _ask(self) -> str | None:
        click.secho("(debug) ", bold=True, nl=False)
        line = sys.stdin.readline(MAX_COMMAND)
        if not sys.stdin.isatty():
            click.echo(harmless(line.rstrip("\n")))
        return line or None

    def _do(self, name: str, rest: str) -> None:
        command = self._commands.get(name)
        if command is None:
            click.echo(f"  no command {harmless(name[:20])!r}; help lists them")
            return
        if name in ("next", "back"):
            self._repeated = name
        command(rest)

    # -- moving -------------------------------------------------------------------------------------------

    def _next(self, rest: str) -> None:
        self._move(rest, 1, "this is the last step")

    def _back(self, rest: str) -> None:
        self._move(rest, -1, "this is the first step")

    def _move(self, rest: str, direction: int, at_end: str) -> None:
        number = self._number(rest or "1", "how many steps")
        if number is not None:
            self._tell(at_end, moved=self._walk.move(direction * number))

    def _continue(self, _rest: str) -> None:
        self._tell("no breakpoint ahead: this is the last step", moved=self._walk.run(1))

    def _reverse(self, _rest: str) -> None:
        self._tell("no breakpoint behind: this is the first step", moved=self._walk.run(-1))

    def _go(self, rest: str) -> None:
        number = self._number(rest, "the number of a step")
        if number is not None:
            self._walk.move(number - 1 - self._walk.index)
            self._show()

    def _tell(self, otherwise: str, *, moved: bool) -> None:
        if not moved:
            click.echo(f"  {otherwise}")
        self._show()

    def _break(self, rest: str) -> None:
        marks = self._walk.breakpoints
        if not rest:
            click.echo(f"  breakpoints: {', '.join(map(str, sorted(marks))) or 'none'}")
            return
        line = self._number(rest, "a line")
        if line is None:
            return
        if line in marks:
            marks.discard(line)
            click.echo(f"  no breakpoint on line {line} any more")
            return
        marks.add(line)
        executed = self._walk.executable_lines(self._walk.step.position.file)
        note = "" if line in executed else "; no recorded step is there"
        click.echo(f"  breakpoint on line {line}{note}")

    def _number(self, text: str, what: str) -> int | None:
        if text.isascii() and text.isdigit() and 0 < len(text) <= len("1000000") and int(text) > 0:
            return int(text)
        click.echo(f"  {what} is a whole number from 1 on, not {harmless(text[:20])!r}")
        return None

    # -- showing ------------------------------------------------------------------------------------------

    def _show(self) -> None:
        step = self._walk.step
        colour = {"line": "cyan", "return": "green", "throw": "red"}[step.event]
        click.secho(f"step {self._walk.index + 1} of {self._count}  ", dim=True, nl=False)
        click.secho(f"{step.event} ", fg=colour, nl=False)
        click.secho(f"{place_of(step.position)}  depth {step.depth}", dim=True)
        self._source(step.position.line, AROUND)
        if step.value is not None:
            click.echo(f"  {'raised' if step.event == 'throw' else 'returns'} {text_of(step.value)}")
        for each in step.changed:
            click.echo(f"  {harmless(each.name)} = {text_of(each.value)}")

    def _source(self, line: int, around: int) -> None:
        step = self._walk.step
        given = self._spec.files.get(step.position.file)
        code = self._spec.code if given is None else given.decode("utf-8", "replace")
        lines = _LINE_END.split(code)
        first = max(1, line - around)
        shown = [(number, lines[number - 1]) for number in range(first, min(len(lines), line + around) + 1)]
        show_source(shown, step.position.line, column=step.position.column)

    def _vars(self, _rest: str) -> None:
        variables = self._walk.calls()[-1].variables
        for name in sorted(variables):
            click.echo(f"  {harmless(name)} = {text_of(variables[name])}")
        if not variables:
            click.echo("  no variables yet")

    def _print(self, rest: str) -> None:
        value = self._walk.calls()[-1].variables.get(rest)
        if value is None:
            click.echo(f"  no variable {harmless(rest[:40])!r} in this call")
            return
        click.echo(f"  {harmless(rest)}: {harmless(value.type)} {text_of(value)}")
        for name, entry in value.entries:
            click.echo(f"    {harmless(name)}: {harmless(entry.type)} {text_of(entry)}")
        if value.truncated:
            click.echo("    … there was more")

    def _where(self, _rest: str) -> None:
        for call in reversed(self._walk.calls()):
            click.echo(f"  {place_of(call.position)}")

    def _list(self, rest: str) -> None:
        line = self._number(rest or str(self._walk.step.position.line), "a line")
        if line is not None:
            self._source(line, LIST_AROUND)

    def _result(self, _rest: str) -> None:
        self._show_end()

    def _help(self, _rest: str) -> None:
        click.echo(HELP)
