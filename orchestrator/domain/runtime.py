"""Domain floor: a runtime, the operator's description of one language: image, runner, needs, ceilings."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.limits import Limits

__all__ = ("Program", "Runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How the shared runner (`images/program/`) runs a language that has program mode only."""

    source_name: str
    """What the source is called in the work folder."""
    run: tuple[str, ...]
    """The command that runs it; the job's arguments come after its own."""
    compile: tuple[tuple[str, ...], ...] = ()
    """Commands that make of it what is run, one after the other; empty for a language that is interpreted."""
    compile_limits: Limits | None = None
    """What all of these together may use, beside the job's own limits. None where nothing is compiled."""

    def runner_argv(self, runtime: str, version: str) -> tuple[str, ...]:
        """The command line of the shared runner; `images/program/runner.c` reads it."""
        commands = (*self.compile, self.run)
        counted = (text for command in commands for text in (str(len(command)), *command))
        return ("/runner", runtime, version, self.source_name, str(len(commands)), *counted)


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
    program: Program | None = None
    """Set where the shared runner runs it; None where the image has a runner of its own."""
    allowed_programs: tuple[str, ...] = ()
    """Paths in the image that may be a shell or a compiler, since that is what the language is."""

    @property
    def compile_limits(self) -> Limits | None:
        """What compiling a job's source may use; None where nothing is compiled."""
        return self.program.compile_limits if self.program else None

    @property
    def has_debug_mode(self) -> bool:
        """Whether its runner can tell what a run looked like. The shared one cannot."""
        return self.program is None

    @property
    def can_be_kept(self) -> bool:
        """Whether its runner can prepare for a second job of one tenant. The shared one cannot."""
        return self.program is None
