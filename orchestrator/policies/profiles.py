"""Policies floor: a runner's raw profile, as the documents that other tools open. Pure; the raw one is hostile data.

Only what was checked is copied. A profile names the tenant's own functions, and four states of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from orchestrator.domain.bounds import cut
from orchestrator.domain.debug import MAX_NAME, MAX_PROFILE_NODES, MAX_PROFILE_SAMPLES, MAX_STACK_ENTRIES

__all__ = ("SPEEDSCOPE_SCHEMA", "cpuprofile_of", "speedscope_of")

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
SOURCE = "job.js"
ENGINE_STATES = ("(root)", "(program)", "(idle)", "(garbage collector)")
"""V8's own nodes, which every viewer knows."""
MAX_FIGURE = 2**53
OWN_SCRIPT, NO_SCRIPT = "1", "0"

Made = tuple[dict[str, Any], bool]
"""The document, and whether all of the raw profile is in it."""


def cpuprofile_of(raw: Mapping[str, object]) -> Made | None:
    """V8's `.cpuprofile` of `nodes` ([parent, name, own, line, column, hits]), `samples` and `deltas`."""
    rows, samples, deltas = (_list(raw.get(name)) for name in ("nodes", "samples", "deltas"))
    start, end = raw.get("start"), raw.get("end")
    if not _is_figure(start) or not _is_figure(end) or len(samples) != len(deltas):
        return None
    if not rows or len(rows) > MAX_PROFILE_NODES:
        return None
    nodes = [_node(row, number) for number, row in enumerate(rows)]
    for number, row in enumerate(rows):
        if (node := nodes[number]) is None:
            return None
        if number:
            nodes[row[0]]["children"].append(node["id"])
    kept = min(len(samples), MAX_PROFILE_SAMPLES)
    if not all(_is_index(each, len(nodes)) for each in samples[:kept]):
        return None
    if not all(_is_figure(each) for each in deltas[:kept]):
        return None
    content = {
        "nodes": nodes,
        "startTime": start,
        "endTime": max(start, end),
        "samples": [each + 1 for each in samples[:kept]],
        "timeDeltas": deltas[:kept],
    }
    return content, kept == len(samples)


def _node(row: Any, number: int) -> dict[str, Any] | None:
    if not isinstance(row, list) or len(row) != 6:  # noqa: PLR2004 - the six of the docstring above
        return None
    parent, name, own, line, column, hits = row
    if number and not _is_index(parent, number):
        return None
    if not isinstance(name, str) or not all(_is_figure(each) for each in (line, column, hits)):
        return None
    if own is not True and name not in ENGINE_STATES:
        return None
    return {
        "id": number + 1,
        "callFrame": {
            "functionName": _name(name),
            "scriptId": OWN_SCRIPT if own is True else NO_SCRIPT,
            "url": SOURCE if own is True else "",
            "lineNumber": line if own is True else -1,
            "columnNumber": column if own is True else -1,
        },
        "hitCount": hits,
        "children": [],
    }


def speedscope_of(raw: Mapping[str, object]) -> Made | None:
    """Speedscope's JSON of `frames` ([name, file, line]) and `nodes` ([parent or null, frame, nanoseconds])."""
    frames, rows = [_frame(each) for each in _list(raw.get("frames"))], _list(raw.get("nodes"))
    if None in frames or len(frames) > MAX_PROFILE_NODES or len(rows) > MAX_PROFILE_NODES:
        return None
    stacks = _stacks(rows, len(frames))
    if stacks is None:
        return None
    kept = [(stack, row[2]) for stack, row in zip(stacks, rows, strict=True) if stack and row[2]]
    weights = [nanoseconds for _, nanoseconds in kept]
    profile = {
        "type": "sampled",
        "name": "CPU",
        "unit": "nanoseconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [stack for stack, _ in kept],
        "weights": weights,
    }
    content = {
        "$schema": SPEEDSCOPE_SCHEMA,
        "shared": {"frames": frames},
        "profiles": [profile],
        "name": "job.py",
        "activeProfileIndex": 0,
        "exporter": "sandbox-orch",
    }
    return content, None not in stacks


def _stacks(rows: Sequence[Any], frames: int) -> list[list[int] | None] | None:
    """The stack of each node: that of its parent, and its own frame. None stands for those beyond the bound."""
    stacks: list[list[int] | None] = []
    entries = 0
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 3:  # noqa: PLR2004 - the three of the docstring above
            return None
        parent, frame, nanoseconds = row
        if not (parent is None or _is_index(parent, number)) or not _is_index(frame, frames):
            return None
        if not _is_figure(nanoseconds):
            return None
        above = [] if parent is None else stacks[parent]
        entries += 0 if above is None else len(above) + 1
        stacks.append(None if above is None or entries > MAX_STACK_ENTRIES else [*above, frame])
    return stacks


def _frame(value: object) -> dict[str, Any] | None:
    if not isinstance(value, list) or len(value) != 3:  # noqa: PLR2004 - name, file, line
        return None
    name, file, line = value
    if not isinstance(name, str) or not isinstance(file, str) or not _is_figure(line):
        return None
    return {"name": _name(name), "file": _name(file), "line": line}


def _name(text: str) -> str:
    return cut(text.encode("utf-8", "replace").decode(), MAX_NAME)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_figure(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_FIGURE


def _is_index(value: object, length: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length
