"""A second Docker Engine for tests, beside the machine's own, of which nothing is left afterwards.

It has its own mount and network namespaces, containerd, folders and socket; the machine's engine is not changed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker
import psutil

START_SECONDS = 60
STOP_SECONDS = 60

# An engine without a bridge removes `docker0`, which is the machine's own engine's: so it has a network of its own.
# Where the tests are killed, the engine ends with them.
LAUNCH = ("setpriv", "--pdeathsig=TERM", "unshare", "--mount", "--net", "--propagation", "private")

# A system's containerd, where one runs, is of another mount namespace and would mix its containers with ours:
# behind this mount it is not seen, and the engine starts its own.
START = 'mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && exec dockerd "$@"'


@contextmanager
def private_engine(runtimes: Mapping[str, object]) -> Iterator[str]:
    """The address of a new engine that offers `runtimes` besides runc. Needs root.

    Raises AssertionError on leaving where anything of it is left.
    """
    # Not pytest's own folder: paths of sockets have room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    config, socket = folder / "daemon.json", folder / "docker.sock"
    config.write_text(json.dumps({"runtimes": runtimes}))
    options = {
        "config-file": config, "data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid",
        "host": f"unix://{socket}", "bridge": "none", "iptables": "false", "ip-forward": "false", "ip-masq": "false",
    }  # fmt: skip
    argv = [f"--{name}={value}" for name, value in options.items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*LAUNCH, "sh", "-c", START, "sh", *argv],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _await(socket, process, folder / "log")
        yield f"unix://{socket}"
    finally:
        _stop(process, folder)
    assert processes_of(folder) == []
    assert mounts_under(folder) == []
    assert not folder.exists()


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


def _await(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if socket.exists():
            try:
                client = docker.APIClient(base_url=f"unix://{socket}", timeout=5)
                client.ping()
                client.close()
            except docker.errors.DockerException:
                pass
            else:
                return
        time.sleep(0.2)
    raise AssertionError(f"the private engine did not start: {log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """The engine ends its containers, its containerd, and then itself; what is left of it is killed by pid."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for one in left:
        one.kill()
    shutil.rmtree(folder, ignore_errors=True)
