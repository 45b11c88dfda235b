"""docs/install.md, typed as it stands: from a checkout to a job over HTTP, in a mount namespace of its own.

What the blocks write to /etc, /opt, /usr/local and /var/lib/sandbox-orch, the account too, goes to file systems of the test's
own that are gone afterwards. No systemd runs there: `systemctl` is a program of the test that starts what the
unit names, with the unit's user, groups, capabilities and environment, without new privileges,
and without memory that can be written and executed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkouts import checkout, free_port
from docs_blocks import ROOT, SHELL, blocks_of

pytestmark = pytest.mark.docker

PAGE = ROOT / "docs/install.md"
UNIT = ROOT / "deploy/systemd/sandbox-orch.service"
SECONDS = 900

PREPARE = r"""
set -euo pipefail
mount -t tmpfs -o mode=755 tmpfs "$SCRATCH"
for folder in etc opt usr/local; do
    layers="$SCRATCH/${folder//\//-}"
    mkdir -p "$layers/up" "$layers/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$layers/up,workdir=$layers/work" "/$folder"
done
mkdir "$SCRATCH/store"
chmod 755 "$SCRATCH/store"
mount --bind "$SCRATCH/store" /var/lib/sandbox-orch
export PATH="$SHIMS:$PATH"
cd "$CHECKOUT"
"""

DENY = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""MemoryDenyWriteExecute, by the kernel's own switch for it (PR_SET_MDWE, Linux 6.3; older ones let it be)."""

SYSTEMCTL = r"""#!/bin/bash
# As far as this test needs systemd: one unit, started as it says.
set -euo pipefail
unit=/etc/systemd/system/sandbox-orch.service
said() { sed -n "s/^$1=//p" "$unit"; }
case "$1" in
daemon-reload) systemd-analyze verify "$unit" ;;
enable)
    install -d -m "$(said StateDirectoryMode)" -o "$(said User)" -g "$(said Group)" "/var/lib/$(said StateDirectory)"
    capabilities=$(said AmbientCapabilities | sed 's/CAP_/+/g; s/ /,/g' | tr A-Z a-z)
    [ "$(said NoNewPrivileges)$(said MemoryDenyWriteExecute)" = yesyes ]
    env -i PATH=/usr/bin:/bin "$(said Environment)" setsid setpriv \
        --reuid "$(said User)" --regid "$(said Group)" --groups "$(getent group "$(said SupplementaryGroups)" | cut -d: -f3)" \
        --inh-caps "-all,$capabilities" --ambient-caps "-all,$capabilities" --bounding-set "-all,$capabilities" \
        --no-new-privs bash -c "umask $(said UMask); exec /usr/bin/python3 -c '$DENY' $(said ExecStart)" \
        >"$SHIMS/log" 2>&1 </dev/null &
    echo $! >"$SHIMS/pid"
    ;;
disable)
    pid=$(cat "$SHIMS/pid")
    kill "$pid"
    for _ in $(seq 900); do grep -qs "^State:.[^ZX]" "/proc/$pid/status" || exit 0; sleep 0.1; done
    exit 1
    ;;
esac
"""


def script() -> str:
    """The page's blocks that this test runs, in their order, and looks in between."""
    parts = [PREPARE]
    for block in blocks_of(PAGE):
        if block.language not in SHELL or "not run" in block.declared:
            continue
        parts += [f"echo '@@ {block.where}' >&2", block.text]
        if "readyz" in block.text:
            parts.append(
                'echo; echo "@state"; grep -E "^(Uid|CapEff|NoNewPrivs)" /proc/$(cat $SHIMS/pid)/status; echo "@state"'
            )
        if "/v1/execute" in block.text:
            parts.append("echo; stat -c '%U %a' /var/lib/sandbox-orch /var/lib/sandbox-orch/admin.key")
    return "\n".join(parts)


@pytest.fixture
def store_place():
    """Where the store will be mounted; made where this machine has none, and then taken away again."""
    place = Path("/var/lib/sandbox-orch")
    was_there = place.is_dir()
    place.mkdir(mode=0o700, exist_ok=True)
    yield place
    if not was_there:
        place.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="the guide is for root: it makes an account")
def test_the_install_guide_works_as_it_stands(tmp_path, store_place):
    """A wheel, an account, a unit, a key, a job; then everything away again."""
    shims, scratch = tmp_path / "shims", tmp_path / "scratch"
    for folder in (shims, scratch):
        folder.mkdir()
    (shims / "systemctl").write_text(SYSTEMCTL, encoding="utf-8")
    (shims / "systemctl").chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the account has to reach its log
    port = free_port()
    try:
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script().replace("8080", str(port))],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_ORCH_")},
                "SCRATCH": str(scratch),
                "SHIMS": str(shims),
                "DENY": DENY,
                "CHECKOUT": str(checkout(tmp_path / "checkout")),
                "SANDBOX_ORCH_RUNTIMES": "node,python",
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        _end(shims / "pid")
    log = (shims / "log").read_text(encoding="utf-8") if (shims / "log").is_file() else ""
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}\n{log[-2000:]}"
    lines = done.stdout.splitlines()
    results = [json.loads(line) for line in lines if line.startswith('{"id"')]
    assert [(result["outcome"], result["output"], result["container"]["warm"]) for result in results] == [
        ("succeeded", 42, True)
    ]
    assert "sandbox-orch 700" in lines
    assert "sandbox-orch 600" in lines
    state = dict(line.split("\t")[:2] for line in done.stdout.split("@state")[1].strip().splitlines())
    assert state["Uid:"] != "0"
    # CAP_DAC_OVERRIDE is number 1, CAP_KILL number 5.
    assert (int(state["CapEff:"], 16), state["NoNewPrivs:"]) == (1 << 1 | 1 << 5, "1")
    assert "Traceback" not in done.stderr + log


def _end(pid_file: Path) -> None:
    """The service, where a block before the last one has failed."""
    if pid_file.is_file() and Path(f"/proc/{pid_file.read_text().strip()}").exists():
        subprocess.run(["kill", pid_file.read_text().strip()], check=False)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_the_units_hardening_is_what_systemd_sees():
    """It verifies it, and its own measure of exposure is low."""
    seen = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert seen.returncode == 0, seen.stdout[-500:] + seen.stderr
