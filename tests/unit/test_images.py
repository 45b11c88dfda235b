"""Runtime definitions, build contexts, the image builder and the judge of an image's files, without an engine."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from orchestrator.backends import debian_base
from orchestrator.backends.image_audit import audit_file_system
from orchestrator.backends.image_context import BuildEnvironment, Recipe
from orchestrator.backends.images import (
    BASE_IMAGE,
    LABEL_SOURCE_DIGEST,
    ImageBuilder,
    images_folder,
    load_runtimes,
    seccomp_folder,
)
from orchestrator.domain.errors import (
    ConfigurationError,
    ImageBuildFailed,
    ImageMissing,
    RuntimeDefinitionError,
)

REPOSITORY_IMAGES = images_folder()


@pytest.fixture
def folder(tmp_path):
    """A folder of images with one small runtime, `python`, whose definition is the real one."""
    place = tmp_path / "images"
    (place / "python").mkdir(parents=True)
    shutil.copy(REPOSITORY_IMAGES / "python" / "runtime.toml", place / "python")
    (place / "python" / "Dockerfile").write_text("FROM scratch\n")
    (place / "python" / "runner.py").write_text("print()\n")
    (place / "pause.c").write_text("int main;\n")
    (place / "install.sh").write_text("#!/bin/sh\n")
    return place


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "python" / "runtime.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# -- runtime.toml -----------------------------------------------------------------------------------


def test_every_runtime_of_this_repository_is_well_defined():
    """The definitions that come with the package load, and each has a recipe and stays under its maximum."""
    runtimes = load_runtimes(REPOSITORY_IMAGES)
    assert {"node", "python"} <= set(runtimes)
    for name, runtime in runtimes.items():
        assert runtime.name == name
        assert runtime.ceiling.exceeding(runtime.maximum) is None
        assert (REPOSITORY_IMAGES / name / "Dockerfile").is_file()


def test_seccomp_folder_lies_beside_the_images(monkeypatch, tmp_path):
    """Profiles and images are found beside the package; where a folder is missing, the error names it."""
    (tmp_path / "orchestrator").mkdir()
    (tmp_path / "images").mkdir()
    monkeypatch.setattr("orchestrator.__file__", str(tmp_path / "orchestrator" / "__init__.py"))
    assert images_folder() == tmp_path / "images"
    with pytest.raises(ConfigurationError, match="'seccomp'"):
        seccomp_folder()


def test_installed_package_has_its_own_images(monkeypatch, tmp_path):
    """Inside a wheel the recipes travel in the package, and are preferred to what lies beside it."""
    (tmp_path / "orchestrator" / "_data" / "images").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    monkeypatch.setattr("orchestrator.__file__", str(tmp_path / "orchestrator" / "__init__.py"))
    assert images_folder() == tmp_path / "orchestrator" / "_data" / "images"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('language = "Python"', 'language = "Python"\ncolour = "red"', "colour: "),
        ('language = "Python"\n', "", "language: "),
        ('language = "Python"', "language = 3", "language: "),
        ('name = "python"', 'name = "../python"', "name: "),
        ('name = "python"', 'name = "snake"', "name: must be that of its folder"),
        ('modes = ["function", "program"]', 'modes = ["functions"]', "modes.0: "),
        ("sandbox-orch/python:3.13-3", "sandbox-orch/python", "image: "),
        ('"/usr/bin/python3.13", "-I"', '"python3.13", "-I"', "runner_argv: "),
        ("processes = 4 ", "processes = 0 ", "interpreter.processes: "),
        ("processes = 4 ", "processes = true ", "interpreter.processes: "),
        ("memory_bytes = 134_217_728", "memory_bytes = 9_999_999_999", "ceiling.memory_bytes: "),
        ("memory_bytes = 134_217_728", "memory_megabytes = 128", "ceiling.memory_bytes: "),
        ('PATH = "/usr/bin"', '"A=B" = ""', "environment.A=B"),
        ('name = "python"', "name = ", "runtime.toml: "),
    ],
)
def test_wrong_definition_names_file_and_key(folder, old, new, said):
    """Whatever is wrong with a runtime.toml, the error is one line that names the file and the key."""
    edit(folder, old, new)
    with pytest.raises(RuntimeDefinitionError) as caught:
        load_runtimes(folder)
    assert str(caught.value).startswith(str(folder / "python" / "runtime.toml"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_without_runtimes_is_an_error(tmp_path):
    """No runtime at all is a mistake of the operator, told with the folder."""
    with pytest.raises(RuntimeDefinitionError, match="no folder in it"):
        load_runtimes(tmp_path)


def test_definition_that_is_no_text_is_an_error(folder):
    """Bytes that are no UTF-8 are told like any other fault."""
    (folder / "python" / "runtime.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuntimeDefinitionError, match=r"runtime\.toml"):
        load_runtimes(folder)


# -- the build context ------------------------------------------------------------------------------


def names_in(context: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        return {member.name: member for member in archive}


def test_context_is_the_same_bytes_for_the_same_files(folder, tmp_path):
    """Where the files are, how old they are and how the host lists them leave no trace in the context."""
    other = tmp_path / "elsewhere"
    (other / "python").mkdir(parents=True)
    for file in sorted(folder.rglob("*"), reverse=True):
        if file.is_file():
            (other / file.relative_to(folder)).write_bytes(file.read_bytes())
    (other / "pause.c").chmod(0o600)
    mine, theirs = Recipe.read(folder, "python"), Recipe.read(other, "python")
    assert mine.context(b"ca") == theirs.context(b"ca")
    assert mine.digest == theirs.digest
    members = names_in(mine.context(b"ca")).values()
    assert {(member.mtime, member.uid, member.gid) for member in members} == {(0, 0, 0)}


def test_context_has_what_an_image_needs_and_no_more(folder):
    """Documents, tests, definitions and other runtimes stay out; scripts can be executed."""
    for name in (
        "README.md",
        "python/README.md",
        "python/test_runner.py",
        "python/.hidden",
        "python/a.test.py",
    ):
        (folder / name).write_text("no")
    (folder / "node").mkdir()
    (folder / "node" / "runner.mjs").write_text("no")
    (folder / "python" / "__pycache__").mkdir()
    members = names_in(Recipe.read(folder, "python").context(b""))
    assert set(members) == {"Dockerfile", "ca-bundle.crt", "install.sh", "pause.c", "python/runner.py"}
    assert members["install.sh"].mode == 0o755
    assert members["ca-bundle.crt"].size == 0


def test_digest_follows_every_source_but_not_the_certificates(folder):
    """A changed runner, recipe or shared file makes an image stale; the host's certificates do not."""
    digests = {Recipe.read(folder, "python").digest}
    for name in ("python/runner.py", "python/Dockerfile", "pause.c"):
        (folder / name).write_text("changed\n")
        digests.add(Recipe.read(folder, "python").digest)
    assert len(digests) == 4
    (folder / "ca-bundle.crt").write_text("a certificate")
    (folder / "python" / "runtime.toml").write_text("")
    assert Recipe.read(folder, "python").digest in digests


