"""`pool/claim.py`: who holds the claim on a folder knows that nobody else lives who held it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

from orchestrator.pool.claim import CLAIM_FILE, hold_claim
from orchestrator.pool.reaper import Owner

HOLD = """
import sys
from pathlib import Path
from orchestrator.pool.claim import hold_claim
with hold_claim(Path(sys.argv[1])) as claim:
    print(claim, flush=True)
    sys.stdin.read()
"""


def test_a_claim_is_held_once_and_is_the_same_the_next_time(tmp_path):
    """Whoever comes while it is held gets none; whoever comes after gets the same."""
    with hold_claim(tmp_path) as first:
        assert first
        with hold_claim(tmp_path) as second:
            assert second == ""
    with hold_claim(tmp_path) as third:
        assert third == first
    assert (tmp_path / CLAIM_FILE).stat().st_mode & 0o777 == 0o600


def test_a_process_that_is_killed_lets_go(tmp_path):
    """The kernel does it, whatever the process was doing."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    claim = process.stdout.readline().strip()
    with hold_claim(tmp_path) as mine:
        assert (claim != "", mine) == (True, "")
    process.kill()
    process.communicate()
    with hold_claim(tmp_path) as mine:
        assert mine == claim


def test_a_copy_of_the_folder_is_another_claim(tmp_path):
    """Whoever copied it may live."""
    (tmp_path / "one").mkdir()
    with hold_claim(tmp_path / "one") as first:
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        with hold_claim(tmp_path / "two") as second:
            assert second not in ("", first)


def test_a_spoiled_file_is_made_anew(tmp_path):
    """Its content decides nothing but a name."""
    (tmp_path / CLAIM_FILE).write_bytes(b"|\xff\n" * 50)
    with hold_claim(tmp_path) as claim:
        assert claim.replace("-", "").isalnum()
        assert "|" not in claim


class TestOwnersWithClaims:
    def test_whoever_held_my_claim_is_dead(self):
        """Of whatever host, boot, namespace or process: it cannot hold it beside me."""
        here = Owner.this_process("c-1")
        assert Owner("elsewhere", "b", 1, "1", "4", "c-1").is_provably_dead(here)
        assert dataclasses.replace(here, started="1").is_provably_dead(here)

    def test_i_am_not_dead(self):
        """What this process has made stays."""
        here = Owner.this_process("c-1")
        assert not here.is_provably_dead(here)
        assert not Owner.this_process().is_provably_dead(here)

    def test_no_claim_is_no_claim_in_common(self):
        """Two processes that hold none are not each other's successors."""
        here = Owner.this_process()
        assert not dataclasses.replace(here, host="elsewhere", pid=1).is_provably_dead(here)

    def test_a_number_of_another_namespace_says_nothing(self):
        """A service in a container with this host's name: its PID 1 is not ours."""
        here = Owner.this_process()
        assert not dataclasses.replace(here, namespace="5", pid=1, started="1").is_provably_dead(here)
        assert dataclasses.replace(here, namespace="5", boot="earlier").is_provably_dead(here)

    def test_labels_of_an_older_version_are_of_the_host_itself(self):
        """It knew no namespaces, and told the start in another way, which says nothing here."""
        old = Owner.from_label("h|b|1|2")
        assert old == Owner("h", "b", 1, "", "4026531836", "")
        assert Owner.from_label(old.as_label()) == old
