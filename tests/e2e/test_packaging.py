"""What users install: the wheel and the source archive, built as for a release."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from checkouts import checkout

import orchestrator

ROOT = Path(__file__).parent.parent.parent
BUILT_AT = "1767225600"


def build(source: Path, target: Path, *kinds: str) -> None:
    """Run the build backend on a folder, as a front end does."""
    options = [word for kind in kinds for word in ("-t", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *options, "-d", str(target)],
        cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": BUILT_AT}, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and source archive, built twice from two copies, and a wheel built from the first archive."""
    folder = tmp_path_factory.mktemp("built")
    for turn in ("first", "second"):
        build(checkout(folder / f"{turn}-source"), folder / turn, "sdist", "wheel")
    (archive,) = (folder / "first").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    build(unpacked, folder / "from-archive", "wheel")
    return folder


def wheel_of(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_two_builds_are_the_same_to_the_byte(built):
    """From the same sources, at another time in another folder."""
    first = {path.name: path.read_bytes() for path in (built / "first").iterdir()}
    second = {path.name: path.read_bytes() for path in (built / "second").iterdir()}
    assert len(first) == 2
    assert first == second


def test_the_source_archive_builds_the_same_wheel(built):
    """Nothing that the wheel needs is missing from it."""
    assert wheel_of(built / "from-archive").read_bytes() == wheel_of(built / "first").read_bytes()


def test_the_source_archive_has_what_git_has(built):
    """Tests and docs too; but for what only our own machines read."""
    (archive,) = (built / "first").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()}
    source = built / "first-source"
    wanted = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    left_out = {name for name in wanted if name.startswith(".ci/")}
    assert names - {"PKG-INFO"} == wanted - left_out


def test_the_wheel_has_all_that_works_at_run_time(built):
    """Recipes, profiles, type marks, man pages, completions, the unit; and no test."""
    with zipfile.ZipFile(wheel_of(built / "first")) as opened:
        names = set(opened.namelist())
    for folder in ("images", "seccomp"):
        ours = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        there = {name.removeprefix("orchestrator/_data/") for name in names if f"/_data/{folder}/" in name}
        assert there == {name for name in ours if "__pycache__" not in name}
    assert "orchestrator/py.typed" in names
    shared = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    assert "share/man/man1/sandbox-orch.1" in shared
    assert "share/bash-completion/completions/sandbox-orch" in shared
    assert "share/zsh/site-functions/_sandbox-orch" in shared
    assert "share/fish/vendor_completions.d/sandbox-orch.fish" in shared
    assert "share/sandbox-orch/systemd/sandbox-orch.service" in shared
    assert not [name for name in names if name.startswith("tests/")]


def test_twine_and_check_wheel_contents_find_nothing(built):
    """What an index would refuse, and what does not belong into a wheel."""
    files = sorted(str(path) for path in (built / "first").iterdir())
    twine = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert twine.returncode == 0, twine.stdout
    contents = subprocess.run(
        [Path(sys.executable).with_name("check-wheel-contents"), wheel_of(built / "first")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert contents.returncode == 0, contents.stdout


def test_the_version_has_one_place(built):
    """The package's own: archive, metadata and man page have it from there."""
    assert f"-{orchestrator.__version__}-" in wheel_of(built / "first").name
    page = (ROOT / "deploy/man/sandbox-orch.1").read_text(encoding="utf-8")
    assert f"sandbox-orch {orchestrator.__version__}" in page
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_extras_are_those_that_the_docs_name(built):
    """And each that a message of ours names."""
    with zipfile.ZipFile(wheel_of(built / "first")) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = opened.read(name).decode()
    extras = {
        line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Provides-Extra: ")
    }
    assert {"server", "postgres", "otel", "dashboard", "docs", "dev"} <= extras
    assert "postgresql" not in extras


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The wheel in an environment of its own, beside the dependencies of this one, which stay where they are."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    ours = sysconfig.get_path("purelib")
    theirs = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # .pth files of a folder that is named by one are not read: this checkout is not on the path.
    Path(theirs, "dependencies.pth").write_text(ours + "\n", encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index",
         "--ignore-installed", str(wheel_of(built / "first"))],
        check=True,
    )  # fmt: skip
    return home


def type_in(home: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_ORCH_", "PYTHON"))
    }
    return subprocess.run(
        [home / "bin/sandbox-orch", *words],
        cwd=cwd,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_installed_command_is_the_wheels_own(installed, tmp_path):
    """Its code and its recipes come from the environment, not from this checkout."""
    script = (
        "import orchestrator; from orchestrator.backends.images import images_folder;"
        "from orchestrator.backends.runtime_files import seccomp_folder;"
        "print(orchestrator.__file__, images_folder(), seccomp_folder(), sep='\\n')"
    )
    shown = subprocess.run(
        [installed / "bin/python", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    places = shown.stdout.split()
    assert len(places) == 3
    assert all(place.startswith(str(installed)) for place in places), places
    assert (
        type_in(installed, "--version", cwd=tmp_path).stdout
        == f"sandbox-orch, version {orchestrator.__version__}\n"
    )
    assert (installed / "share/man/man1/sandbox-orch.1").is_file()


@pytest.mark.docker
def test_the_installed_command_runs_a_job(installed, tmp_path):
    """On the images that this checkout built: the wheel's recipes have the same digests."""
    listed = type_in(installed, "images", "list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "stale" not in listed.stdout
    assert "missing" not in listed.stdout
    (tmp_path / "double.py").write_text("output = input * 2", encoding="utf-8")
    done = type_in(installed, "run", "double.py", "--input", "21", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"output": 42' in done.stdout


def test_types_of_the_package_are_seen_from_outside(installed, tmp_path):
    """py.typed: a type checker of somebody else's reads our annotations."""
    (tmp_path / "theirs.py").write_text("from orchestrator import JobSpec\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(installed / "bin/python"), "--cache-dir", os.devnull,
         "--follow-imports", "skip", "theirs.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
