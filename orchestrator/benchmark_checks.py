"""Measures what checking a source adds to a job, on this machine. Sits beside the other benches, used by the CLI.

Every sample is a source that was never seen before: the checker remembers what it has answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.benchmark import Figures
from orchestrator.domain.errors import InternalError
from orchestrator.domain.limits import KIB
from orchestrator.guard.policy import Policy
from orchestrator.guard.report import Source
from orchestrator.guard.rules import JAVASCRIPT, PYTHON
from orchestrator.validation.checker import Checker

__all__ = ("CheckReport", "measure_checks", "sample_source")

SMALL_BYTES = 2000
SIZES_KIB = (1, 4, 16, 64, 256, 1023)
LARGE_SAMPLES = 7

_SAMPLES = {
    JAVASCRIPT: """
// Totals of the orders of one customer, by month, with a discount for the faithful ({number}).
function totals{number}(orders, rates) {
  const byMonth = new Map();
  for (const { date, lines, currency } of orders) {
    const month = date.slice(0, 7);
    const sum = lines.reduce((total, line) => total + line.price * line.quantity, 0) * (rates[currency] ?? 1);
    byMonth.set(month, (byMonth.get(month) ?? 0) + sum);
  }
  const months = [...byMonth.keys()].sort();
  return months.map((month, at) => ({
    month,
    total: Math.round(byMonth.get(month) * 100) / 100,
    discount: at >= 3 && byMonth.get(months[at - 1]) > 250 ? 0.05 : 0,
    label: `${month}: ${byMonth.get(month).toFixed(2)} EUR`,
  }));
}
""",
    PYTHON: '''
# Totals of the orders of one customer, by month, with a discount for the faithful ({number}).
def totals{number}(orders, rates):
    """What was bought, month by month."""
    by_month = {}
    for order in orders:
        month = order["date"][:7]
        total = sum(line["price"] * line["quantity"] for line in order["lines"])
        by_month[month] = by_month.get(month, 0) + total * rates.get(order["currency"], 1)
    months = sorted(by_month)
    return [
        {
            "month": month,
            "total": round(by_month[month], 2),
            "discount": 0.05 if at >= 3 and by_month[months[at - 1]] > 250 else 0,
            "label": f"{month}: {by_month[month]:.2f} EUR",
        }
        for at, month in enumerate(months)
    ]
''',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """One language's figures, in milliseconds."""

    language: str
    small: Figures
    """A source of 2 kB, from question to answer, as a job waits for it."""
    by_kib: dict[int, Figures]


def sample_source(language: str, size_bytes: int, number: int) -> bytes:
    """Everyday code of about `size_bytes`, at most; another one for every number."""
    functions: list[str] = []
    size = 0
    while True:
        text = _SAMPLES[language].replace("{number}", str(number))
        if functions and size + len(text) > size_bytes:
            return "".join(functions).encode()
        functions.append(text)
        size += len(text)
        number += 1


async def measure_checks(
    checker: Checker, policy: Policy, language: str, *, samples: int, progress: Callable[[str], None]
) -> CheckReport:
    """Measure one language. Raises InternalError if a sample was found wrong."""
    number = 0

    async def sample(size_bytes: int) -> float:
        nonlocal number
        number += 10_000
        progress(f"{language}: {size_bytes} bytes")
        source = Source(data=sample_source(language, size_bytes, number), language=language)
        began = time.perf_counter()
        report = await checker.check(source, policy)
        took = time.perf_counter() - began
        if report.findings:
            raise InternalError(f"a sample went wrong: {report.findings[0]}")
        return took * 1000

    for _ in range(10):
        await sample(SMALL_BYTES)
    small = Figures.of([await sample(SMALL_BYTES) for _ in range(samples)])
    by_kib = {kib: Figures.of([await sample(kib * KIB) for _ in range(LARGE_SAMPLES)]) for kib in SIZES_KIB}
    return CheckReport(language=language, small=small, by_kib=by_kib)
