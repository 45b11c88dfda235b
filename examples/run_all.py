"""Runs the three use cases in every language, through the library, and prints each result.

Exit code 0 only if each gave what it should. `./quickstart` ends with this; the tests run it too.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from orchestrator.bootstrap import open_orchestrator
from orchestrator.config import load_settings
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.job import JobSpec

HERE = Path(__file__).parent

USE_CASES = {
    "data_transformation": (
        [
            {"id": 1, "name": "apple", "price": 0.5, "quantity": 10},
            {"id": 2, "name": "banana", "price": 0.3, "quantity": 15},
        ],
        [{"id": 1, "name": "APPLE", "total": 5}, {"id": 2, "name": "BANANA", "total": 4.5}],
    ),
    "custom_validator": (
        {"email": "nobody", "age": 17},
        {"valid": False, "errors": ["Invalid email", "Must be 18 or older"]},
    ),
    "math_expression": ({"x": 2, "y": 3, "z": 6}, 7),
}
LANGUAGES = {"node": ".js", "python": ".py"}
WARM_WITHIN_SECONDS = 120


async def main() -> int:
    """Run all; answer how many went wrong."""
    wrong = 0
    async with open_orchestrator(load_settings(warm_target=2)) as orchestrator:
        for name, (given, wanted) in USE_CASES.items():
            for runtime, suffix in LANGUAGES.items():
                await orchestrator.wait_until_warm(within_seconds=WARM_WITHIN_SECONDS)
                code = (HERE / f"{name}{suffix}").read_text(encoding="utf-8")
                spec = JobSpec(runtime=runtime, code=code, input_json=json.dumps(given))
                result = await orchestrator.execute(spec)
                is_right = result.success and result.output == wanted
                wrong += not is_right
                print(
                    f"{'✓' if is_right else '✗'} {name + suffix:24} {result.outcome:10} "
                    f"{result.timing.total_ms:6.1f} ms  {json.dumps(result.output)}"
                )
                if result.error is not None:
                    print(f"  {result.error.name}: {result.error.message}")
    return wrong


if __name__ == "__main__":
    try:
        sys.exit(1 if asyncio.run(main()) else 0)
    except OrchestratorError as error:
        sys.exit(f"error: {error}")
