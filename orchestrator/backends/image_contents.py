"""Backends floor: looks into the files of an image: their digests, what they link to, what must not be there.

It gets one open file at a time and knows neither tars nor engines.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import IO, Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from orchestrator.domain.errors import ConfigurationError

__all__ = ("ImageFile", "ImagePackage", "KnownBad", "Linkage", "examine", "link_findings", "read_packages")

PACKAGES_PATH = "usr/share/sandbox-orch/packages.txt"
"""Where `images/finish.sh` writes which packages an image's files are from."""

MAX_PACKAGES_BYTES = 1024**2
MAX_KNOWN_BAD_BYTES = 64 * 1024**2
_CHUNK_BYTES = 1024**2
_OVERLAP_BYTES = 128
_ELF_MAGIC = b"\x7fELF"

_SECRET = re.compile(rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----\s*[A-Za-z0-9+/]")
_SECRET_NAMES = re.compile(
    r"id_(rsa|dsa|ecdsa|ed25519)|\.(netrc|npmrc|pypirc|env|pgpass|git-credentials)|shadow-?|.+\.(key|p12|pfx)"
)
_LOADED_BY_NAME = frozenset({"libgcc_s.so.1"})
"""The C library loads it when a thread is cancelled, without linking to it."""
_LIBRARY = re.compile(r"lib.+\.so(\.[0-9.]+)?")
_SHA256_LINE = re.compile(r"([0-9a-fA-F]{64})(?:[ \t]+[* ]?(\S.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """One regular file of an image."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackage:
    """A package that files of an image are from: `ecosystem` is `deb`, `pypi` or `npm`."""

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """What an ELF file asks the loader for."""

    path: str
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBad:
    """Files and packages that no image may have, each with the reason."""

    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 in lower case to what that file is."""
    packages: tuple[tuple[str, str, str], ...] = ()
    """Name, pattern of versions (as of a shell), reason."""

    @classmethod
    def load(cls, own_list: Path | None = None) -> KnownBad:
        """Those that come with this package, and an operator's `own_list` as `sha256sum` writes it.

        Raises ConfigurationError, naming the line, where the list is none.
        """
        shipped = tomllib.loads(resources.files(__package__).joinpath("known_bad.toml").read_text("utf-8"))
        digests = {str(row["sha256"]): str(row["what"]) for row in shipped["file"]}
        packages = tuple((row["name"], row["version"], row["what"]) for row in shipped["package"])
        if own_list is not None:
            digests |= dict(_read_digests(own_list))
        return cls(digests=digests, packages=packages)

    def findings_of_packages(self, packages: Iterable[ImagePackage]) -> Iterator[str]:
        """A sentence for each package that must not be there."""
        for package in packages:
            for name, version, what in self.packages:
                if package.name == name and fnmatch.fnmatchcase(package.version, version):
                    yield f"package {name} {package.version}: known bad, {what}"


def _read_digests(path: Path) -> Iterator[tuple[str, str]]:
    try:
        if path.stat().st_size > MAX_KNOWN_BAD_BYTES:
            raise ConfigurationError(f"{path}: larger than {MAX_KNOWN_BAD_BYTES} bytes")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        row = _SHA256_LINE.fullmatch(line.strip())
        if row is None:
            raise ConfigurationError(f"{path}:{number}: is no line of sha256sum (64 hex digits, then a name)")
        yield row[1].lower(), f"{row[2] or 'listed'} in {path.name}"


def examine(path: str, stream: IO[bytes], known_bad: KnownBad) -> tuple[ImageFile, Linkage | None, list[str]]:
    """One file: what it is, what it links to where it is ELF, and what is wrong with it."""
    digest, size, held_key = hashlib.sha256(), 0, False
    tail = b""
    is_elf = stream.read(len(_ELF_MAGIC)) == _ELF_MAGIC
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        # A program may hold the words to look for; a key is in a file of its own.
        held_key = held_key or (not is_elf and _SECRET.search(tail + chunk) is not None)
        tail = chunk[-_OVERLAP_BYTES:]
    file = ImageFile(path=path, size_bytes=size, sha256=digest.hexdigest())
    findings = []
    if held_key or _SECRET_NAMES.fullmatch(path.rpartition("/")[2]):
        findings.append(f"/{path}: is or holds a secret")
    if what := known_bad.digests.get(file.sha256):
        findings.append(f"/{path}: known bad, {what}")
    linkage, problem = _linkage_of(path, stream) if is_elf else (None, None)
    return file, linkage, [*findings, *([problem] if problem else [])]


def _linkage_of(path: str, stream: IO[bytes]) -> tuple[Linkage | None, str | None]:
    try:
        dynamic = [part for part in ELFFile(stream).iter_segments() if isinstance(part, DynamicSegment)]
        tags: list[Any] = [tag for part in dynamic for tag in part.iter_tags("DT_NEEDED")]
        return Linkage(path=path, needed=tuple(tag.needed for tag in tags)), None
    except (ELFError, ValueError, KeyError, UnicodeDecodeError) as error:
        return None, f"/{path}: is no whole ELF file: {error}"


def link_findings(linkages: Iterable[Linkage], links: dict[str, str]) -> Iterator[str]:
    """Libraries that nothing in the image links to, and such as are linked to and missing.

    `links` maps the paths of symbolic links to their targets.
    """
    linkages = list(linkages)
    needed = {name for linkage in linkages for name in linkage.needed}
    there = {linkage.path.rpartition("/")[2] for linkage in linkages}
    names = {path.rpartition("/")[2]: target.rpartition("/")[2] for path, target in links.items()}
    used = needed | {names[name] for name in needed if name in names}
    for linkage in linkages:
        name = linkage.path.rpartition("/")[2]
        is_loader = name.startswith("ld-")
        if _LIBRARY.fullmatch(name) and name not in used | _LOADED_BY_NAME and not is_loader:
            yield f"/{linkage.path}: nothing in the image links to it"
    for name in sorted(needed - there - set(names)):
        yield f"{name}: linked to, and not in the image"


def read_packages(text: str) -> Iterator[ImagePackage]:
    """The lines that `images/finish.sh` wrote: `[ECOSYSTEM/]NAME VERSION`, Debian's where none is named."""
    for line in text.splitlines():
        name, _, version = line.strip().partition(" ")
        ecosystem, slash, bare = name.partition("/")
        if version:
            yield ImagePackage(
                ecosystem=ecosystem if slash else "deb", name=bare if slash else name, version=version
            )
