"""One tenant floods a running `sandbox-orch serve`, another sends a job per second: what becomes of its latency.

sandbox-orch tenants set flood --rate-per-second 10000 --burst 100000
sandbox-orch keys create --tenant flood > flood.key        (and the same for a tenant `quiet`)
python bench/flood.py --flood-key flood.key --quiet-key quiet.key --jobs 5000 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

from load import OK, Connection, percentile

CODE = "import time; time.sleep(input / 1000); output = input"
BATCH = 100
LIMITS = {"wall_time_ms": 5000}


async def quiet(options: argparse.Namespace) -> list[float]:
    """A job of 50 ms every second; how long each took."""
    connection, took = Connection(options.host, options.port, options.quiet_key), []
    for _ in range(options.seconds):
        began = time.perf_counter()
        body = {"runtime": "python", "code": CODE, "input": 50, "limits": LIMITS}
        status, answer = await connection.ask("POST", "/v1/execute", body)
        if status != OK or answer["outcome"] != "succeeded":
            raise SystemExit(f"{status} {answer}")
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(max(0.0, 1 - took[-1] / 1000))
    connection.close()
    return took


async def flood(options: argparse.Namespace) -> int:
    """All jobs of the flood, as fast as they are taken; how many were."""
    connection, taken = Connection(options.host, options.port, options.flood_key), 0
    for _ in range(options.jobs // BATCH):
        body = {"runtime": "python", "code": CODE, "inputs": [20] * BATCH, "limits": LIMITS}
        _, answer = await connection.ask("POST", "/v1/jobs/batch", body)
        taken += sum(each["status"] == OK + 2 for each in answer["results"])
    connection.close()
    return taken


async def run(options: argparse.Namespace) -> None:
    """Alone, then beside the flood."""
    show("alone            ", await quiet(options))
    began = time.perf_counter()
    print(f"flood: {await flood(options)} jobs taken in {time.perf_counter() - began:.1f} s")
    show("beside the flood ", await quiet(options))


def show(name: str, took: list[float]) -> None:
    """One row."""
    figures = "  ".join(f"p{each} {percentile(took, each):7.1f}" for each in (50, 95, 99))
    print(f"{name} ms: {figures}  most {max(took):7.1f}  ({len(took)} jobs)")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--flood-key", type=Path, required=True)
    parser.add_argument("--quiet-key", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    place = urlsplit(options.url)
    options.host, options.port = place.hostname, place.port or 80
    options.flood_key = options.flood_key.read_text().strip()
    options.quiet_key = options.quiet_key.read_text().strip()
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
