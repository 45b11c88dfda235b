"""Domain floor: a runtime, the operator's description of one language: image, runner, needs, ceilings."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.limits import Limits

__all__ = ("Runtime",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One language as this host offers it, read from `images/<name>/runtime.toml`.

    `interpreter_memory_bytes` and `interpreter_processes` are what the idle interpreter itself needs: a warm
    container is given them on top of `ceiling`. A job above `ceiling` gets a container made to
    measure, up to `maximum`; above that it is refused. `headroom_bytes` is how far the container's own memory
    limit stays above a job's, so that a limit kept by the interpreter itself is met first.
    """

    name: str
    language: str
    version: str
    image: str
    runner_argv: tuple[str, ...]
    seccomp_profile: str
    modes: tuple[str, ...]
    source_suffixes: tuple[str, ...]
    interpreter_memory_bytes: int
    interpreter_processes: int
    headroom_bytes: int
    ceiling: Limits
    maximum: Limits
    environment: dict[str, str]
