"""Load on a running `sandbox-orch serve`: throughput, what HTTP adds to a job, and whether every answer is right.

    python bench/load.py --url http://127.0.0.1:8080 --key-file DATA/admin.key --clients 1 8 64 512 --seconds 20

Each client asks, waits for the answer, and asks again, over one connection. Every request has an input of its own,
which its answer must bring back; ids must not repeat; the server must have finished exactly the jobs it answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

OK = 200


@dataclass
class Connection:
    """One HTTP/1.1 connection that is kept: as little client as possible, since it shares the machine."""

    host: str
    port: int
    key: str
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.host, self.port, limit=2**24)
        reader, writer = self.streams
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        payload = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return int(lines[0].split()[1]), json.loads(payload) if payload[:1] == b"{" else {}

    def close(self) -> None:
        """Hang up."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


@dataclass
class Tally:
    """What came of one run."""

    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)
    mixed_up: int = 0
    lost: int = 0

    def note(self, status: int, answer: dict[str, Any], token: str, took_ms: float) -> None:
        """One answer."""
        outcome = answer.get("outcome") if status == OK else answer.get("type", "").rpartition(":")[2]
        self.statuses[f"{status} {outcome}"] += 1
        if status != OK:
            return
        self.ids[answer["id"]] += 1
        if outcome == "succeeded":
            self.mixed_up += answer["output"] != token
            self.latencies_ms.append(took_ms)
            self.added_ms.append(took_ms - answer["timing"]["collected_ms"])

    @classmethod
    def of(cls, parts: list[Self]) -> Self:
        """All clients together."""
        whole = cls()
        for part in parts:
            whole.statuses += part.statuses
            whole.latencies_ms += part.latencies_ms
            whole.added_ms += part.added_ms
            whole.ids += part.ids
            whole.mixed_up += part.mixed_up
            whole.lost += part.lost
        return whole


async def one_client(options: argparse.Namespace, number: int, until: float, runtime: str) -> Tally:
    """Ask, wait, ask again; after a refusal, a moment's rest."""
    tally, connection, asked = Tally(), Connection(options.host, options.port, options.key), 0
    while time.perf_counter() < until:
        token = f"{number}/{asked}"
        asked += 1
        body = {"runtime": runtime, "code": "output = input", "input": token}
        began = time.perf_counter()
        try:
            status, answer = await connection.ask("POST", "/v1/execute", body)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            tally.lost += 1
            connection.close()
            continue
        tally.note(status, answer, token, (time.perf_counter() - began) * 1000)
        await asyncio.sleep(options.pause if status == OK else 0.2)
    connection.close()
    return tally


async def run(options: argparse.Namespace, clients: int) -> bool:
    """One row; whether every answer was right."""
    before = await jobs_kept(options)
    began = time.perf_counter()
    until = began + options.seconds
    parts = await asyncio.gather(
        *(one_client(options, number, until, options.runtime) for number in range(clients))
    )
    took = time.perf_counter() - began
    tally = Tally.of(list(parts))
    answered = tally.ids.total()
    duplicated = answered - len(tally.ids)
    kept = await jobs_kept(options) - before
    right = not (tally.lost or tally.mixed_up or duplicated) and kept == answered
    print(
        f"{clients:4} clients: {len(tally.latencies_ms) / took:7.1f} jobs/s"
        f"  latency ms p50 {percentile(tally.latencies_ms, 50):8.2f} p99 {percentile(tally.latencies_ms, 99):8.2f}"
        f"  HTTP adds ms p50 {percentile(tally.added_ms, 50):6.2f} p99 {percentile(tally.added_ms, 99):6.2f}"
        f"  lost {tally.lost} duplicated {duplicated} mixed up {tally.mixed_up} kept {kept}/{answered}"
        f"  {dict(tally.statuses)}"
    )
    return right


async def jobs_kept(options: argparse.Namespace) -> int:
    """How many finished jobs the server remembers."""
    operator = Connection(options.host, options.port, options.key)
    _, figures = await operator.ask("GET", "/v1/stats")
    operator.close()
    return int(figures["total"])


def percentile(values: list[float], percent: int) -> float:
    """By nearest rank; not a number where there are none."""
    if not values:
        return float("nan")
    values = values * 2 if len(values) == 1 else values
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between a client's requests")
    parser.add_argument("--runtime", default="python")
    options = parser.parse_args()
    place = urlsplit(options.url)
    options.host, options.port = place.hostname, place.port or 80
    options.key = options.key_file.read_text().strip()
    rows = [asyncio.run(run(options, clients)) for clients in options.clients]
    sys.exit(0 if all(rows) else 1)


if __name__ == "__main__":
    main()