def test_moving_bytes_between_files_changes_the_digest(folder):
    """A digest separates names from contents."""
    before = Recipe(files=(("a", b"bc"), ("d", b"")))
    after = Recipe(files=(("a", b"b"), ("cd", b"")))
    assert before.digest != after.digest


def test_recipe_without_dockerfile_is_an_error(folder):
    """A recipe that is not whole is told before the engine is asked for anything."""
    (folder / "python" / "Dockerfile").unlink()
    with pytest.raises(ImageBuildFailed, match="Dockerfile"):
        Recipe.read(folder, "python")


def test_environment_of_the_host_reaches_the_build(tmp_path):
    """Proxies and registries become build arguments, the first bundle that can be read the certificates."""
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(b"certificate")
    environment = BuildEnvironment.from_host(
        {
            "HTTPS_PROXY": "http://proxy:3128",
            "no_proxy": "",
            "PIP_INDEX_URL": "https://index/simple",
            "SECRET": "no",
            "SSL_CERT_FILE": str(tmp_path / "none.crt"),
            "REQUESTS_CA_BUNDLE": str(bundle),
            "SANDBOX_ORCH_DEBIAN_MIRROR": "http://mirror/debian",
        }
    )
    assert environment.build_args == {
        "HTTPS_PROXY": "http://proxy:3128",
        "PIP_INDEX_URL": "https://index/simple",
    }
    assert environment.ca_bundle == b"certificate"
    assert environment.debian_mirror == "http://mirror/debian"


