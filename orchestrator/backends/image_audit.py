"""Backends floor: judges the root file system of an image from its exported tar. It knows no engine.

What it looks for is what tenant code could use after it broke out of its interpreter: a shell, a compiler,
a file that makes it another user, a path that it may write; a secret; a file known to be bad; a library that
nothing needs. What is in the files is `image_contents.py`'s to say.
"""

from __future__ import annotations

import asyncio
import re
import tarfile
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from typing import IO

from orchestrator.backends.image_contents import (
    MAX_PACKAGES_BYTES,
    PACKAGES_PATH,
    ImageFile,
    ImagePackage,
    KnownBad,
    Linkage,
    examine,
    link_findings,
    read_packages,
)
from orchestrator.domain.errors import ImageBuildFailed

__all__ = ("FileSystemAudit", "audit_file_system", "findings_of")

MAX_EXPORT_BYTES = 4 * 1024**3
MAX_MEMBERS = 200_000
MAX_FINDINGS = 100

_SCRATCH = frozenset({"tmp", "work", "program"})
"""Mount points of the tmpfs; nobody sees what the image has below them, so nothing may be there."""

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
    files: tuple[ImageFile, ...] = ()
    """Every regular file with its digest, by path."""
    packages: tuple[ImagePackage, ...] = ()


async def audit_file_system(
    chunks: AsyncIterator[bytes],
    known_bad: KnownBad | None = None,
    *,
    allowed_programs: Collection[str] = (),
) -> FileSystemAudit:
    """Judge the tar that `chunks` make up, on disk rather than in memory, member by member.

    `known_bad` None means the list that comes with this package. `allowed_programs` are the paths that may be a
    shell or a compiler; each must be there.

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
        return await asyncio.to_thread(
            _audit_tar, spool, known_bad or KnownBad.load(), frozenset(allowed_programs)
        )


def _audit_tar(spool: IO[bytes], known_bad: KnownBad, allowed_programs: frozenset[str]) -> FileSystemAudit:
    walk = _Walk(known_bad, allowed_programs)
    try:
        with tarfile.open(fileobj=spool, mode="r:") as archive:
            for position, member in enumerate(archive):
                if position >= MAX_MEMBERS:
                    walk.findings.append(f"more than {MAX_MEMBERS} files; the rest was not looked at")
                    break
                walk.visit(archive, member)
    except tarfile.TarError as error:
        raise ImageBuildFailed(f"its exported file system cannot be read: {error}", step="verify") from None
    return walk.audit()


class _Walk:
    """What was seen so far on the way through one tar."""

    def __init__(self, known_bad: KnownBad, allowed_programs: frozenset[str]) -> None:
        self._known_bad = known_bad
        self._allowed_programs = allowed_programs
        self._count = self._content_bytes = 0
        self._files: list[ImageFile] = []
        self._linkages: list[Linkage] = []
        self._links: dict[str, str] = {}
        self._packages: tuple[ImagePackage, ...] = ()
        self.findings: list[str] = []

    def visit(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """One more member."""
        path = _path_of(member)
        self._count += not member.isdir()
        self._content_bytes += member.size
        self.findings.extend(findings_of(member, self._allowed_programs))
        if member.issym() or member.islnk():
            self._links[path] = member.linkname
        elif member.isfile():
            self._look_into(archive, member, path)

    def _look_into(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        stream = archive.extractfile(member)
        assert stream is not None  # noqa: S101 - a regular file has content
        with stream:
            file, linkage, findings = examine(path, stream, self._known_bad)
            if path == PACKAGES_PATH:
                stream.seek(0)
                text = stream.read(MAX_PACKAGES_BYTES).decode("utf-8", "replace")
                self._packages = tuple(read_packages(text))
        self._files.append(file)
        self._linkages += [linkage] if linkage else []
        self.findings.extend(findings)

    def audit(self) -> FileSystemAudit:
        """The verdict on the whole."""
        self.findings.extend(link_findings(self._linkages, self._links))
        there = {f"/{file.path}" for file in self._files}
        self.findings.extend(
            f"{path}: is declared in allowed_programs, and not in the image"
            for path in sorted(self._allowed_programs - there)
        )
        self.findings.extend(self._known_bad.findings_of_packages(self._packages))
        return FileSystemAudit(
            file_count=self._count,
            content_bytes=self._content_bytes,
            findings=tuple(self.findings[:MAX_FINDINGS]),
            files=tuple(sorted(self._files, key=lambda file: file.path)),
            packages=self._packages,
        )


def _path_of(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").rstrip("/")


def findings_of(member: tarfile.TarInfo, allowed_programs: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with one path of an image, one sentence each."""
    path = _path_of(member)
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
    # SECURITY: by its whole path, and a regular file only: nothing else of that name is let through
    # (tests/unit/test_image_contents.py).
    if not (member.isfile() and shown in allowed_programs):
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
