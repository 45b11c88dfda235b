"""Backends floor: reads what the operator wrote under `images/` into `Runtime` values. It knows no engine."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

import orchestrator
from orchestrator.domain.errors import ConfigurationError, RuntimeDefinitionError
from orchestrator.domain.limits import Limits
from orchestrator.domain.runtime import Runtime

__all__ = ("images_folder", "load_runtimes", "seccomp_folder")

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


class _Definition(_Section):
    """One whole `runtime.toml`."""

    name: _Name
    language: _Text
    version: _Text
    image: _Reference
    runner_argv: Annotated[list[_Text], Field(min_length=1)]
    seccomp_profile: _Name
    modes: Annotated[list[Literal["function", "program"]], Field(min_length=1)]
    source_suffixes: list[_Suffix]
    interpreter: _InterpreterSection
    environment: dict[_Variable, str]
    ceiling: _LimitsSection
    maximum: _LimitsSection

    @model_validator(mode="after")
    def _fits_together(self) -> _Definition:
        if not self.runner_argv[0].startswith("/"):
            raise ValueError("runner_argv: the program must be an absolute path inside the image")
        over = self.ceiling.to_limits().exceeding(self.maximum.to_limits())
        if over:
            name, asked, allowed = over
            raise ValueError(f"ceiling.{name}: {asked} is above maximum.{name}, which is {allowed}")
        return self

    def to_runtime(self) -> Runtime:
        return Runtime(
            name=self.name,
            language=self.language,
            version=self.version,
            image=self.image,
            runner_argv=tuple(self.runner_argv),
            seccomp_profile=self.seccomp_profile,
            modes=tuple(self.modes),
            source_suffixes=tuple(self.source_suffixes),
            interpreter_memory_bytes=self.interpreter.memory_bytes,
            interpreter_processes=self.interpreter.processes,
            headroom_bytes=self.interpreter.headroom_bytes,
            ceiling=self.ceiling.to_limits(),
            maximum=self.maximum.to_limits(),
            environment=dict(self.environment),
        )


def load_runtimes(folder: Path) -> dict[str, Runtime]:
    """Every runtime defined by a `<name>/runtime.toml` under `folder`, by name.

    Raises RuntimeDefinitionError naming the file and the key of the first fault, or that there is no file.
    """
    files = sorted(folder.glob(f"*/{_DEFINITION}"))
    if not files:
        raise RuntimeDefinitionError(f"{folder}: no folder in it has a {_DEFINITION}")
    return {file.parent.name: _load_runtime(file) for file in files}


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
