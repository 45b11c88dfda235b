"""A second Docker Engine for tests, beside the machine's own, of which nothing is left afterwards.

It has its own mount and network namespaces, containerd, folders and socket; the machine's engine is not changed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import psutil

START_SECONDS = 60
STOP_SECONDS = 60
HUGETLB = Path("/sys/fs/cgroup/hugetlb")

# An engine without a bridge removes `docker0`, which is the machine's own engine's: so it has a network of its own.
# Where the tests are killed, the engine ends with them.
LAUNCH = ("setpriv", "--pdeathsig=TERM", "unshare", "--mount", "--net", "--propagation", "private")

# A system's containerd, where one runs, is of another mount namespace and would mix its containers with ours:
# behind this mount it is not seen, and the engine starts its own.
START = """mkdir -p /run/containerd && mount -t tmpfs none /run/containerd &&
if [ -n "$DISK_BYTES" ]; then mkdir -p "$DATA" && mount -t tmpfs -o "size=$DISK_BYTES" none "$DATA"; fi &&
# crun takes cgroup v1 without one of its controllers for a mixture that it does not know: for it that one is mounted,
# in this namespace only.
if [ -d /sys/fs/cgroup/memory ] && grep -q '^hugetlb' /proc/cgroups && ! grep -q ' /sys/fs/cgroup/hugetlb ' /proc/mounts
then mkdir -p /sys/fs/cgroup/hugetlb && mount -t cgroup -o hugetlb hugetlb /sys/fs/cgroup/hugetlb; fi
echo ready && exec sleep infinity"""


class PrivateEngine:
    """One engine, in namespaces that outlive it: it can be killed and started again, and finds what it had."""

    def __init__(self, runtimes: Mapping[str, object], disk_bytes: int | None) -> None:
        # Not pytest's own folder: paths of sockets have room for 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
        self._socket = self.folder / "docker.sock"
        self.address = f"unix://{self._socket}"
        config = self.folder / "daemon.json"
        config.write_text(json.dumps({"runtimes": runtimes}))
        options = {
            "config-file": config, "data-root": self._data, "exec-root": self.folder / "exec",
            "pidfile": self.folder / "pid", "host": self.address,
            "bridge": "none", "iptables": "false", "ip-forward": "false", "ip-masq": "false",
        }  # fmt: skip
        self._had_hugetlb = HUGETLB.exists() or not (HUGETLB.parent / "memory").exists()
        self._argv = [f"--{name}={value}" for name, value in options.items()]
        self._world = subprocess.Popen(
            [*LAUNCH, "sh", "-c", START],
            env={**os.environ, "DISK_BYTES": str(disk_bytes or ""), "DATA": str(self._data)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._world.stdout is not None
        self._world.stdout.readline()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it; answers once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["nsenter", f"--target={self._world.pid}", "--mount", "--net", "setpriv", "--pdeathsig=TERM",
                 "dockerd", *self._argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _await(self._socket, self._process, self.folder / "log")

    def kill(self) -> None:
        """SIGKILL, as if it had crashed: the socket refuses, the containers live on without it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # Its containerd dies with it, but not at once, and may stay unreaped for a while: the next start must not
        # take the dead one for its own.
        deadline = time.monotonic() + 5
        while self._has_containerd() and time.monotonic() < deadline:
            time.sleep(0.1)
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def _has_containerd(self) -> bool:
        return any("--config" in one.info["cmdline"] for one in processes_of(self.folder))

    def freeze(self) -> None:
        """It takes connections and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def fill_disk(self) -> None:
        """Leave nothing free where it keeps containers and images."""
        filler = Path(f"/proc/{self._world.pid}/root{self._data}/filler")
        with filler.open("wb") as stream:
            try:
                while True:
                    stream.write(bytes(1024 * 1024))
                    stream.flush()
            except OSError:
                pass

    def free_disk(self) -> None:
        """Undo `fill_disk`."""
        Path(f"/proc/{self._world.pid}/root{self._data}/filler").unlink()

    def stop(self) -> None:
        """End it with all its containers; what is left of it is killed by pid."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        _kill_the_rest(self.folder)
        self._world.kill()
        self._world.wait()
        assert self._world.stdout is not None
        self._world.stdout.close()
        if not self._had_hugetlb:
            with suppress(OSError):
                HUGETLB.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def private_engine(
    runtimes: Mapping[str, object], *, disk_bytes: int | None = None
) -> Iterator[PrivateEngine]:
    """A new engine that offers `runtimes` besides runc, with a disk of its own where its size is said. Needs root.

    Raises AssertionError on leaving where anything of it is left.
    """
    engine = PrivateEngine(runtimes, disk_bytes)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
    assert processes_of(engine.folder) == []
    assert mounts_under(engine.folder) == []
    assert not engine.folder.exists()


def move_images(address: str, images: list[str]) -> None:
    """Copy images of the machine's own engine to another."""
    here, there = docker.from_env(timeout=120).api, docker.APIClient(base_url=address, timeout=120)
    try:
        for image in images:
            there.load_image(here.get_image(image))
    finally:
        here.close()
        there.close()


def processes_of(folder: Path) -> list[psutil.Process]:
    """All processes whose command line names `folder`: the engine's own and those it started."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and any(str(folder) in word for word in process.info["cmdline"] or ())
    ]


def mounts_under(folder: Path) -> list[str]:
    """What is still mounted there, as this process sees it."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {folder}" in line]


def _await(place: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(place):
            return
        time.sleep(0.2)
    raise AssertionError(f"the private engine did not start: {log.read_text()[-2000:]}")


def _answers(place: Path) -> bool:
    """Whether an engine answers a ping there. Not by the SDK: it forgets to close what was refused."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        try:
            asking.connect(str(place))
            asking.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in asking.recv(100)
        except OSError:
            return False


def _kill_the_rest(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for one in left:
        one.kill()
    psutil.wait_procs(left, timeout=10)
