"""Attack floor: the attack programs and what each header says. Pure but for reading the package's own files.

The vocabulary of the headers is in docs/attacks.md. A header with a fault is an error that names the file:
a program whose expectation cannot be read must never count as contained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from importlib.resources import files

from orchestrator.attack.expectations import Expectation, parse_expectations
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.job import Mode

__all__ = ("THREATS", "AttackProgram", "Checks", "CorpusError", "load_corpus", "parse_program")

THREATS = (
    "Time",
    "Memory",
    "Processes, threads, signals",
    "Output and results",
    "Forgery and in-process tricks",
    "Filesystem and information",
    "Kernel interfaces",
    "Network",
    "Native code and exec",
    "Parsing, source, late writes",
    "Cross-job and transport",
)
_LAST_NUMBERS = (17, 28, 46, 64, 76, 89, 109, 116, 121, 137, 149)
"""The highest number of each threat; programs above the last name their threat themselves."""
TAGS = frozenset(
    (
        "no-procs", "slot-fresh", "neighbour-alive", "daemon-ok", "mem-back", "disk-flat", "logs-flat",
        "host-file-intact", "no-listeners",
    )
)  # fmt: skip
_LANGUAGES = {
    ".py": ("Python", "# "), ".js": ("JavaScript", "// "), ".sh": ("Bash", "# "), ".lua": ("Lua", "-- "),
    ".rb": ("Ruby", "# "), ".c": ("C", "// "), ".go": ("Go", "// "),
}  # fmt: skip
_NAME = re.compile(r"(\d+)-([a-z0-9-]+)(\.[a-z]+)")
_LINE = re.compile(r"([a-z-]+): (.*)")


class CorpusError(ConfigurationError):
    """Raised when an attack program's name or header cannot be read; the message names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What the host measures besides, whatever the job says of itself."""

    min_wall_ms: int = 0
    neighbour_pipe_bytes: int | None = None
    """The size that pipes must keep in another tenant's container meanwhile."""
    files: frozenset[str] | None = None
    """Names of exactly those files that may come back; None where that is not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackProgram:
    """One attack: its source and what its header says."""

    number: int
    name: str
    """As its file, without the ending: `99-become-root`."""
    language: str
    """As the runtimes name it: "Python", "JavaScript", "Lua" …"""
    threat: str
    source: str
    modes: frozenset[Mode]
    expected: dict[Mode, tuple[Expectation, ...]]
    after: frozenset[str]
    """Tags of what this program attacks; all of them are checked after every program."""
    claim: str
    """The sentence that must remain true."""
    follows: int | None = None
    checks: Checks = Checks()
    source_bytes: int | None = None
    """The source is padded with a comment to this size."""
    input_nesting: int = 0
    """The input is this many nested lists."""

    @property
    def code(self) -> str:
        """The source as it is sent."""
        lacking = (self.source_bytes or 0) - len(self.source.encode())
        mark = next(mark for language, mark in _LANGUAGES.values() if language == self.language)
        return self.source if lacking <= 0 else f"{self.source}\n{mark}{'x' * lacking}\n"

    @property
    def input_json(self) -> str:
        """The JSON text of its input."""
        return "[" * self.input_nesting + "]" * self.input_nesting if self.input_nesting else "null"


def load_corpus() -> tuple[AttackProgram, ...]:
    """All built-in programs, by number. Raises CorpusError for the first that cannot be read."""
    folder = files("orchestrator.attack") / "programs"
    programs = [
        parse_program(file.name, file.read_bytes().decode())
        for file in folder.iterdir()
        if file.name.endswith(tuple(_LANGUAGES))
    ]
    _check_numbers(programs)
    return tuple(sorted(programs, key=lambda program: program.number))


def _check_numbers(programs: Iterable[AttackProgram]) -> None:
    by_number: dict[int, str] = {}
    for program in programs:
        if (other := by_number.setdefault(program.number, program.name)) != program.name:
            raise CorpusError(f"{program.name} and {other} have one number")
    for program in programs:
        if program.follows is not None and program.follows not in by_number:
            raise CorpusError(f"{program.name} follows {program.follows}, which does not exist")


def parse_program(file_name: str, source: str) -> AttackProgram:
    """The program in `source`. Raises CorpusError naming the file and the line of its header."""
    match = _NAME.fullmatch(file_name)
    if match is None or match[3] not in _LANGUAGES:
        endings = ", ".join(_LANGUAGES)
        raise CorpusError(f"{file_name}: is not named NUMBER-name with one of {endings}")
    language, mark = _LANGUAGES[match[3]]
    header = _Header(file_name)
    for line in source.split("\n"):
        if not line.startswith(mark) or not header.take(line.removeprefix(mark)):
            break
    if not header.expected or not header.claim:
        raise CorpusError(f"{file_name}: has no `expect:` or no `after:` line")
    return header.program(int(match[1]), file_name.removesuffix(match[3]), language, source)


@dataclass(slots=True)
class _Header:
    """A header while it is read, line by line."""

    file_name: str
    expected: tuple[Expectation, ...] = ()
    by_mode: dict[Mode, tuple[Expectation, ...]] = field(default_factory=dict)
    after: frozenset[str] = frozenset()
    claim: str = ""
    threat: str | None = None
    modes: frozenset[Mode] = frozenset(Mode)
    follows: int | None = None
    checks: Checks = Checks()
    source_bytes: int | None = None
    input_nesting: int = 0

    def take(self, line: str) -> bool:
        """Whether `line` is one of the header's. Raises CorpusError where it is, and wrong."""
        match = _LINE.fullmatch(line.strip())
        reader = _READERS.get(match[1]) if match else None
        if match is None or reader is None:
            return False
        try:
            reader(self, match[2])
        except (ValueError, KeyError) as error:
            raise CorpusError(f"{self.file_name}: {match[1]}: {error}") from None
        return True

    def take_after(self, text: str) -> None:
        tags, _, self.claim = text.partition("; ")
        self.after = frozenset(tag.strip() for tag in tags.split(","))
        # A sentence may stand in the place of tags, but a tag that is misspelt is an error.
        if unknown := {tag for tag in self.after if " " not in tag} - TAGS:
            raise ValueError(f"unknown tag {', '.join(sorted(unknown))}")

    def take_mode(self, mode: Mode, text: str) -> None:
        self.by_mode[mode] = parse_expectations(text.partition("; ")[0])

    def take_threat(self, text: str) -> None:
        if text not in THREATS:
            raise ValueError(f"{text!r} is none of {', '.join(THREATS)}")
        self.threat = text

    def take_check(self, text: str) -> None:
        name, _, value = text.partition("=")
        if name not in _CHECKS:
            raise ValueError(f"{name!r} is none of {', '.join(_CHECKS)}")
        self.checks = _CHECKS[name](self.checks, value)

    def program(self, number: int, name: str, language: str, source: str) -> AttackProgram:
        return AttackProgram(
            number=number,
            name=name,
            language=language,
            threat=self.threat or self._threat_of(number),
            source=source,
            modes=self.modes,
            expected={mode: self.by_mode.get(mode, self.expected) for mode in Mode},
            after=self.after,
            claim=self.claim,
            follows=self.follows,
            checks=self.checks,
            source_bytes=self.source_bytes,
            input_nesting=self.input_nesting,
        )

    def _threat_of(self, number: int) -> str:
        for last, threat in zip(_LAST_NUMBERS, THREATS, strict=True):
            if number <= last:
                return threat
        raise CorpusError(f"{self.file_name}: a number above {_LAST_NUMBERS[-1]} needs a `threat:` line")


