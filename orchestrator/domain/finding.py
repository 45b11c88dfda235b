"""Domain floor: what was found in a tenant's source before it ran."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ("Finding", "Severity")


class Severity(StrEnum):
    """What a finding does to its job."""

    REJECT = "reject"
    """The job ends as `rejected`; no container is used."""
    WARN = "warn"
    """The job runs, and its result carries the finding."""
    OFF = "off"
    """Nothing: the rule is not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found at one place. Lines and columns count from 1, in characters of the tenant's own text.

    The message says what to do instead. A byte-order mark at the start takes no column.
    """

    rule: str
    severity: Severity
    message: str
    line: int
    column: int
    end_line: int
    end_column: int
    """Just behind the last character."""
