"""Backends floor: reads the seccomp profiles under `seccomp/` into what the engine takes. It knows no engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backends.runtime_files import seccomp_folder
from orchestrator.domain.errors import ConfigurationError

__all__ = ("SeccompProfile", "load_profile")

_MAX_PROFILE_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class SeccompProfile:
    """A profile in Docker's format, on one line: passed inline, so that no file on the engine's host decides."""

    json_text: str
    digest: str
    """`sha256:…` of `json_text`, for receipts."""


def load_profile(name: str, folder: Path | None = None) -> SeccompProfile:
    """The profile `<name>.json` of `folder`, by default the one that comes with the package.

    Raises ConfigurationError where it is missing, is no JSON, or allows what it does not list.
    """
    file = (folder or seccomp_folder()) / f"{name}.json"
    profile = _read_object(file)
    # SECURITY: what is in no list must be refused, and with an errno: killing would hide honest probes as
    # crashes (test_seccomp_profiles.py::test_a_profile_that_allows_by_default_is_refused).
    if profile.get("defaultAction") != "SCMP_ACT_ERRNO":
        raise ConfigurationError(
            f"{file}: defaultAction must be SCMP_ACT_ERRNO: what is not listed is denied"
        )
    if not isinstance(profile.get("syscalls"), list) or not profile["syscalls"]:
        raise ConfigurationError(f"{file}: syscalls must be the list of its rules")
    text = json.dumps(profile, separators=(",", ":"))
    return SeccompProfile(json_text=text, digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


def _read_object(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            profile = json.loads(stream.read(_MAX_PROFILE_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
    if not isinstance(profile, dict):
        raise ConfigurationError(f"{file}: not a JSON object")
    return profile
