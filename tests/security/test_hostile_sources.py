"""Threat: source code that is meant to hurt what reads it. The reader is bounded, and only itself is lost."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections import Counter
from pathlib import Path

from orchestrator.domain.job import MAX_CODE_BYTES
from orchestrator.guard.policy import load_preset
from orchestrator.guard.report import Source
from orchestrator.guard.rules import LANGUAGES
from orchestrator.telemetry import Telemetry
from orchestrator.validation.checker import open_checker

STRICT = load_preset("strict")
MIB = 1024 * 1024
MOST_RESIDENT_MIB = 160
"""What a process may hold between two sources; at 128 MiB it is replaced."""
LONGEST_SECONDS = 30.0
"""Wall time for one source, on a busy machine: CPU time is bounded at 2.5 s."""

REPEATED = [
    "(", "[", "{", ")", "'", '"', "`", "\\", "/", "`${", 'f"{', "f'", '"""', "a.", "a?", "a=>", "a[0]", "a()", "-", "!", "not ",
    "lambda:", "await ", "new ", "async ", "class A{", "if(a)", "x=/[", "/*", "<!--", "#", "//", "\n", "\t", " ", "\r", "\0", "é",
    "\U0001d41e", "\u202e", "\u2028", "*", "**", "@", ":", ";", ",", "..", "...", "0", "9", "1e", "0x", "=", "=>", "==", "<", "a<", "if x:\n ",
    "eval;", "constructor.", ".constructor", "getattr(", "import ", "from . import ", "print >>", "yield ", "of ", "\\u{", "${", "}",
    "\ufeff", "a\u200b", "case ", "match x:\n ", "def f():\n ", "else if(a){}", "'a'+", "a,", "*a,", "a:", "a\n(", "a\n[",
]  # fmt: skip


def shapes(size: int):
    """What has broken parsers before: repetition, nesting, long lines, and bytes that are no text."""
    for unit in REPEATED:
        yield (unit * (size // len(unit.encode()) + 1)).encode()[:size]
    yield b"[" * (size // 2) + b"]" * (size // 2)
    yield "".join(" " * depth + "if x:\n" for depth in range(int((2 * size) ** 0.5))).encode()[:size]
    yield b"x = '" + b"a" * (size - 6) + b"'"
    yield b"\xff" * size
    yield "\ud800".encode("utf-8", "surrogatepass") * (size // 3)


def noise(randomness: random.Random, size: int) -> bytes:
    """Random bytes, random characters of code, or shuffled pieces of everything above."""
    kind = randomness.randrange(3)
    if kind == 0:
        return randomness.randbytes(size)
    if kind == 1:
        return "".join(randomness.choices("(){}[]'\"`\\/+-=.,:; \nabeval$#@!", k=size)).encode()
    return "".join(randomness.choices(REPEATED, k=max(1, size // 3))).encode()[:size]


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


class Notes(Telemetry):
    """Remembers how checking processes ended."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def check_failed(self, size_bytes, error):
        self.failures.append(str(error))


async def run_through(sources) -> dict[str, float]:
    """Check all of them in both languages; every one gets an answer, and the checker goes on."""
    figures = {"sources": 0, "lost": 0, "longest_seconds": 0.0}
    own_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    telemetry = Notes()
    async with open_checker(telemetry) as checker:
        for data in sources:
            for language in LANGUAGES:
                began = time.monotonic()
                report = await checker.check(Source(data=data, language=language), STRICT, within_seconds=60)
                figures["longest_seconds"] = max(figures["longest_seconds"], time.monotonic() - began)
                figures["sources"] += 1
                assert len(report.findings) <= 50
        figures["lost"] = checker.lost
        after = await checker.check(Source(data=b"x = 1", language="Python"), STRICT)
        assert after.findings == ()
        assert max(resident_mib(pid) for pid in checker.pids) < MOST_RESIDENT_MIB
    # Out of time, out of memory, a parser that crashed: all of that ends by a signal. An exit would be our own bug.
    figures["endings"] = Counter(telemetry.failures)
    assert not [each for each in telemetry.failures if "signal" not in each]
    figures["own_growth_mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own_before) / 1024
    return figures


def test_hostile_shapes_of_a_kilobyte_to_64_are_answered():
    """Small sources are where crashes hide: none is waited for, none ends the orchestrator."""
    figures = asyncio.run(run_through([*shapes(1024), *shapes(64 * 1024)]))
    assert figures["longest_seconds"] < LONGEST_SECONDS
    assert figures["own_growth_mib"] < 64


def test_the_largest_hostile_sources_cost_bounded_time_and_memory():
    """100,000 brackets, a megabyte on one line, chains and nests of a megabyte."""
    worst = ["(", '"""', "f'", "a.", "a=>", "x=/[", "getattr(", "a\n[", "\\"]
    sources = [(unit * (MAX_CODE_BYTES // len(unit)))[:MAX_CODE_BYTES].encode() for unit in worst]
    figures = asyncio.run(run_through([b"[" * 100_000 + b"]" * 100_000, b"a" * (10 * MIB), *sources]))
    assert figures["longest_seconds"] < LONGEST_SECONDS
    assert figures["own_growth_mib"] < 128


def test_random_sources_are_answered():
    """More by SANDBOX_ORCH_FUZZ_SOURCES."""
    randomness = random.Random(4)
    count = int(os.environ.get("SANDBOX_ORCH_FUZZ_SOURCES", "150"))
    sources = (noise(randomness, randomness.choice((20, 200, 2000, 20_000))) for _ in range(count))
    figures = asyncio.run(run_through(sources))
    print(figures)  # noqa: T201 - the figures of a long run by hand
    assert figures["longest_seconds"] < LONGEST_SECONDS


async def test_a_flood_of_hostile_sources_does_not_hold_up_small_honest_ones():
    """Large sources share one process; the other always has its turn for small ones."""
    slow = [Source(data=b'"""' * 200_000 + str(n).encode(), language="JavaScript") for n in range(3)]
    async with open_checker(Telemetry()) as checker:
        await checker.check(Source(data=b"x = 0", language="Python"), STRICT)
        flood = [asyncio.create_task(checker.check(each, STRICT, within_seconds=60)) for each in slow]
        await asyncio.sleep(0)
        for number in range(20):
            report = await checker.check(Source(data=f"x = {number}".encode(), language="Python"), STRICT)
            assert report.findings == ()
        assert not all(task.done() for task in flood)
        assert all(report.is_rejected for report in await asyncio.gather(*flood))
