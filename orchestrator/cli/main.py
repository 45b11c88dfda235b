"""Command line: the `sandbox-orch` group, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import logging
import os
import sys
from collections import UserDict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from orchestrator import __version__
from orchestrator.cli.exit_codes import MEANINGS, ExitCode, exit_code_of_error
from orchestrator.cli.hints import with_hint
from orchestrator.config import load_settings
from orchestrator.domain.errors import OrchestratorError

__all__ = ("cli", "main")

PROGRAM = "sandbox-orch"
SECTIONS = {
    "Run code on this machine": ("run", "debug", "check"),
    "Is this machine fit for it?": ("images", "doctor", "attack", "bench"),
    "Serve many tenants": ("serve", "engine-proxy", "tenants", "keys", "config"),
    "Use a running service": ("submit", "jobs", "pool"),
}
OTHERS = "More"


class _LateCommands(UserDict[str, click.Command]):
    """The commands of all sections, each loaded when it is asked for: one is run, and many are slow to load."""

    def __init__(self) -> None:
        super().__init__()
        self._modules = {name: name.replace("-", "_") for names in SECTIONS.values() for name in names}
        self.data |= dict.fromkeys(self._modules, click.Command(None))

    def __getitem__(self, name: str) -> click.Command:
        if (module := self._modules.pop(name, None)) is not None:
            self.data[name] = getattr(import_module(f"orchestrator.cli.{module}"), module)
        return self.data[name]


class _Sections(click.Group):
    """A group whose help lists commands by what they are for, and says what the exit codes mean."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list for each section; what is in none comes last."""
        named = {name for names in SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in named)
        for title, names in {**SECTIONS, OTHERS: others}.items():
            rows = [(name, self.commands[name].get_short_help_str(70)) for name in names]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])


@click.group(
    cls=_Sections,
    commands=_LateCommands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.option(
    "--docker-url", metavar="URL", help="Engine to use: unix:///… or tcp://…  [default: DOCKER_HOST]"
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), envvar="SANDBOX_ORCH_CONFIG",
    help="TOML file of settings; the environment goes before it.  [default: SANDBOX_ORCH_CONFIG]",
)  # fmt: skip
@click.option("-v", "--verbose", count=True, help="Tell what happens; twice for more.")
@click.pass_context
def cli(context: click.Context, docker_url: str | None, config_file: Path | None, verbose: int) -> None:
    """Run untrusted code safely and fast, on Docker containers that nobody has used before.

    \b
    1. Once: make the images (some minutes), and see whether this machine is fit.
         sandbox-orch images build
         sandbox-orch doctor
    \b
    2. Run a job. It finds its input in the variable `input` and leaves its answer in `output`.
         echo 'output = input * 2' > double.py
         sandbox-orch run double.py --input 21
         sandbox-orch run double.py --input 21 --json        the whole result, for programs
         sandbox-orch run double.py --limit wall_time_ms=200 it ends then, at the latest
    \b
    3. See what would be said against code, without running it; walk a run's steps; try to break out yourself.
         sandbox-orch check double.py --policy strict
         sandbox-orch debug double.py --input 21
         sandbox-orch attack
    \b
    4. Serve many tenants over HTTP, and use the service from here.
         sandbox-orch serve --data ./data                    the first start makes a key: ./data/admin.key
         sandbox-orch submit double.py --input 21 --key-file ./data/admin.key

    Every command has its own --help, and every command that prints data has --json. Settings come from the
    environment as SANDBOX_ORCH_<NAME>, SANDBOX_ORCH_WARM_TARGET=8 for example, and from a TOML file (--config)
    as <name>; `sandbox-orch config show` prints them all. Errors are one line on standard error. Colours go
    to terminals only, and nowhere with NO_COLOR set.
    """  # noqa: D301 - click wants the character itself
    if os.environ.get("NO_COLOR"):
        context.color = False
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("orchestrator").setLevel(level)
    overrides: dict[str, Any] = {"docker_url": docker_url} if docker_url else {}
    context.obj = load_settings(config_file, **overrides)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; every error is one line on stderr and an exit code, no traceback."""
    try:
        code = cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except OrchestratorError as error:
        _fail(with_hint(error), exit_code_of_error(error))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the command alone asks for its help
        sys.exit(ExitCode.USAGE)
    except click.ClickException as error:
        _fail(_usage_problem(error), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.ENGINE)
    except OSError as error:
        if not error.filename:
            raise
        # A file or folder that the user named.
        _fail(f"cannot use {str(error.filename)!r}: {error.strerror}; name another", ExitCode.USAGE)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _fail(problem: str, code: ExitCode) -> NoReturn:
    click.echo(f"error: {problem}", err=True)
    sys.exit(code)


def _usage_problem(error: click.ClickException) -> str:
    """Click's words in our form: what is wrong, and which help tells what would be right."""
    told = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    return f"{told[:1].lower()}{told[1:]}; see `{command} --help`"
