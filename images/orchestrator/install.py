"""Installs what the service needs into /opt/sandbox-orch, in the versions and with the hashes of requirements.lock.

`dependencies` first, which changes rarely, then `package`. Run in the builder's stage only.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

SOURCE = Path("/src")
BUILD = Path("/build")
TARGET = Path("/opt/sandbox-orch")
EXTRAS = ("server", "postgres")


def main() -> None:
    """One of the two steps."""
    if (BUILD / "ca-bundle.crt").exists() and (BUILD / "ca-bundle.crt").stat().st_size:
        os.environ["PIP_CERT"] = str(BUILD / "ca-bundle.crt")
    {"dependencies": install_dependencies, "package": install_package}[sys.argv[1]]()


def install_dependencies() -> None:
    """Of the lock, which is for developers too, only what the service needs; and a place to build the package in."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    locked = read_lock((SOURCE / "requirements.lock").read_text())
    wanted = list(project["project"]["dependencies"])
    for extra in EXTRAS:
        wanted += project["project"]["optional-dependencies"][extra]
    subprocess.run([sys.executable, "-m", "venv", TARGET], check=True)
    subprocess.run([sys.executable, "-m", "venv", BUILD / "venv"], check=True)
    install_locked(TARGET, wanted, locked)
    install_locked(BUILD / "venv", project["build-system"]["requires"], locked)


def read_lock(text: str) -> dict[str, list[str]]:
    """Name to its whole entries, hashes included; some have one for each of several versions of Python."""
    locked: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        if match := re.match(r"[a-z0-9._-]+", entry):
            locked.setdefault(match[0], []).append(entry)
    return locked


def install_locked(folder: Path, wanted: list[str], locked: dict[str, list[str]]) -> None:
    """Install `wanted` with all that it needs, each as it is locked."""
    constraints, report, chosen = BUILD / "constraints.txt", BUILD / "report.json", BUILD / "chosen.txt"
    pinned = (entry.split("\n")[0].rstrip(" \\") for entries in locked.values() for entry in entries)
    constraints.write_text("\n".join(pinned))
    pip(folder, "install", "--dry-run", f"--report={report}", f"--constraint={constraints}", *wanted)
    names = {normal(item["metadata"]["name"]) for item in json.loads(report.read_text())["install"]}
    if missing := names - locked.keys():
        sys.exit(f"requirements.lock does not name {', '.join(sorted(missing))}")
    chosen.write_text("\n".join(entry for name in sorted(names) for entry in locked[name]))
    pip(folder, "install", "--no-deps", "--require-hashes", f"--requirement={chosen}")


def install_package() -> None:
    """The package itself; what installed it stays behind."""
    pip(BUILD / "venv", "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={BUILD}", str(SOURCE))
    (wheel,) = BUILD.glob("*.whl")
    pip(TARGET, "install", "--no-deps", str(wheel))
    pip(TARGET, "uninstall", "--yes", "pip")


def normal(name: str) -> str:
    """A name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip(folder: Path, *words: str) -> None:
    """Run the pip of a virtual environment."""
    subprocess.run([folder / "bin/pip", "--quiet", "--disable-pip-version-check", *words], check=True)


if __name__ == "__main__":
    main()
