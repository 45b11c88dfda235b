"""Command line: the `sandbox-orch` group, and the one place where errors become exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from orchestrator import __version__
from orchestrator.cli.attack import attack
from orchestrator.cli.bench import bench
from orchestrator.cli.check import check
from orchestrator.cli.doctor import doctor
from orchestrator.cli.exit_codes import ExitCode, exit_code_of_error
from orchestrator.cli.images import images
from orchestrator.cli.run import run
from orchestrator.config import load_settings
from orchestrator.domain.errors import OrchestratorError

__all__ = ("cli", "main")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sandbox-orch")
@click.option(
    "--docker-url", metavar="URL", help="Engine to use: unix:///… or tcp://…  [default: DOCKER_HOST]"
)
@click.option("-v", "--verbose", count=True, help="Tell what happens; twice for more.")
@click.pass_context
def cli(context: click.Context, docker_url: str | None, verbose: int) -> None:
    r"""Run untrusted code safely and fast, on Docker containers that nobody has used before.

    \b
    First steps:
      sandbox-orch images build              make the images (once; some minutes)
      sandbox-orch doctor                    is this machine fit for it?
      sandbox-orch run hello.py              run one file
      sandbox-orch check hello.py            what would be said against it, without running it
      echo 'output = input * 2' | sandbox-orch run - --runtime node --input 21
      sandbox-orch bench warm                measure this machine
      sandbox-orch attack                    try to break out of this machine's containers

    \b
    Exit codes:
      0 succeeded   1 the job failed or was rejected   2 wrong usage   3 engine or host   4 a limit ended the job

    Settings come from the environment as SANDBOX_ORCH_<NAME>, SANDBOX_ORCH_WARM_TARGET=8 for example.
    """
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("orchestrator").setLevel(level)
    overrides: dict[str, Any] = {"docker_url": docker_url} if docker_url else {}
    context.obj = load_settings(**overrides)


cli.add_command(run)
cli.add_command(check)
cli.add_command(images)
cli.add_command(bench)
cli.add_command(doctor)
cli.add_command(attack)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; every error of ours is one line on stderr and an exit code, no traceback."""
    try:
        cli.main(args=arguments, prog_name="sandbox-orch", standalone_mode=True)
    except OrchestratorError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(exit_code_of_error(error))
    except KeyboardInterrupt:
        sys.exit(ExitCode.ENGINE)
    sys.exit(ExitCode.OK)