# -- the judge --------------------------------------------------------------------------------------


def tar_of(*members: tuple[str, int, dict]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode, changes in members:
            member = tarfile.TarInfo(name)
            member.mode = mode
            for key, value in changes.items():
                setattr(member, key, value)
            archive.addfile(member)
    return held.getvalue()


async def audit(content: bytes):
    async def chunks():
        for start in range(0, len(content), 700):
            yield content[start : start + 700]

    return await audit_file_system(chunks())


FOLDER = {"type": tarfile.DIRTYPE}
LINK = {"type": tarfile.SYMTYPE, "linkname": "elsewhere"}


async def test_clean_image_has_no_findings():
    """An interpreter, its libraries, links and the two mount points are as they must be."""
    report = await audit(
        tar_of(
            ("usr/bin", 0o755, FOLDER),
            ("usr/bin/python3.13", 0o755, {}),
            ("usr/bin/node", 0o755, {}),
            ("usr/lib64/ld-linux-x86-64.so.2", 0o777, LINK),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", 0o755, {}),
            ("usr/lib/python3.13/cc.py", 0o644, {}),
            ("lib", 0o777, LINK),
            ("tmp", 0o1777, FOLDER),
            ("work/", 0o1777, FOLDER),
            ("pause", 0o755, {}),
        )
    )
    assert report.findings == ()
    assert report.file_count == 7


@pytest.mark.parametrize(
    ("name", "mode", "changes", "said"),
    [
        ("bin/sh", 0o777, LINK, "/bin/sh: is a shell"),
        ("usr/bin/bash", 0o755, {}, "is a shell"),
        ("usr/bin/dash", 0o755, {}, "is a shell"),
        ("opt/busybox", 0o755, {}, "is a shell"),
        ("usr/bin/zsh5", 0o755, {}, "is a shell"),
        (
            "usr/bin/hard",
            0o755,
            {"type": tarfile.LNKTYPE, "linkname": "usr/bin/dash", "mode": 0o4755},
            "another user",
        ),
        ("usr/bin/su", 0o4755, {}, "runs as another user or group (mode 4755)"),
        ("usr/bin/wall", 0o2755, {}, "runs as another user or group"),
        (
            "usr/bin/ping",
            0o755,
            {"pax_headers": {"SCHILY.xattr.security.capability": "x"}},
            "file capabilities",
        ),
        ("var/tmp", 0o1777, FOLDER, "everyone may write"),
        ("etc/passwd", 0o666, {}, "everyone may write"),
        ("runner/runner.py", 0o644, {"uid": 1000}, "belongs to 1000:0"),
        ("dev/mem", 0o600, {"type": tarfile.CHRTYPE}, "is a device"),
        ("tmp/left", 0o644, {}, "below a mount point"),
        ("usr/bin/apt-get", 0o755, {}, "is a package manager"),
        ("usr/bin/dpkg", 0o755, {}, "is a package manager"),
        ("usr/bin/pip3.13", 0o755, {}, "is a package manager"),
        ("usr/bin/npm", 0o777, LINK, "is a package manager"),
        ("usr/bin/gcc-14", 0o755, {}, "is a compiler"),
        ("usr/bin/x86_64-linux-gnu-ld", 0o755, {}, "is a compiler"),
        ("usr/bin/g++", 0o755, {}, "is a compiler"),
    ],
)
async def test_what_must_not_be_in_an_image_is_found(name, mode, changes, said):
    """Each thing that would help code that broke out is a finding of its own, with its path."""
    findings = (await audit(tar_of((name, mode, changes)))).findings
    assert any(said in finding and finding.startswith(f"/{name}") for finding in findings), findings


async def test_what_is_no_tar_is_refused():
    """An export that cannot be read is an error, never a clean report."""
    with pytest.raises(ImageBuildFailed, match="cannot be read"):
        await audit(b"no tar" * 1000)


async def test_export_larger_than_any_image_is_refused(monkeypatch):
    """An endless export ends at a bound."""
    monkeypatch.setattr("orchestrator.backends.image_audit.MAX_EXPORT_BYTES", 10_000)
    with pytest.raises(ImageBuildFailed, match="larger than"):
        await audit(bytes(20_480))


async def test_files_beyond_the_bound_are_a_finding(monkeypatch):
    """What was not looked at is said, never passed over."""
    monkeypatch.setattr("orchestrator.backends.image_audit.MAX_MEMBERS", 1)
    report = await audit(tar_of(("a", 0o644, {}), ("b", 0o644, {})))
    assert report.findings == ("more than 1 files; the rest was not looked at",)


# -- the builder ------------------------------------------------------------------------------------


class FakeImageEngine:
    """Images by name, in memory; `answers_pulls` says whether a registry is there."""

    def __init__(self, *, answers_pulls: bool = False) -> None:
        self.images: dict[str, dict] = {}
        self.answers_pulls = answers_pulls
        self.builds: list[dict[str, str]] = []
        self.imported: bytes = b""
        self.removed: list[str] = []

    async def image_inspect(self, reference):
        return self.images.get(reference)

    async def image_pull(self, reference, timeout_seconds):
        if self.answers_pulls:
            self.images[reference] = {"Id": "sha256:official"}
        return self.answers_pulls

    async def image_import(self, tar_path, reference):
        self.imported = tar_path.read_bytes()
        self.images[reference] = {"Id": "sha256:imported"}

    async def image_tag(self, source, reference):
        self.images[reference] = self.images[source]

    async def image_build(self, context, *, tag, build_args, labels, progress):
        progress("Step 1")
        self.builds.append(build_args)
        self.images[tag] = {"Id": f"sha256:{len(self.builds)}", "Size": 5, "Config": {"Labels": labels}}

    async def image_remove(self, reference):
        self.removed.append(reference)

    async def image_export(self, reference):
        yield tar_of(("usr/bin/sh", 0o755, {}))


def builder_on(engine: FakeImageEngine, folder: Path, **environment) -> ImageBuilder:
    return ImageBuilder(engine, folder=folder, environment=BuildEnvironment(**environment))


@pytest.fixture
def python(folder):
    return load_runtimes(folder)["python"]


def ignore(line: str) -> None:
    """A progress nobody looks at."""


async def test_image_is_built_once_and_again_when_its_sources_change(folder, python):
    """A current image is left alone; a stale one is replaced, and the old one removed."""
    engine = FakeImageEngine(answers_pulls=True)
    builder = builder_on(engine, folder, build_args={"HTTP_PROXY": "p"})
    assert await builder.build(python, ignore)
    assert not await builder.build(python, ignore)
    assert await builder.is_current(python)
    (folder / "python" / "runner.py").write_text("changed\n")
    assert not await builder.is_current(python)
    assert await builder.build(python, ignore)
    assert engine.removed == ["sha256:1"]
    assert engine.builds == [{"BASE": BASE_IMAGE, "HTTP_PROXY": "p"}] * 2


async def test_forced_build_is_made_though_current(folder, python):
    """`force` builds what is current."""
    engine = FakeImageEngine(answers_pulls=True)
    builder = builder_on(engine, folder)
    assert [await builder.build(python, ignore, force=True) for _ in range(2)] == [True, True]


async def test_base_is_bootstrapped_where_no_registry_answers(folder, python, monkeypatch, tmp_path):
    """Without a registry the base image is made from Debian's packages, from the given mirror."""
    tool = tmp_path / "mmdebstrap"
    tool.write_text('#!/bin/sh\necho "I: $1 $2 $4"\nprintf tar >"$3"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(debian_base.shutil, "which", lambda name: str(tool) if name == "mmdebstrap" else None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    lines: list[str] = []
    engine = FakeImageEngine()
    await builder_on(engine, folder, debian_mirror="http://mirror").ensure_base(lines.append)
    assert engine.imported == b"tar"
    assert "I: --variant=minbase trixie http://mirror" in lines


async def test_mirror_given_means_no_registry_is_asked(folder, monkeypatch):
    """Who names a mirror wants Debian from there and nowhere else."""
    monkeypatch.setattr(debian_base.shutil, "which", lambda name: None)
    engine = FakeImageEngine(answers_pulls=True)
    with pytest.raises(ImageBuildFailed):
        await builder_on(engine, folder, debian_mirror="http://mirror").ensure_base(ignore)


async def test_host_without_any_way_to_a_base_is_told_what_to_install(folder, monkeypatch):
    """No registry and no bootstrap program: one sentence says what to do."""
    monkeypatch.setattr(debian_base.shutil, "which", lambda name: None)
    with pytest.raises(ImageBuildFailed, match="apt-get install mmdebstrap"):
        await builder_on(FakeImageEngine(), folder).ensure_base(ignore)


async def test_failed_bootstrap_ends_with_its_last_lines(tmp_path, monkeypatch):
    """Why a bootstrap failed is in the error."""
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho 'E: no such suite'\nexit 25\n")
    tool.chmod(0o755)
    monkeypatch.setattr(debian_base.shutil, "which", lambda name: str(tool))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ImageBuildFailed, match="ended with 25:\nE: no such suite"):
        await debian_base.bootstrap(tmp_path / "base.tar", "", ignore)


async def test_cancelled_bootstrap_takes_its_processes_along(tmp_path, monkeypatch):
    """Who stops a build leaves no bootstrap running behind it."""
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho $$\nexec sleep 600\n")
    tool.chmod(0o755)
    monkeypatch.setattr(debian_base.shutil, "which", lambda name: str(tool))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    lines: list[str] = []
    running = asyncio.Event()

    def progress(line: str) -> None:
        lines.append(line)
        if line.isdecimal():
            running.set()

    task = asyncio.create_task(debian_base.bootstrap(tmp_path / "base.tar", "", progress))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[-1]), 0)


