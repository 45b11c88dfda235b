"""Guard floor: one source, one policy, one report. Pure, and linear in the size of what it is given.

What it calls is written in C, and what it reads is hostile: services run it in a process of its own
(`orchestrator.validation`), which can be ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.job import MAX_CODE_BYTES, Mode
from orchestrator.guard import javascript, python
from orchestrator.guard.policy import Policy
from orchestrator.guard.report import Report, Source, unchecked
from orchestrator.guard.rules import JAVASCRIPT, RULES, Hit
from orchestrator.guard.sanitizer import (
    Edit,
    applied,
    escapes,
    hidden_hits,
    normalised,
    prefix_edits,
    shifts_of,
)
from orchestrator.guard.text import Places
from orchestrator.guard.tree import SourceTree, TooMuch, nesting_hit, syntax_hits

__all__ = ("MAX_FINDINGS", "validate")

MAX_FINDINGS = 50
_RANK = {Severity.OFF: 0, Severity.WARN: 1, Severity.REJECT: 2}


def validate(source: Source, policy: Policy) -> Report:
    """Check and sanitize one source. The source may hold any bytes; nothing is raised for what is in it."""
    judge = _Judge(policy, source.mode)
    if len(source.data) > MAX_CODE_BYTES:
        return judge.report([_whole("source-size", f"{len(source.data):,}")], b"")
    try:
        own = source.data.decode()
    except UnicodeDecodeError as error:
        bad = Hit(
            "encoding",
            error.start,
            error.start + 1,
            _message("encoding", f"0x{source.data[error.start]:02x}"),
        )
        return judge.report([bad], source.data)
    plain, changes = normalised(own) if policy.normalise else (own, [])
    data = source.data if plain is own else plain.encode()
    if judge.counts("nesting-depth") and (deep := nesting_hit(data)):
        return judge.report([deep], data)
    tree, hits = _parsed(data, source.language)
    try:
        hits += _rule_hits(tree, source, policy, judge)
    except TooMuch as problem:
        return Report(findings=(unchecked(str(problem)),))
    edits, more = _edits(plain, tree, source, policy)
    hidden = [hit for hit in hidden_hits(plain, tree) if not any(edit.start == hit.start for edit in edits)]
    report = judge.report([*hits, *hidden], data)
    if report.is_rejected or not (changes or edits):
        return report
    return Report(
        findings=report.findings,
        text=applied(data, edits),
        changes=(*changes, *more),
        shifts=shifts_of(data, edits),
    )


def _parsed(data: bytes, language: str) -> tuple[SourceTree, list[Hit]]:
    """The tree, and what is wrong with the syntax."""
    grammar = javascript.grammar() if language == JAVASCRIPT else python.grammar()
    tree = SourceTree(grammar, data)
    if not tree.root.has_error:
        return tree, []
    if language == JAVASCRIPT and (other := javascript.without_ambiguity(data)) != data:
        second = SourceTree(grammar, other)
        if not second.root.has_error:
            return second, []
    is_gap = javascript.known_gap if language == JAVASCRIPT else python.known_gap
    return tree, syntax_hits(tree, language, is_gap)


def _rule_hits(tree: SourceTree, source: Source, policy: Policy, judge: _Judge) -> Iterable[Hit]:
    if source.language == JAVASCRIPT:
        allowed = policy.allowed_globals if judge.counts("js-global-not-allowed") else None
        return javascript.find_hits(tree, allowed)
    modules = policy.allowed_modules
    return python.find_hits(tree, modules if modules is None else modules | source.own_modules)


def _edits(plain: str, tree: SourceTree, source: Source, policy: Policy) -> tuple[list[Edit], list[str]]:
    edits, changes = prefix_edits(tree.data, source.language, strict_mode=policy.javascript_strict_mode)
    if policy.escape_hidden_characters and (escaped := escapes(plain, tree)):
        edits += escaped
        changes.append(f"escaped {len(escaped)} hidden characters")
    return edits, changes


class _Judge:
    """A policy in one mode: hits become findings, or nothing."""

    def __init__(self, policy: Policy, mode: Mode) -> None:
        self._policy = policy
        self._mode = mode

    def counts(self, rule: str) -> bool:
        """Whether the policy wants to hear of a rule."""
        return self._policy.severity(rule, self._mode) is not Severity.OFF

    def report(self, hits: Iterable[Hit], data: bytes) -> Report:
        """The findings in the order of the text: rejections are never crowded out by warnings."""
        judged = [(self._severity(hit), hit) for hit in hits]
        kept = sorted({(-_RANK[severity], hit.start, hit.rule, hit.end): (severity, hit)
                       for severity, hit in judged if severity is not Severity.OFF}.items())  # fmt: skip
        places = Places(data)
        findings = [_finding(severity, hit, places) for _, (severity, hit) in kept[:MAX_FINDINGS]]
        return Report(findings=tuple(sorted(findings, key=lambda finding: (finding.line, finding.column))))

    def _severity(self, hit: Hit) -> Severity:
        return min(self._policy.severity(hit.rule, self._mode), hit.at_most, key=_RANK.__getitem__)


def _finding(severity: Severity, hit: Hit, places: Places) -> Finding:
    line, column = places.at(hit.start)
    end_line, end_column = places.at(hit.end)
    return Finding(
        rule=hit.rule,
        severity=severity,
        message=hit.message,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
    )


def _whole(rule: str, name: str) -> Hit:
    return Hit(rule, 0, 0, _message(rule, name))


def _message(rule: str, name: str) -> str:
    return RULES[rule].message.format(name=name)
