"""One job as the supervisor needs it: who it is, how much it may say, what goes in and out beside the code.

Owns the check of a `job` frame's shape. Must not know code, input or entry point: those are the child's.
"""

from __future__ import annotations

from frames import ProtocolError

PAYLOAD_ROOM_BYTES = 4096  # what surrounds an output of `output_bytes`, docs/protocol.md

_SHAPE = {
    "job": str, "mode": str, "code": str, "input": str, "entrypoint": (str, type(None)),
    "allowed_globals": (list, type(None)), "stdin": str, "args": list, "files": dict, "limits": dict,
}  # fmt: skip


class Job:
    """The supervisor's view of a job. Immutable by convention, made by `from_wire` only."""

    __slots__ = ("files", "id", "is_debugged", "is_program", "output_bytes", "payload_bytes", "stdin")

    SAMPLE = {
        "job": "rehearsal", "mode": "function", "code": "output = 1", "input": "{}", "entrypoint": None,
        "allowed_globals": None, "stdin": "", "args": [], "files": {},
        "limits": {"output_bytes": 1, "cpu_time_ms": 1, "disk_bytes": 1},
    }  # fmt: skip

    @classmethod
    def from_wire(cls, fields: dict[str, object]) -> Job:
        """The job of a frame. Raises ProtocolError naming the first field of another shape."""
        for name, kinds in _SHAPE.items():
            if not isinstance(fields.get(name, Ellipsis), kinds):
                raise ProtocolError(f"a job whose {name} has no proper value")
        if fields["mode"] not in ("function", "program"):
            raise ProtocolError("a job of an unknown mode")
        for name in ("output_bytes", "cpu_time_ms", "disk_bytes"):
            if type(fields["limits"].get(name)) is not int or fields["limits"][name] <= 0:
                raise ProtocolError(f"a job whose limits.{name} is no positive whole number")
        if not isinstance(fields.get("debug", {}), dict):
            raise ProtocolError("a job whose debug has no proper value")
        return cls(fields)

    def __init__(self, fields: dict[str, object]) -> None:
        self.id = fields["job"]
        self.is_program = fields["mode"] == "program"
        self.output_bytes = fields["limits"]["output_bytes"]
        self.payload_bytes = self.output_bytes + PAYLOAD_ROOM_BYTES
        self.stdin = fields["stdin"].encode("utf-8", "replace") if self.is_program else b""
        self.files = fields["files"]
        self.is_debugged = "debug" in fields
