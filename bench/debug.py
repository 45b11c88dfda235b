"""Measures what each part of debug mode costs a job, and the ratio to the same job without, in one run.

Two rows for each job: milliseconds by the clock, and of CPU by the kernel's count, which other work disturbs less.

    .venv/bin/python bench/debug.py [SAMPLES]

Figures are of this machine: from the job's injection to its result, the container warm and never used before.
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from orchestrator import JobSpec, Limits, Orchestrator, load_settings
from orchestrator.domain.debug import DebugOptions

PARTS = {
    "off": None,
    "console": DebugOptions(console=True),
    "stack_traces": DebugOptions(stack_traces=True),
    "profile": DebugOptions(profile=True),
    "steps": DebugOptions(steps=True),
    "all": DebugOptions(console=True, stack_traces=True, profile=True, steps=True),
}
JOBS = {
    "node": {
        "trivial": "output = input + 1;",
        "100 calls of the console": "for (let i = 0; i < 100; i++) console.log('line', i); output = 1;",
        "an error with a cause": "try { null.x; } catch (cause) { throw new Error('outer', {cause}); }",
        "20,000 calls of a function": (
            "function f(x) { return x * 2 % 7; }\nlet s = 0;\n"
            "for (let i = 0; i < 20000; i++) {\n  s += f(i);\n}\noutput = s;"
        ),
        "200 lines": "let s = 0;\nfor (let i = 0; i < 100; i++) {\n  s += i;\n}\noutput = s;",
    },
    "python": {
        "trivial": "output = input + 1",
        "100 calls of the console": "for i in range(100): print('line', i)\noutput = 1",
        "an error with a cause": (
            "try:\n    None.x\nexcept AttributeError as cause:\n    raise ValueError('outer') from cause"
        ),
        "20,000 calls of a function": (
            "def f(x): return x * 2 % 7\ns = 0\nfor i in range(20000):\n    s += f(i)\noutput = s"
        ),
        "200 lines": "s = 0\nfor i in range(100):\n    s += i\noutput = s",
    },
}
LIMITS = Limits(wall_time_ms=20_000, cpu_time_ms=20_000)


async def measured(orchestrator: Orchestrator, spec: JobSpec) -> tuple[float, float]:
    """One job on a container that stands warm; only the job itself is timed."""
    await orchestrator.wait_until_warm(within_seconds=60)
    result = await orchestrator.execute(spec)
    if result.outcome not in ("succeeded", "error"):
        sys.exit(f"{result.outcome}: {result.error}")
    return result.timing.run_ms, result.usage.cpu_ms or 0.0


async def measure(samples: int) -> None:
    settings = load_settings(warm_target=2, queue_seconds=60, policy="open")
    async with Orchestrator.open(settings) as orchestrator:
        await orchestrator.wait_until_warm(within_seconds=120)
        for runtime, jobs in JOBS.items():
            print(f"{runtime:28}" + "".join(f"{name:>20}" for name in PARTS))
            for title, code in jobs.items():
                times: dict[str, list[tuple[float, float]]] = {name: [] for name in PARTS}
                for _ in range(samples):  # in turns, so that a slow minute of the machine is in all of them
                    for name, debug in PARTS.items():
                        spec = JobSpec(runtime=runtime, code=code, input_json="1", limits=LIMITS, debug=debug)
                        times[name].append(await measured(orchestrator, spec))
                for number, what in enumerate((title, "  CPU")):
                    middle = {
                        name: statistics.median(each[number] for each in taken)
                        for name, taken in times.items()
                    }
                    cells = (f"{ms:8.2f} ms {ms / middle['off']:6.1f}x" for ms in middle.values())
                    print(f"  {what:26}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
