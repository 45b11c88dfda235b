"""Backends floor: reads what the operator wrote under `images/` into `Runtime` values. It knows no engine."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

import orchestrator
from orchestrator.domain.errors import ConfigurationError, RuntimeDefinitionError
from orchestrator.domain.limits import Limits
from orchestrator.domain.runtime import Program, Runtime

__all__ = ("images_folder", "known_runtimes", "load_runtimes", "seccomp_folder")

_DEFINITION = "runtime.toml"
_MAX_DEFINITION_BYTES = 65_536

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
_Reference = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/:-]{0,199}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
]
_Suffix = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9]{1,15}$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Count = Annotated[int, Field(gt=0, lt=2**53)]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
_Path = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_+.-]+)+$", max_length=200)]
_Command = Annotated[list[_Text], Field(min_length=1, max_length=64)]


class _Section(BaseModel):
    """A table of the file: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _LimitsSection(_Section):
    """The fields of `Limits`, all of them: a ceiling that is left to a default would be nobody's decision."""

    wall_time_ms: _Count
    cpu_time_ms: _Count
    memory_bytes: _Count
    output_bytes: _Count
    processes: _Count
    disk_bytes: _Count

    def to_limits(self) -> Limits:
        return Limits(**self.model_dump())


class _InterpreterSection(_Section):
    memory_bytes: _Count
    headroom_bytes: _Count
    processes: _Count


class _ProgramSection(_Section):
    """What the shared runner needs to know. Its presence says that the image has that runner."""

    source_name: _FileName
    run: _Command
    compile: Annotated[list[_Command], Field(max_length=7)] = []


class _CompileSection(_Section):
    """The limits of compiling; what compilers print is bounded as the program's own stderr is."""

    wall_time_ms: _Count
    cpu_time_ms: _Count
    memory_bytes: _Count
    processes: _Count
    disk_bytes: _Count

    def to_limits(self) -> Limits:
        return Limits(**self.model_dump())


class _Definition(_Section):
    """One whole `runtime.toml`."""

    name: _Name
    language: _Text
    version: _Text
    image: _Reference
    runner_argv: Annotated[list[_Text], Field(min_length=1)] | None = None
    seccomp_profile: _Name
    modes: Annotated[list[Literal["function", "program"]], Field(min_length=1)]
    source_suffixes: list[_Suffix]
    allowed_programs: list[_Path] = []
    program: _ProgramSection | None = None
    compile: _CompileSection | None = None
    interpreter: _InterpreterSection
    environment: dict[_Variable, str]
    ceiling: _LimitsSection
    maximum: _LimitsSection

    @model_validator(mode="after")
    def _fits_together(self) -> _Definition:
        if problem := self._problem_of_runner() or self._problem_of_program():
            raise ValueError(problem)
        over = self.ceiling.to_limits().exceeding(self.maximum.to_limits())
        if over:
            name, asked, allowed = over
            raise ValueError(f"ceiling.{name}: {asked} is above maximum.{name}, which is {allowed}")
        return self

    def _problem_of_runner(self) -> str | None:
        if self.program is not None:
            return (
                "runner_argv: leave it out; the table [program] says what is run"
                if self.runner_argv
                else None
            )
        if self.runner_argv is None:
            return "runner_argv: Field required, or a table [program] for the shared runner"
        if not self.runner_argv[0].startswith("/"):
            return "runner_argv: the program must be an absolute path inside the image"
        return "compile: is for a runtime with a table [program]" if self.compile else None

    def _problem_of_program(self) -> str | None:
        if self.program is None:
            return None
        if self.modes != ["program"]:
            return 'modes: the shared runner of [program] has ["program"] only'
        for key, command in (("run", self.program.run), *(("compile", one) for one in self.program.compile)):
            if not command[0].startswith("/"):
                return f"program.{key}: {command[0]!r} must be an absolute path inside the image"
        if self.program.compile and self.compile is None:
            return "compile: Field required: the limits of the commands in program.compile"
        return (
            "compile: there is nothing in program.compile to limit"
            if self.compile and not self.program.compile
            else None
        )

    def to_runtime(self) -> Runtime:
        program = self._to_program()
        return Runtime(
            name=self.name,
            language=self.language,
            version=self.version,
            image=self.image,
            runner_argv=program.runner_argv(self.name, self.version)
            if program
            else tuple(self.runner_argv or ()),
            seccomp_profile=self.seccomp_profile,
            modes=tuple(self.modes),
            source_suffixes=tuple(self.source_suffixes),
            interpreter_memory_bytes=self.interpreter.memory_bytes,
            interpreter_processes=self.interpreter.processes,
            headroom_bytes=self.interpreter.headroom_bytes,
            ceiling=self.ceiling.to_limits(),
            maximum=self.maximum.to_limits(),
            environment=dict(self.environment),
            program=program,
            allowed_programs=tuple(self.allowed_programs),
        )

    def _to_program(self) -> Program | None:
        if self.program is None:
            return None
        return Program(
            source_name=self.program.source_name,
            run=tuple(self.program.run),
            compile=tuple(map(tuple, self.program.compile)),
            compile_limits=self.compile.to_limits() if self.compile else None,
        )


def load_runtimes(folder: Path) -> dict[str, Runtime]:
    """Every runtime defined by a `<name>/runtime.toml` under `folder`, by name.

    Raises RuntimeDefinitionError naming the file and the key of the first fault, or that there is no file.
    """
    files = sorted(folder.glob(f"*/{_DEFINITION}"))
    if not files:
        raise RuntimeDefinitionError(f"{folder}: no folder in it has a {_DEFINITION}")
    return {file.parent.name: _load_runtime(file) for file in files}


def known_runtimes(own_folder: Path | None) -> dict[str, Runtime]:
    """The runtimes that come with the package, and the operator's own, which may replace one by its name.

    Raises RuntimeDefinitionError as `load_runtimes` does.
    """
    known = load_runtimes(images_folder())
    return known if own_folder is None else known | load_runtimes(own_folder)


def _load_runtime(file: Path) -> Runtime:
    try:
        definition = _Definition.model_validate(_read_toml(file))
    except ValidationError as error:
        raise RuntimeDefinitionError(f"{file}: {_first_fault(error)}") from None
    if definition.name != file.parent.name:
        raise RuntimeDefinitionError(
            f"{file}: name: must be that of its folder, {file.parent.name!r}, not {definition.name!r}"
        )
    return definition.to_runtime()


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.loads(stream.read(_MAX_DEFINITION_BYTES).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuntimeDefinitionError(f"{file}: {error}") from None


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return f"{key}: {problem}" if key else problem


def images_folder() -> Path:
    """Where the recipes of the images are: in an installed wheel, else beside the package."""
    return _data_folder("images")


def seccomp_folder() -> Path:
    """Where the seccomp profiles are, looked for like the images."""
    return _data_folder("seccomp")


def _data_folder(name: str) -> Path:
    package = Path(orchestrator.__file__).resolve().parent
    places = (package / "_data" / name, package.parent / name)
    for place in places:
        if place.is_dir():
            return place
    raise ConfigurationError(f"no folder {name!r} at {' or '.join(map(str, places))}; is the package whole?")
