"""Command line: a job's profile, saved under the name that the tools of its language open."""

from __future__ import annotations

import json
from pathlib import Path

import click

from orchestrator.domain.debug import DebugReport
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.runtime import Runtime

__all__ = ("require_known_suffix", "require_suffix", "save_profile")

SUFFIXES = {"JavaScript": ".cpuprofile", "Python": ".speedscope.json"}


def require_known_suffix(path: str, runtime: Runtime | None) -> None:
    """As `require_suffix`; None is a runtime that only the service knows. Raises InvalidJob."""
    if runtime is not None:
        require_suffix(path, runtime)
    elif not path.endswith(tuple(SUFFIXES.values())):
        raise InvalidJob("--profile", f"{path[:100]!r} must end in {' or '.join(SUFFIXES.values())}")


def require_suffix(path: str, runtime: Runtime) -> None:
    """Raise InvalidJob where `path` would hold a profile of another format than its name says."""
    suffix = SUFFIXES.get(runtime.language)
    if suffix is None:
        raise InvalidJob("--profile", f"there is no profile for {runtime.language}")
    if not path.endswith(suffix) or Path(path).name == suffix:
        raise InvalidJob(
            "--profile", f"{path[:100]!r} must end in {suffix}, as profiles of {runtime.name} do"
        )
    if not Path(path).absolute().parent.is_dir():
        raise InvalidJob("--profile", f"there is no folder for {path[:100]!r}")


def save_profile(debug: DebugReport | None, path: str) -> None:
    """Write the profile, and say so on stderr; where there is none, say that. Raises InvalidJob."""
    profile = None if debug is None else debug.profile
    if profile is None:
        click.echo("no profile: the job ended before there was one", err=True)
        return
    try:
        Path(path).write_text(json.dumps(profile.content), encoding="utf-8")
    except OSError as error:
        raise InvalidJob("--profile", f"cannot write {path!r}: {error.strerror}") from None
    note = "" if profile.complete else ", incomplete"
    click.echo(f"profile saved in {path}{note}", err=True)