def _take_expect(header: _Header, text: str) -> None:
    header.expected = parse_expectations(text)


def _take_modes(header: _Header, text: str) -> None:
    header.modes = frozenset(Mode(word.strip()) for word in text.split(","))


def _take_follows(header: _Header, text: str) -> None:
    header.follows = int(text)


def _take_padding(header: _Header, text: str) -> None:
    header.source_bytes = int(text)


def _take_nesting(header: _Header, text: str) -> None:
    header.input_nesting = int(text)


_READERS: dict[str, Callable[[_Header, str], None]] = {
    "expect": _take_expect,
    "after": _Header.take_after,
    "function": lambda header, text: header.take_mode(Mode.FUNCTION, text),
    "program": lambda header, text: header.take_mode(Mode.PROGRAM, text),
    "modes": _take_modes,
    "threat": _Header.take_threat,
    "follows": _take_follows,
    "check": _Header.take_check,
    "pad-source": _take_padding,
    "nest-input": _take_nesting,
}
_CHECKS: dict[str, Callable[[Checks, str], Checks]] = {
    "min_wall_ms": lambda checks, text: replace(checks, min_wall_ms=int(text)),
    "neighbour_pipe": lambda checks, text: replace(checks, neighbour_pipe_bytes=int(text)),
    "files": lambda checks, text: replace(checks, files=frozenset(filter(None, text.split(",")))),
}
