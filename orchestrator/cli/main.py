"""Command line: the `sandbox-orch` group, and the one place where errors become exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from orchestrator import __version__
from orchestrator.cli.attack import attack
from orchestrator.cli.bench import bench
from orchestrator.cli.check import check
from orchestrator.cli.config import config
from orchestrator.cli.doctor import doctor
from orchestrator.cli.exit_codes import ExitCode, exit_code_of_error
from orchestrator.cli.images import images
from orchestrator.cli.jobs import jobs
from orchestrator.cli.keys import keys
from orchestrator.cli.pool import pool
from orchestrator.cli.run import run
from orchestrator.cli.serve import serve
from orchestrator.cli.submit import submit
from orchestrator.cli.tenants import tenants
from orchestrator.config import load_settings
from orchestrator.domain.errors import OrchestratorError

__all__ = ("cli", "main")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sandbox-orch")
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
    First steps:
      sandbox-orch images build              make the images (once; some minutes)
      sandbox-orch doctor                    is this machine fit for it?
      sandbox-orch run hello.py              run one file
      sandbox-orch check hello.py            what would be said against it, without running it
      echo 'output = input * 2' | sandbox-orch run - --runtime node --input 21
      sandbox-orch bench warm                measure this machine
      sandbox-orch attack                    try to break out of this machine's containers
      sandbox-orch serve                     the HTTP service for many tenants

    \b
    Exit codes:
      0 succeeded   1 the job failed or was rejected   2 wrong usage   3 engine or host   4 a limit ended the job

    Settings come from the environment as SANDBOX_ORCH_<NAME>, SANDBOX_ORCH_WARM_TARGET=8 for example, and from
    a TOML file as <name>.
    """  # noqa: D301 - click wants the character itself
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("orchestrator").setLevel(level)
    overrides: dict[str, Any] = {"docker_url": docker_url} if docker_url else {}
    context.obj = load_settings(config_file, **overrides)


cli.add_command(run)
cli.add_command(check)
cli.add_command(images)
cli.add_command(bench)
cli.add_command(doctor)
cli.add_command(attack)
cli.add_command(serve)
cli.add_command(tenants)
cli.add_command(keys)
cli.add_command(submit)
cli.add_command(jobs)
cli.add_command(pool)
cli.add_command(config)


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
