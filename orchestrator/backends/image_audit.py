"""Backends floor: judges the root file system of an image from its exported tar. It knows no engine.

What it looks for is what tenant code could use after it broke out of its interpreter: a shell, a compiler,
a file that makes it another user, a path that it may write.
"""

from __future__ import annotations

import asyncio
import re
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO

from orchestrator.domain.errors import ImageBuildFailed

__all__ = ("FileSystemAudit", "audit_file_system", "findings_of")

MAX_EXPORT_BYTES = 4 * 1024**3
MAX_MEMBERS = 200_000
MAX_FINDINGS = 100

_SCRATCH = frozenset({"tmp", "work"})
"""Mount points of the two tmpfs; nobody sees what the image has below them, so nothing may be there."""

_VERSION = r"(-?[0-9][0-9.]*)?"
_SHELLS = re.compile(rf"(ba|da|a|z|k|mk|c|tc|fi|y|r|x|elvi)?sh{_VERSION}|busybox|toybox|nu|pwsh")
_INSTALLERS = re.compile(
    rf"(apt|dpkg)(-[a-z-]+)?|aptitude|rpm|dnf|yum|apk|snap|flatpak|conda|uv|easy_install{_VERSION}"
    rf"|pip{_VERSION}|npm|npx|corepack|yarn|pnpm"
)
_COMPILERS = re.compile(
    rf"(.+-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|clang\+\+|tcc|rustc|as|ld|make|node-gyp){_VERSION}"
)

_ANY_SET_ID = 0o6000
_OTHERS_WRITE = 0o002
_ANY_EXECUTE = 0o111


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemAudit:
    """What one walk through the file system showed; `findings` is empty where all is as it must be."""

    file_count: int
    content_bytes: int
    findings: tuple[str, ...]


async def audit_file_system(chunks: AsyncIterator[bytes]) -> FileSystemAudit:
    """Judge the tar that `chunks` make up, on disk rather than in memory, member by member.

    Raises ImageBuildFailed where it is no tar, or larger than any image of ours could be.
    """
    with tempfile.TemporaryFile() as spool:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > MAX_EXPORT_BYTES:
                raise ImageBuildFailed(f"the image is larger than {MAX_EXPORT_BYTES} bytes", step="verify")
            spool.write(chunk)
        spool.seek(0)
        return await asyncio.to_thread(_audit_tar, spool)


def _audit_tar(spool: IO[bytes]) -> FileSystemAudit:
    files = content_bytes = 0
    findings: list[str] = []
    try:
        with tarfile.open(fileobj=spool, mode="r:") as archive:
            for position, member in enumerate(archive):
                if position >= MAX_MEMBERS:
                    findings.append(f"more than {MAX_MEMBERS} files; the rest was not looked at")
                    break
                files += not member.isdir()
                content_bytes += member.size
                findings.extend(findings_of(member))
    except tarfile.TarError as error:
        raise ImageBuildFailed(f"its exported file system cannot be read: {error}", step="verify") from None
    return FileSystemAudit(
        file_count=files, content_bytes=content_bytes, findings=tuple(findings[:MAX_FINDINGS])
    )


def findings_of(member: tarfile.TarInfo) -> Iterator[str]:
    """What is wrong with one path of an image, one sentence each."""
    path = member.name.removeprefix("./").rstrip("/")
    shown = f"/{path}"
    if member.mode & _ANY_SET_ID:
        yield f"{shown}: runs as another user or group (mode {member.mode:04o})"
    if "SCHILY.xattr.security.capability" in member.pax_headers:
        yield f"{shown}: has file capabilities"
    if member.mode & _OTHERS_WRITE and not member.issym() and path not in _SCRATCH:
        yield f"{shown}: everyone may write to it (mode {member.mode:04o})"
    if member.uid or member.gid:
        yield f"{shown}: belongs to {member.uid}:{member.gid}, not to root"
    if member.ischr() or member.isblk():
        yield f"{shown}: is a device"
    if path.partition("/")[0] in _SCRATCH and path not in _SCRATCH:
        yield f"{shown}: lies below a mount point, where nobody will see it"
    yield from _findings_of_program(member, shown)


def _findings_of_program(member: tarfile.TarInfo, shown: str) -> Iterator[str]:
    is_program = member.isfile() or member.islnk() or member.issym()
    if not is_program or not (member.issym() or member.mode & _ANY_EXECUTE):
        return
    name = shown.rpartition("/")[2]
    for pattern, what in (
        (_SHELLS, "a shell"),
        (_INSTALLERS, "a package manager"),
        (_COMPILERS, "a compiler"),
    ):
        if pattern.fullmatch(name):
            yield f"{shown}: is {what}"
