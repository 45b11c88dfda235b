"""Attack floor: what was seen of a run, as values, as JSON and as JUnit XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from orchestrator.attack.corpus import THREATS, AttackProgram
from orchestrator.attack.expectations import Judgement, Verdict
from orchestrator.domain.job import Mode
from orchestrator.domain.outcome import Outcome

__all__ = ("Attempt", "Report", "report_to_junit", "report_to_wire")

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One program, run once."""

    program: AttackProgram
    mode: Mode
    runtime: str
    judgement: Judgement
    outcome: Outcome
    detail: str
    """In the program's own words: foreign text."""
    wall_ms: float
    container: str | None = None
    residues: tuple[str, ...] = ()
    """What it left behind."""

    @property
    def verdict(self) -> Verdict:
        """Of the attempt as a whole: what is left behind is a failure, whatever the job's result was."""
        return Verdict.FAILED if self.residues else self.judgement.verdict

    @property
    def reason(self) -> str:
        """Why, in our words."""
        return "; ".join(self.residues) or self.judgement.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run."""

    attempts: tuple[Attempt, ...]
    host_residues: tuple[str, ...]
    """What was wrong with the host, or with this process, at the end."""
    disk_used_bytes: int
    """By everybody on this host meanwhile: a figure, not a verdict."""
    seconds: float

    @property
    def is_contained(self) -> bool:
        """Whether nothing got out and nothing is left. A program that could try nothing is told apart."""
        failed = any(attempt.verdict is Verdict.FAILED for attempt in self.attempts)
        return bool(self.attempts) and not failed and not self.host_residues

    def by_threat(self) -> dict[str, tuple[Attempt, ...]]:
        """The attempts of each threat, in the order of the threats."""
        groups = {
            threat: tuple(attempt for attempt in self.attempts if attempt.program.threat == threat)
            for threat in THREATS
        }
        return {threat: attempts for threat, attempts in groups.items() if attempts}

    def count(self, verdict: Verdict) -> int:
        """How many attempts have this verdict."""
        return count_verdicts(self.attempts, verdict)


def count_verdicts(attempts: Iterable[Attempt], verdict: Verdict) -> int:
    """How many of `attempts` have this verdict."""
    return sum(attempt.verdict is verdict for attempt in attempts)


def report_to_wire(report: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    return {
        "contained": report.is_contained,
        "attempts": len(report.attempts),
        **{verdict.value: report.count(verdict) for verdict in Verdict},
        "seconds": round(report.seconds, 1),
        "host": {"residues": list(report.host_residues), "disk_used_bytes": report.disk_used_bytes},
        "threats": [
            {
                "threat": threat,
                **{verdict.value: count_verdicts(attempts, verdict) for verdict in Verdict},
                "attempts": [_attempt_to_wire(attempt) for attempt in attempts],
            }
            for threat, attempts in report.by_threat().items()
        ],
    }


def _attempt_to_wire(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.program.number,
        "name": attempt.program.name,
        "mode": attempt.mode,
        "runtime": attempt.runtime,
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "outcome": attempt.outcome,
        "expected": " | ".join(map(str, attempt.program.expected[attempt.mode])),
        "claim": attempt.program.claim,
        "detail": attempt.detail,
        "wall_ms": round(attempt.wall_ms, 1),
        "container": attempt.container,
        "residues": list(attempt.residues),
    }


def report_to_junit(report: Report) -> bytes:
    """The report as JUnit XML: a suite for each threat, a case for each attempt, one more for the host."""
    root = ET.Element("testsuites", name="sandbox-orch attack", time=f"{report.seconds:.1f}")
    for threat, attempts in report.by_threat().items():
        suite = _suite(root, threat, len(attempts), attempts)
        for attempt in attempts:
            _case(suite, attempt)
    suite = _suite(root, "The host afterwards", 1, (), failures=bool(report.host_residues))
    case = ET.SubElement(suite, "testcase", classname="host", name="nothing is left")
    if report.host_residues:
        ET.SubElement(case, "failure", message=_xml_text("; ".join(report.host_residues)))
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _suite(
    root: ET.Element, name: str, tests: int, attempts: Iterable[Attempt], *, failures: int = 0
) -> ET.Element:
    attempts = tuple(attempts)
    failed = failures + count_verdicts(attempts, Verdict.FAILED)
    skipped = count_verdicts(attempts, Verdict.SKIPPED)
    return ET.SubElement(
        root, "testsuite", name=name, tests=str(tests), failures=str(failed), skipped=str(skipped)
    )


def _case(suite: ET.Element, attempt: Attempt) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=attempt.program.threat,
        name=f"{attempt.program.name} [{attempt.runtime}, {attempt.mode}]",
        time=f"{attempt.wall_ms / 1000:.3f}",
    )
    if attempt.verdict is not Verdict.HELD:
        kind = "failure" if attempt.verdict is Verdict.FAILED else "skipped"
        ET.SubElement(case, kind, message=_xml_text(attempt.reason))
    ET.SubElement(case, "system-out").text = _xml_text(f"{attempt.outcome}: {attempt.detail}")


def _xml_text(text: str) -> str:
    """`text` without the characters that XML cannot carry, escaped or not."""
    return _NOT_XML.sub("�", text)
