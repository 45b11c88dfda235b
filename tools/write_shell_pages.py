"""Writes man pages and shell completions under deploy/ from the commands; `--check` fails where they differ.

They are files, not made while installing: a build has to know nothing of the package's own dependencies.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from list_commands import commands

from orchestrator import __version__
from orchestrator.cli.exit_codes import MEANINGS
from orchestrator.cli.main import PROGRAM, cli

DEPLOY = Path(__file__).parent.parent / "deploy"
COMPLETIONS = {"bash": "sandbox-orch.bash", "zsh": "_sandbox-orch", "fish": "sandbox-orch.fish"}
FILES = r"""
.TP
\fI/etc/sandbox\-orch.toml\fR
Settings, where the service was installed as docs/install.md says; any other by \fB\-\-config\fR.
.TP
\fI/var/lib/sandbox\-orch\fR
The store and the first key of a service that runs as root, or as that page says.
"""
ENVIRONMENT = r"""
.TP
\fBSANDBOX_ORCH_\fR\fINAME\fR
A setting; \fBsandbox\-orch config show\fR prints all of them.
.TP
\fBSANDBOX_ORCH_CONFIG\fR
A TOML file of settings.
.TP
\fBSANDBOX_ORCH_SERVER\fR, \fBSANDBOX_ORCH_KEY_FILE\fR, \fBSANDBOX_ORCH_KEY\fR
The service that \fBsubmit\fR, \fBjobs\fR and \fBpool\fR talk to, and the key for it.
.TP
\fBDOCKER_HOST\fR
The engine, where neither \fB\-\-docker\-url\fR nor a setting names it.
.TP
\fBNO_COLOR\fR
No colours, whatever its value is.
"""


def files() -> dict[Path, str]:
    """Every file with what is to be in it."""
    pages = {DEPLOY / "man" / f"{_name(each)}.1": man_page(each) for each in commands(cli)}
    shells = {DEPLOY / "completion" / name: completion(shell) for shell, name in COMPLETIONS.items()}
    return {**pages, **shells}


def completion(shell: str) -> str:
    """The script by which a shell asks the command itself."""
    kind = get_completion_class(shell)
    if kind is None:
        raise SystemExit(f"click knows no completion for {shell}")
    return kind(cli, {}, PROGRAM, "_SANDBOX_ORCH_COMPLETE").source().strip() + "\n"


def man_page(context: click.Context) -> str:
    """One command in man(7)'s language."""
    command = context.command
    summary = command.get_short_help_str(200).rstrip(".")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f'.TH "{_name(context).upper()}" "1" "" "{PROGRAM} {__version__}" "User Commands"',
        f".SH NAME\n{_text(_name(context))} \\- {_text(summary)}",
        f".SH SYNOPSIS\n.B {_text(context.command_path)}\n{_text(usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        *_options(context),
        *_subcommands(context),
    ]
    if context.parent is None:
        parts += [".SH EXIT STATUS", *(f".TP\n.B {int(code)}\n{_text(MEANINGS[code])}" for code in MEANINGS)]
        parts += [".SH ENVIRONMENT" + ENVIRONMENT.rstrip(), ".SH FILES" + FILES.rstrip()]
    else:
        parent = _text(_name(context.parent))
        parts.append(f".SH SEE ALSO\n.BR {parent} (1)")
    return "\n".join(parts) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.lstrip().startswith("\b"):
            lines = [line.rstrip() for line in paragraph.lstrip("\b\n").splitlines()]
            yield ".PP\n.nf\n" + "\n".join(map(_text, lines)) + "\n.fi"
        else:
            yield ".PP\n" + _text(" ".join(paragraph.split()))


def _options(context: click.Context) -> Iterator[str]:
    records = [
        record
        for option in context.command.get_params(context)
        if (record := option.get_help_record(context)) is not None
    ]
    if records:
        yield ".SH OPTIONS"
    for names, about in records:
        yield f".TP\n.B {_text(names)}\n{_text(' '.join(about.split()))}".rstrip()


def _subcommands(context: click.Context) -> Iterator[str]:
    if not isinstance(context.command, click.Group):
        return
    yield ".SH COMMANDS"
    for name in sorted(context.command.commands):
        page = f"{_name(context)}-{name}"
        about = context.command.commands[name].get_short_help_str(200)
        yield f".TP\n.BR {_text(page)} (1)\n{_text(about)}"


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _text(text: str) -> str:
    """Text that roff takes as it is."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return r"\&" + escaped if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    wanted = files()
    there = {path for folder in ("man", "completion") for path in (DEPLOY / folder).iterdir()}
    if "--check" in sys.argv:
        stale = [
            path
            for path in {*wanted, *there}
            if not path.is_file() or wanted.get(path) != path.read_text("utf-8")
        ]
        sys.exit(f"{min(stale)} differs; run tools/write_shell_pages.py" if stale else 0)
    for path in there - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
