"""A PostgreSQL cluster of the tests' own: in a temporary folder, on a socket nobody else finds, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("Cluster", "NoPostgresql", "private_cluster")

BINARIES = "/usr/lib/postgresql"


class NoPostgresql(Exception):
    """Raised where PostgreSQL is not installed; the message says what to do."""


class Cluster:
    """A running cluster."""

    def __init__(self, binaries: Path, folder: Path, account: dict[str, object]) -> None:
        self._binaries = binaries
        self._folder = folder
        self._account = account

    def empty_database(self) -> str:
        """The URL of a database with nothing in it, and nobody left from the test before.

        It is the same one each time: a new one is 7 MB of files, and a second of making and removing them.
        """
        commands = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
        )
        options = [word for command in commands for word in ("-c", command)]
        self.run("psql", "-q", "-h", str(self._folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", *options)
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self.run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def start(self) -> None:
        """Start it, or start it again."""
        options = f"-F -k {self._folder} -c listen_addresses='' -c max_connections=200"
        log = str(self._folder / "log")
        self.run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; the error has its last words."""
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            **self._account,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-500:] or done.stdout[-500:]}")


@contextmanager
def private_cluster() -> Iterator[Cluster]:
    """A running cluster. Raises NoPostgresql."""
    binaries = _find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="sandbox-orch-pg-"))
    cluster = Cluster(binaries, folder, _account(folder))
    try:
        cluster.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


def _find_binaries() -> Path:
    found = sorted(Path(BINARIES).glob("*/bin/initdb"))
    if not found:
        raise NoPostgresql("PostgreSQL is not installed (apt-get install postgresql)")
    return found[-1].parent


def _account(folder: Path) -> dict[str, object]:
    """PostgreSQL refuses to run as root: its own account does."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
