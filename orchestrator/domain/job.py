"""Domain floor: what a tenant asks for (`JobSpec`), checked as it is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.limits import KIB, MIB, Limits

__all__ = (
    "MAX_CODE_BYTES",
    "MAX_INPUT_BYTES",
    "MAX_SCHEMA_BYTES",
    "JobSpec",
    "JobState",
    "Mode",
)

MAX_CODE_BYTES = 1 * MIB
MAX_INPUT_BYTES = 8 * MIB
MAX_SCHEMA_BYTES = 64 * KIB
MAX_FILES = 64
MAX_ARGS = 64
MAX_ARG_BYTES = 4096

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Mode(StrEnum):
    """How the source is run."""

    FUNCTION = "function"
    """The code gets the JSON value `input` and assigns the JSON value `output`."""
    PROGRAM = "program"
    """The source is run as a script with `stdin`, `args` and `files`; it ends with an exit code."""


class JobState(StrEnum):
    """Where a job is in its life. How it finished is the outcome, never a state."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a tenant asked for. Making one raises InvalidJob, naming the field, where it cannot be run.

    `input_json` is the JSON text of the input (function mode). `limits` None means the deployment's
    defaults. The sizes are the bounds of this module; an operator's ceilings are checked later.
    """

    runtime: str
    code: str
    mode: Mode = Mode.FUNCTION
    input_json: str = "null"
    entrypoint: str | None = None
    allowed_globals: tuple[str, ...] | None = None
    stdin: str = ""
    args: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    limits: Limits | None = None
    output_schema_json: str | None = None
    """A JSON Schema (draft 2020-12) that the output must follow; it is checked before the job runs."""
    debug: DebugOptions | None = None
    """What of the run is recorded for its author; None for nothing, the usual thing."""

    def __post_init__(self) -> None:
        _check_text("code", self.code, MAX_CODE_BYTES)
        _check_text("input", self.input_json, MAX_INPUT_BYTES)
        _check_text("stdin", self.stdin, MAX_INPUT_BYTES)
        if self.output_schema_json is not None:
            _check_text("output_schema", self.output_schema_json, MAX_SCHEMA_BYTES)
        self._check_names()
        self._check_mode()
        self._check_program()

    def _check_names(self) -> None:
        if not isinstance(self.runtime, str) or not self.runtime:
            raise InvalidJob("runtime", "must name a runtime")
        if self.entrypoint is not None and not _IDENTIFIER.fullmatch(self.entrypoint):
            raise InvalidJob("entrypoint", f"{self.entrypoint[:40]!r} is not the name of a function")
        for name in self.allowed_globals or ():
            if not _IDENTIFIER.fullmatch(name):
                raise InvalidJob("allowed_globals", f"{name[:40]!r} is not the name of a global")

    def _check_mode(self) -> None:
        if self.mode is Mode.PROGRAM and (self.entrypoint or self.input_json != "null"):
            raise InvalidJob("mode", "program mode takes stdin, args and files, not input or entrypoint")
        if self.mode is Mode.PROGRAM and self.output_schema_json is not None:
            raise InvalidJob("output_schema", "is for function mode: a program has no output value")
        if self.mode is Mode.FUNCTION and (self.stdin or self.args or self.files):
            raise InvalidJob("mode", "function mode takes input, not stdin, args or files; say mode=program")

    def _check_program(self) -> None:
        if len(self.args) > MAX_ARGS:
            raise InvalidJob("args", f"at most {MAX_ARGS} arguments, not {len(self.args)}")
        for arg in self.args:
            _check_text("args", arg, MAX_ARG_BYTES)
            if "\0" in arg:
                raise InvalidJob("args", "an argument cannot hold a NUL character")
        if len(self.files) > MAX_FILES:
            raise InvalidJob("files", f"at most {MAX_FILES} files, not {len(self.files)}")
        if sum(map(len, self.files.values())) > MAX_INPUT_BYTES:
            raise InvalidJob("files", f"at most {MAX_INPUT_BYTES} bytes together")
        for name in self.files:
            if not _FILE_NAME.fullmatch(name):
                raise InvalidJob("files", f"{name[:40]!r} is no plain file name (letters, digits, . _ -)")


def _check_text(name: str, text: object, most_bytes: int) -> None:
    if not isinstance(text, str):
        raise InvalidJob(name, f"must be text, not {type(text).__name__}")
    if len(text) > most_bytes:
        raise InvalidJob(name, f"{len(text)} characters are above the limit of {most_bytes} bytes")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidJob(name, f"holds a lone surrogate at character {error.start}; send UTF-8") from None
    if size > most_bytes:
        raise InvalidJob(name, f"{size} bytes are above the limit of {most_bytes}")