async def test_report_tells_findings_staleness_and_a_silent_runner(folder, python):
    """A shell, other sources than now and a runner that does not answer are three findings."""
    engine = FakeImageEngine(answers_pulls=True)
    builder = builder_on(engine, folder)
    await builder.build(python, ignore)
    engine.images[python.image]["Config"]["Labels"][LABEL_SOURCE_DIGEST] = "sha256:other"

    async def silent() -> str:
        raise ImageMissing("nothing came", step="ready")

    report = await builder.verify(python, probe=silent)
    assert [finding.partition(":")[0] for finding in report.findings] == [
        "/usr/bin/sh",
        f"built from other files than those now in {folder / 'python'}",
        "its runner did not become ready",
    ]
    assert report.ready is None


async def test_report_has_what_the_runner_said(folder, python):
    """What the probe answers is in the report."""
    engine = FakeImageEngine(answers_pulls=True)
    builder = builder_on(engine, folder)
    await builder.build(python, ignore)

    async def probe() -> str:
        return "3.13"

    assert (await builder.verify(python, probe=probe)).ready == "3.13"


async def test_verifying_what_was_never_built_says_what_to_run(folder, python):
    """A missing image is an error that names the command."""
    with pytest.raises(ImageMissing, match="sandbox-orch images build python"):
        await builder_on(FakeImageEngine(), folder).verify(python)
