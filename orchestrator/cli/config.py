"""Command line: `sandbox-orch config show|check`, the settings as they are in force, and what is wrong with them."""

from __future__ import annotations

import difflib
import json
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from orchestrator.bootstrap import runtimes_on_offer
from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.render import harmless
from orchestrator.config import Settings
from orchestrator.domain.errors import ConfigurationError, OrchestratorError

__all__ = ("config",)

PREFIX = "SANDBOX_ORCH_"
NOT_SETTINGS = frozenset({"CONFIG", "SERVER", "KEY", "KEY_FILE"})
"""Variables of ours that commands read, not the settings."""
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]*@")


@click.group()
def config() -> None:
    """Show the settings in force, and check them."""


@config.command()
@click.option("--changed", is_flag=True, help="Only those that are not at their defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(settings: Settings, *, changed: bool, as_json: bool) -> None:
    """Print the settings as TOML, each with what it does and where its value comes from.

    The output is a file that `--config` takes. A password in a URL is not shown.
    """
    names = [name for name in type(settings).model_fields if not changed or _is_changed(settings, name)]
    if as_json:
        shown = settings.model_dump(mode="json")
        click.echo(json.dumps({name: _without_password(shown[name]) for name in names}, indent=2))
        return
    click.echo("\n\n".join(_as_toml(settings, name) for name in names))


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Check what the settings name, and the environment for misspelled ones.

    That each value is possible was checked before this command began; whether the host can give it is
    `sandbox-orch doctor`'s to say. Exit code 2 where something is wrong.
    """
    problems = list(_problems(settings))
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems}))
    else:
        _show_problems(problems)
    if problems:
        click.get_current_context().exit(ExitCode.USAGE)


def _show_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        click.secho(f"✗ {harmless(problem)}", fg="red")
    if not problems:
        click.secho("✓ the settings are sound", fg="green")


# -- show -----------------------------------------------------------------------------------------------


def _as_toml(settings: Settings, name: str) -> str:
    about = " ".join((type(settings).model_fields[name].description or "").split())
    comment = textwrap.fill(about, 100, initial_indent="# ", subsequent_indent="# ")
    value = getattr(settings, name)
    # TOML has no None: a line that is commented out says the same.
    line = f"# {name} =" if value is None else f"{name} = {_toml_value(value)}"
    source = _source(name) if _is_changed(settings, name) else "default"
    return f"{comment}\n{line}  # {source}"


def _toml_value(value: object) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    # A basic string of TOML is one of JSON.
    return json.dumps(_without_password(str(value)), ensure_ascii=False)


def _is_changed(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != type(settings).model_fields[name].default)


def _source(name: str) -> str:
    variables = {variable.upper() for variable in os.environ}
    if f"{PREFIX}{name}".upper() in variables:
        return f"{PREFIX}{name.upper()}"
    given: dict[str, Any] = click.get_current_context().find_root().params
    if given.get(name) is not None:
        return f"--{name.replace('_', '-')}"
    return f"{given['config_file']}" if given.get("config_file") else "given"


def _without_password(value: object) -> object:
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value


# -- check ----------------------------------------------------------------------------------------------


def _problems(settings: Settings) -> Iterator[str]:
    yield from _unknown_variables()
    checks: tuple[Callable[[Settings], object], ...] = (
        runtimes_on_offer,
        _check_store,
        _check_address,
        _check_folder,
    )
    for each in checks:
        try:
            each(settings)
        except OrchestratorError as error:
            yield str(error)


def _unknown_variables() -> Iterator[str]:
    known = {name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(PREFIX)
        if name != variable.upper() and name not in known and not name.startswith("TESTS_"):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            yield f"{variable}: no such setting{hint}"


def _check_store(settings: Settings) -> None:
    if settings.store_url is None:
        return
    try:
        from orchestrator.store.database import check_url  # noqa: PLC0415  # of an extra, and slow to load
    except ImportError as error:
        problem = f"store_url needs the extra `server` ({error.name} is missing): pip install 'sandbox-orch[server]'"
        raise ConfigurationError(problem) from None
    check_url(settings.store_url)


def _check_address(settings: Settings) -> None:
    try:
        from orchestrator.serving import require_safe_address  # noqa: PLC0415  # of an extra, and slow to load
    except ImportError:
        return  # without the extra nothing listens
    require_safe_address(settings)


def _check_folder(settings: Settings) -> None:
    folder = settings.data_folder
    if folder is None:
        return
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"data_folder: cannot write {Path(there)}")
