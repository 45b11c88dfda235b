"""Guard floor: what a deployment or tenant allows, as data. Presets are TOML files beside this one.

A policy is made from a preset and, where the operator has one, a TOML text on top of it. Reading the operator's file
is not done here: this floor gets its text.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.finding import Severity
from orchestrator.domain.job import Mode
from orchestrator.guard.rules import RULES

__all__ = ("PRESETS", "Policy", "load_preset", "parse_policy", "policy_from_wire", "policy_to_wire")

PRESETS = ("open", "standard", "strict")
MAX_NAMES = 2000
_SWITCHES = ("javascript_strict_mode", "escape_hidden_characters", "normalise")
_LISTS = ("allowed_modules", "allowed_globals")
_TABLES = ("rules", "program")
_KEYS = ("extends", *_SWITCHES, *_LISTS, "more_modules", *_TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How severe each rule is, by mode, and what else is allowed."""

    name: str
    rules: Mapping[str, Severity]
    """Every rule's severity."""
    program: Mapping[str, Severity]
    """Where program mode differs."""
    allowed_modules: frozenset[str] | None = None
    """Top-level names of Python modules; None allows all that no other rule is about."""
    allowed_globals: frozenset[str] | None = None
    """Globals of JavaScript; None allows all that no other rule is about."""
    javascript_strict_mode: bool = False
    """Whether JavaScript is made strict code."""
    escape_hidden_characters: bool = False
    """Whether hidden characters in strings and comments become escapes, instead of being found."""
    normalise: bool = True
    """Whether byte-order mark, shebang and line endings are normalised."""
    digest: str = field(init=False, default="")
    """A name for exactly this policy."""
    checks_nothing: bool = field(init=False, default=False)
    """Whether a source goes to the runner as it came, unread."""

    def __post_init__(self) -> None:
        wire = json.dumps(policy_to_wire(self), sort_keys=True)
        severities = {*self.rules.values(), *self.program.values()}
        changes = self.javascript_strict_mode or self.escape_hidden_characters or self.normalise
        object.__setattr__(self, "digest", hashlib.sha256(wire.encode()).hexdigest()[:16])
        object.__setattr__(self, "checks_nothing", severities == {Severity.OFF} and not changes)

    def severity(self, rule: str, mode: Mode) -> Severity:
        """How severe a finding of `rule` is."""
        if mode is Mode.PROGRAM and rule in self.program:
            return self.program[rule]
        return self.rules[rule]


@cache
def load_preset(name: str) -> Policy:
    """The preset called `name`. Raises ConfigurationError where there is none."""
    if name not in PRESETS:
        raise ConfigurationError(f"policy: no preset {name[:40]!r}; there are {', '.join(PRESETS)}")
    text = files(__package__).joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return _built(_Source(f"preset {name}", text), None, name)


def parse_policy(text: str, *, where: str, preset: str = "standard") -> Policy:
    """The policy that TOML `text` makes of the preset it `extends`, or of `preset`.

    Raises ConfigurationError naming `where` and the key.
    """
    source = _Source(where, text)
    base = load_preset(source.text_at("extends", preset))
    return _built(source, base, f"{base.name}, {where}")


class _Source:
    """One TOML text, whose complaints name the place."""

    def __init__(self, where: str, text: str) -> None:
        self._where = where
        try:
            self._values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        for key in self._values:
            if key not in _KEYS:
                raise self._wrong(key, f"unknown key; known are {', '.join(_KEYS)}")

    def text_at(self, key: str, default: str) -> str:
        value = self._values.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "must be text")
        return value

    def switch_at(self, key: str, default: bool) -> bool:  # noqa: FBT001 - a value, not a mode
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "must be true or false")
        return value

    def names_at(self, key: str, default: frozenset[str] | None) -> frozenset[str] | None:
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise self._wrong(key, "must be a list of names")
        if len(value) > MAX_NAMES:
            raise self._wrong(key, f"holds {len(value)} names, above {MAX_NAMES}")
        return frozenset(value)

    def severities_at(self, key: str) -> dict[str, Severity]:
        table = self._values.get(key, {})
        if not isinstance(table, dict):
            raise self._wrong(key, "must be a table of rules")
        return {rule: self._severity(f"{key}.{rule}", rule, value) for rule, value in table.items()}

    def _severity(self, key: str, rule: str, value: object) -> Severity:
        if rule not in RULES:
            raise self._wrong(key, "there is no such rule")
        if value not in tuple(Severity):
            raise self._wrong(key, f"must be {', '.join(Severity)}, not {str(value)[:40]!r}")
        return Severity(str(value))

    def _wrong(self, key: str, problem: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where}: {key[:80]}: {problem}")


def _built(source: _Source, base: Policy | None, name: str) -> Policy:
    start = base or Policy(name=name, rules={}, program={})
    modules = source.names_at("allowed_modules", start.allowed_modules)
    more = source.names_at("more_modules", None) or frozenset()
    rules, program = source.severities_at("rules"), source.severities_at("program")
    # A rule that the operator names is meant for both modes, unless the operator says otherwise.
    kept = {rule: severity for rule, severity in start.program.items() if rule not in rules}
    return replace(
        start,
        name=name,
        rules={**start.rules, **rules},
        program={**kept, **program},
        allowed_modules=modules if modules is None else modules | more,
        allowed_globals=source.names_at("allowed_globals", start.allowed_globals),
        javascript_strict_mode=source.switch_at("javascript_strict_mode", start.javascript_strict_mode),
        escape_hidden_characters=source.switch_at("escape_hidden_characters", start.escape_hidden_characters),
        normalise=source.switch_at("normalise", start.normalise),
    )


def policy_to_wire(policy: Policy) -> dict[str, object]:
    """A policy as a JSON object."""
    fields: dict[str, object] = {key: getattr(policy, key) for key in ("name", *_SWITCHES)}
    fields |= {key: dict(getattr(policy, key)) for key in _TABLES}
    for key in _LISTS:
        names = getattr(policy, key)
        fields[key] = None if names is None else sorted(names)
    return fields


def policy_from_wire(fields: Mapping[str, object]) -> Policy:
    """The policy that `policy_to_wire` wrote."""
    values: dict[str, object] = dict(fields)
    for key in _TABLES:
        values[key] = {rule: Severity(value) for rule, value in values[key].items()}  # type: ignore[attr-defined]
    for key in _LISTS:
        names = values[key]
        values[key] = None if names is None else frozenset(names)  # type: ignore[call-overload]
    return Policy(**values)  # type: ignore[arg-type]
