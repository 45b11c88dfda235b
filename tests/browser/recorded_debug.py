"""What debug mode recorded of a small job, in the wire form of `result.debug`."""

from __future__ import annotations

__all__ = ("DEBUG", "SOURCE", "place", "value")

SOURCE = (
    "def double(value):\n    twice = value * 2\n    return twice\n\ntotal = double(input)\noutput = total\n"
)


def value(text: str, kind: str = "int", *entries: tuple[str, dict]) -> dict:
    """A value as it was."""
    return {
        "type": kind,
        "text": text,
        "entries": [{"name": name, "value": each} for name, each in entries],
        "truncated": False,
    }


def place(line: int, function: str | None = None, column: int | None = None) -> dict:
    """A place in the tenant's file."""
    return {"file": "job.py", "line": line, "column": column, "function": function}


def _entry(at_ms: float, stream: str, level: str, line: int, *arguments: dict) -> dict:
    return {
        "at_ms": at_ms, "stream": stream, "level": level, "arguments": list(arguments), "position": place(line),
        "truncated": False,
    }  # fmt: skip


def _error(name: str, message: str, relation: str, parent: int | None) -> dict:
    excerpt = [{"line": 1, "text": "def double(value):"}, {"line": 2, "text": "    twice = value * 2"}]
    frames = [{"position": place(2, "double", 5), "excerpt": excerpt}]
    return {
        "name": name, "message": message, "relation": relation, "parent": parent, "frames": frames, "truncated": False,
    }  # fmt: skip


def _step(line: int, function: str | None, depth: int, event: str = "line", **changed: str) -> dict:
    return {
        "event": event, "position": place(line, function), "depth": depth, "truncated": False,
        "changed": [{"name": name, "value": value(text)} for name, text in changed.items()],
        "value": value("6") if event == "return" else None,
    }  # fmt: skip


def _node(number: int, name: str, line: int, children: list[int]) -> dict:
    frame = {"functionName": name, "scriptId": "1", "url": "job.js", "lineNumber": line, "columnNumber": 0}
    return {"id": number, "callFrame": frame, "hitCount": 0, "children": children}


DEBUG = {
    "console": [
        _entry(0.5, "stdout", "print", 5, value("hello", "str"), value("{'n': 1}", "dict", ("n", value("1")))),
        _entry(1.25, "stderr", "error", 6, value("oh", "str")),
    ],
    "errors": [_error("RuntimeError", "no", "thrown", None), _error("ValueError", "too small", "cause", 0)],
    "profile": {
        "format": "cpuprofile",
        "content": {
            "nodes": [_node(1, "(root)", -1, [2]), _node(2, "main", 4, [3]), _node(3, "double", 0, [])],
            "startTime": 0, "endTime": 10_000, "samples": [2, 3, 3], "timeDeltas": [4000, 3000, 3000],
        },
        "complete": True,
    },
    "steps": [
        _step(5, None, 0, input="3"),
        _step(2, "double", 1, value="3"),
        _step(3, "double", 1, twice="6"),
        _step(3, "double", 1, "return"),
        _step(6, None, 0, total="6"),
        _step(6, None, 0, "return", output="6"),
    ],
    "truncated": ["steps"],
    "unreadable": 0,
}  # fmt: skip
