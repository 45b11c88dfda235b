"""The error that ended a job and those that led to it, as records: a name, a message, frames of the tenant's own files.

Owns the walk through causes, contexts and groups. Reads exceptions through `errors`, as the job's own error is.
Loaded only for jobs that ask for stack traces. Must not know descriptors or how the record travels.
"""

from __future__ import annotations

import errors
from pristine import BUILTINS as __builtins__  # noqa: F401

_MOST_ERRORS = 10
_MOST_FRAMES = 32
_LONGEST_MESSAGE = 2048


def describe(error: BaseException, source: str) -> dict[str, object]:
    """All errors that belong together; each after the one that it belongs to."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told: list[dict[str, object]] = []
    waiting = [(error, "thrown", None)]
    seen: set[int] = set()
    while waiting and len(told) < _MOST_ERRORS:
        one, relation, parent = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [(other, what, len(told)) for what, other in errors.related_to(one)]
        told.append(_record(one, relation, parent, lines))
    return {"errors": told, "cut": bool(waiting)}


def _record(error: BaseException, relation: str, parent: int | None, lines: list[str]) -> dict[str, object]:
    found = errors.places_of(error, lines)
    places = [place for place in found if type(place) is not int]
    frames = [[place.file, place.line, place.column, place.function] for place in reversed(places)]
    return {
        "name": errors.type_name(type(error)),
        "message": errors.cut(errors.message_of(error), _LONGEST_MESSAGE),
        "relation": relation,
        "parent": parent,
        "frames": [frame for frame in frames[:_MOST_FRAMES] if frame[1] is not None],
        "cut": len(places) != len(found) or len(frames) > _MOST_FRAMES,
    }
