"""`backends/cgroups.py`: the kernel's counters and limits, against a tree of files as the kernel lays it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.backends import cgroups
from orchestrator.backends.base import Counters
from orchestrator.backends.cgroups import find_cgroup
from orchestrator.domain.limits import MIB, CpuShare

ID = "c0ffee" * 10 + "1234"
PID = 4242

V1_MOUNTS = """\
25 30 0:23 / {root}/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd
33 25 0:28 / {root}/memory rw,nosuid shared:15 - cgroup cgroup rw,memory
34 25 0:29 / {root}/cpu,cpuacct rw,nosuid shared:16 - cgroup cgroup rw,cpu,cpuacct
35 25 0:30 / {root}/pids rw,nosuid shared:17 - cgroup cgroup rw,pids
36 25 0:31 / {root}/unified rw,nosuid shared:18 - cgroup2 cgroup2 rw
22 30 0:21 / /proc rw,nosuid - proc proc rw
"""
V1_PATHS = f"""\
11:memory:/docker/{ID}
10:cpu,cpuacct:/docker/{ID}
9:pids:/docker/{ID}
1:name=systemd:/docker/{ID}
0::/system.slice/docker.service
"""
V2_MOUNTS = "30 23 0:26 / {root} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_PATHS = f"0::/system.slice/docker-{ID}.scope\n"


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """Sets the texts of the two files by which a cgroup is found."""

    def tell(*, paths: str, mounts: str) -> None:
        texts = {f"/proc/{PID}/cgroup": paths, "/proc/self/mountinfo": mounts.format(root=tmp_path)}
        real = cgroups._read_text
        monkeypatch.setattr(cgroups, "_read_text", lambda path: texts.get(str(path)) or real(path))

    return tell


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    return folder


@pytest.fixture
def v1(kernel, tmp_path):
    """A container on cgroup v1: (its cgroup, the folders of its controllers)."""
    kernel(paths=V1_PATHS, mounts=V1_MOUNTS)
    memory = lay_out(
        tmp_path / "memory" / "docker" / ID,
        {
            "memory.usage_in_bytes": "10000000\n",
            "memory.max_usage_in_bytes": "12000000\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
            "memory.limit_in_bytes": "99999999\n",
            "memory.memsw.limit_in_bytes": "99999999\n",
        },
    )
    cpu = lay_out(
        tmp_path / "cpu,cpuacct" / "docker" / ID,
        {"cpuacct.usage": "5000000\n", "cpu.shares": "1024\n", "cpu.cfs_quota_us": "100000\n"},
    )
    pids = lay_out(
        tmp_path / "pids" / "docker" / ID,
        {"pids.current": "3\n", "pids.events": "max 2\n", "pids.max": "36\n"},
    )
    return find_cgroup(PID, ID), memory, cpu, pids


@pytest.fixture
def v2(kernel, tmp_path):
    """A container on cgroup v2: (its cgroup, its folder)."""
    kernel(paths=V2_PATHS, mounts=V2_MOUNTS)
    folder = lay_out(
        tmp_path / "system.slice" / f"docker-{ID}.scope",
        {
            "memory.current": "10000000\n",
            "memory.peak": "12000000\n",
            "memory.events": "low 0\nhigh 0\nmax 0\noom 1\noom_kill 1\noom_group_kill 0\n",
            "memory.max": "max\n",
            "cpu.max": "100000 100000\n",
            "cpu.weight": "100\n",
            "cpu.stat": "usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\n",
            "pids.current": "3\n",
            "pids.events": "max 2\n",
            "pids.max": "36\n",
        },
    )
    return find_cgroup(PID, ID), folder


class TestFinding:
    @pytest.mark.parametrize(("version", "kind"), [("v1", cgroups._V1), ("v2", cgroups._V2)])
    def test_it_is_found_on_v1_and_v2(self, version, kind, request):
        """The hierarchy that the controllers are mounted in decides."""
        assert isinstance(request.getfixturevalue(version)[0], kind)

    @pytest.mark.parametrize(
        ("paths", "mounts"),
        [
            ("", V2_MOUNTS),
            (V2_PATHS.replace(ID, "f" * 64), V2_MOUNTS),
            (V2_PATHS, ""),
            (V2_PATHS, V2_MOUNTS),
            (V1_PATHS, "33 25 0:28 / {root}/memory rw - cgroup cgroup rw,memory\n"),
        ],
        ids=["no process", "another container", "no mounts", "no such folder", "controllers missing"],
    )
    def test_what_is_not_visibly_the_containers_own_is_no_cgroup(self, kernel, paths, mounts):
        """A pid of another namespace is another process here: without the id in its path, None."""
        kernel(paths=paths, mounts=mounts)
        assert find_cgroup(PID, ID) is None

    def test_our_own_process_is_in_no_container_of_that_id(self):
        """The kernel's real files are read without an error."""
        assert find_cgroup(1, ID) is None
        assert cgroups._controller_paths(1)
        assert cgroups._controller_mounts()


class TestV1:
    def test_counters_are_above_what_the_idle_interpreter_used(self, v1):
        """The baseline is taken at mark_warm, and the high-water mark starts anew there."""
        cgroup, memory, cpu, pids = v1
        cgroup.mark_warm()
        assert (memory / "memory.max_usage_in_bytes").read_text(encoding="ascii").startswith("0")
        lay_out(memory, {"memory.max_usage_in_bytes": "14000000\n", "memory.oom_control": "oom_kill 3\n"})
        lay_out(cpu, {"cpuacct.usage": "8000000\n"})
        lay_out(pids, {"pids.events": "max 7\n"})
        expected = Counters(cpu_ns=3_000_000, memory_peak_bytes=4_000_000, oom_kills=2, pids_refused=5)
        assert cgroup.counters() == expected

    def test_limits_are_lowered_above_the_idle_interpreter(self, v1):
        """Memory, memory with swap and processes are the interpreter's plus the job's."""
        cgroup, memory, _, pids = v1
        cgroup.mark_warm()
        assert cgroup.narrow(memory_bytes=16 * MIB, pids=8)
        limit = str(10_000_000 + 16 * MIB)
        assert (memory / "memory.limit_in_bytes").read_text(encoding="ascii").startswith(limit)
        assert (memory / "memory.memsw.limit_in_bytes").read_text(encoding="ascii").startswith(limit)
        assert (pids / "pids.max").read_text(encoding="ascii").startswith("11")

    def test_a_kernel_that_does_not_account_swap_is_no_failure(self, v1):
        """memory.memsw is only there where swap is accounted."""
        cgroup, memory, *_ = v1
        (memory / "memory.memsw.limit_in_bytes").unlink()
        assert cgroup.narrow(memory_bytes=1, pids=1)

    @pytest.mark.parametrize("missing", ["memory/memory.limit_in_bytes", "pids/pids.max"])
    def test_a_limit_that_cannot_be_set_is_told(self, v1, tmp_path, missing):
        """narrow is True only where every limit is in force."""
        controller, name = missing.split("/")
        (tmp_path / controller / "docker" / ID / name).unlink()
        assert not v1[0].narrow(memory_bytes=1, pids=1)


class TestV2:
    def test_counters_are_above_what_the_idle_interpreter_used(self, v2):
        """CPU time is in microseconds there, and comes out in nanoseconds."""
        cgroup, folder = v2
        cgroup.mark_warm()
        lay_out(
            folder,
            {
                "memory.peak": "14000000\n",
                "memory.events": "oom_kill 3\n",
                "cpu.stat": "usage_usec 8000\n",
                "pids.events": "max 7\n",
            },
        )
        expected = Counters(cpu_ns=3_000_000, memory_peak_bytes=4_000_000, oom_kills=2, pids_refused=5)
        assert cgroup.counters() == expected

    def test_a_kernel_without_a_peak_tells_what_is_used_now(self, v2):
        """memory.peak came with Linux 5.19."""
        cgroup, folder = v2
        cgroup.mark_warm()
        (folder / "memory.peak").unlink()
        lay_out(folder, {"memory.current": "10500000\n"})
        assert cgroup.counters().memory_peak_bytes == 500_000

    def test_limits_are_lowered_above_the_idle_interpreter(self, v2):
        """Memory and processes are the interpreter's plus the job's."""
        cgroup, folder = v2
        cgroup.mark_warm()
        assert cgroup.narrow(memory_bytes=16 * MIB, pids=8)
        assert (folder / "memory.max").read_text(encoding="ascii").startswith(str(10_000_000 + 16 * MIB))
        assert (folder / "pids.max").read_text(encoding="ascii").startswith("11")

    @pytest.mark.parametrize("missing", ["memory.max", "pids.max"])
    def test_a_limit_that_cannot_be_set_is_told(self, v2, missing):
        """narrow is True only where every limit is in force."""
        cgroup, folder = v2
        (folder / missing).unlink()
        assert not cgroup.narrow(memory_bytes=1, pids=1)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_cgroup_that_has_vanished_says_nothing(version, request, tmp_path):
    """After the container's end readings are None or 0, and there is no exception."""
    cgroup = request.getfixturevalue(version)[0]
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        file.write_text("", encoding="ascii")  # what is open already reads as nothing
        file.unlink()
    assert cgroup.counters() == Counters()
    assert not cgroup.narrow(memory_bytes=1, pids=1)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_no_descriptor_is_left_after_close(version, request):
    """The files that are held open for quick readings are let go of; twice is no harm, and then nothing is read."""
    before = open_files()
    cgroup = request.getfixturevalue(version)[0]
    assert open_files() == before + 4
    cgroup.close()
    cgroup.close()
    assert open_files() == before
    assert cgroup.counters().cpu_ns is None


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_counter_below_its_baseline_is_nothing(version, request, tmp_path):
    """No usage is ever negative."""
    cgroup = request.getfixturevalue(version)[0]
    cgroup.mark_warm()
    for name in ("memory.max_usage_in_bytes", "memory.peak", "cpuacct.usage"):
        for file in tmp_path.rglob(name):
            file.write_text("1\n", encoding="ascii")
    for file in tmp_path.rglob("cpu.stat"):
        file.write_text("usage_usec 1\n", encoding="ascii")
    readings = cgroup.counters()
    assert (readings.cpu_ns, readings.memory_peak_bytes) == (0, 0)


class TestFiles:
    def test_a_number_is_read(self, tmp_path):
        """One file, one number; `max` and nonsense are no number."""
        file = tmp_path / "file"
        for text, number in (("12\n", 12), ("max\n", None), ("", None), ("-1", None)):
            file.write_text(text, encoding="ascii")
            assert cgroups._number(file) == number
        assert cgroups._number(tmp_path / "missing") is None

    def test_a_keyed_number_is_read(self, tmp_path):
        """The number behind the whole key, 0 where there is none."""
        file = tmp_path / "file"
        file.write_text("oom 5\noom_kill 7\nbroken x\n", encoding="ascii")
        held = cgroups._OpenFile(file)
        assert held.keyed("oom_kill") == 7
        assert held.keyed("kill") == 0
        assert held.keyed("broken") == 0
        held.close()

    def test_what_cannot_be_read_is_empty(self, tmp_path):
        """A folder can be opened but not read: that is no exception either."""
        assert cgroups._read_text(tmp_path) == ""


class TestSharing:
    def test_on_v1_weight_and_quota_are_written(self, v1):
        """The quota as a part of the one it was made with; what is as it was is not written again."""
        cgroup, _, cpu, _ = v1
        assert cgroup.share_cpu(CpuShare(weight=128, quota=0.25))
        assert (cpu / "cpu.shares").read_text().startswith("128")
        assert int((cpu / "cpu.cfs_quota_us").read_text()[:5]) == 25000
        assert cgroup.share_cpu(CpuShare(weight=128, quota=0.25))

    def test_on_v2_the_weight_is_converted(self, v2):
        """128 shares are weight 5 there."""
        cgroup, folder = v2
        assert cgroup.share_cpu(CpuShare(weight=128, quota=0.5))
        assert (folder / "cpu.weight").read_text().startswith("5")
        assert (folder / "cpu.max").read_text().startswith("50000 100000")

    def test_what_cannot_be_written_is_told(self, v1):
        """The caller then asks the engine."""
        cgroup, _, cpu, _ = v1
        (cpu / "cpu.shares").unlink()
        assert not cgroup.share_cpu(CpuShare(weight=128))


class TestRenewal:
    """What a container of one tenant needs between two jobs: its limits back, and its counters from the start."""

    def test_on_v1_the_limit_with_swap_is_raised_first(self, v1, monkeypatch):
        """And lowered last: the kernel refuses a memory limit above the one with swap."""
        cgroup, *_ = v1
        written: list[str] = []
        write = cgroups._write
        monkeypatch.setattr(
            cgroups, "_write", lambda path, number: written.append(path.name) or write(path, number)
        )
        assert cgroup.narrow(memory_bytes=32 * MIB, pids=8)
        written.clear()
        assert cgroup.widen(memory_bytes=64 * MIB, pids=36)
        assert cgroup.narrow(memory_bytes=16 * MIB, pids=8)
        with_swap, without = "memory.memsw.limit_in_bytes", "memory.limit_in_bytes"
        assert written == [with_swap, without, "pids.max", without, with_swap, "pids.max"]

    @pytest.mark.parametrize(
        ("version", "memory", "pids"),
        [
            ("v1", "memory/docker/{}/memory.limit_in_bytes", "pids/docker/{}/pids.max"),
            ("v2", "system.slice/docker-{}.scope/memory.max", "system.slice/docker-{}.scope/pids.max"),
        ],
    )
    def test_limits_are_raised_to_so_much_in_all(self, version, memory, pids, request, tmp_path):
        """Whatever they were lowered to; a limit that cannot be set is told."""
        cgroup = request.getfixturevalue(version)[0]
        memory_file, pids_file = tmp_path / memory.format(ID), tmp_path / pids.format(ID)
        cgroup.mark_warm()
        assert cgroup.narrow(memory_bytes=1 * MIB, pids=1)
        assert cgroup.widen(memory_bytes=64 * MIB, pids=36)
        assert memory_file.read_text(encoding="ascii").startswith(str(64 * MIB))
        assert pids_file.read_text(encoding="ascii").startswith("36")
        memory_file.unlink()
        assert not cgroup.widen(memory_bytes=64 * MIB, pids=36)

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_what_is_held_now_is_told_as_it_is(self, version, request):
        """Above no baseline: the caller compares two moments."""
        cgroup = request.getfixturevalue(version)[0]
        cgroup.mark_warm()
        assert cgroup.held() == cgroups.Held(memory_bytes=10_000_000, processes=3)

    def test_a_second_mark_makes_every_counter_begin_anew(self, v1):
        """CPU time, refusals and kills of the job before are not the next one's."""
        cgroup, memory, cpu, pids = v1
        cgroup.mark_warm()
        lay_out(memory, {"memory.oom_control": "oom_kill 3\n", "memory.usage_in_bytes": "11000000\n"})
        lay_out(cpu, {"cpuacct.usage": "8000000\n"})
        lay_out(pids, {"pids.events": "max 7\n"})
        cgroup.mark_warm()
        assert cgroup.counters() == Counters(cpu_ns=0, memory_peak_bytes=0, oom_kills=0, pids_refused=0)

    def test_on_v2_an_older_peak_is_not_taken_for_the_next_jobs(self, v2):
        """The mark never starts anew there: until it is exceeded, what is used now is the least that is known."""
        cgroup, folder = v2
        cgroup.mark_warm()
        lay_out(folder, {"memory.peak": "50000000\n"})
        assert cgroup.counters().memory_peak_bytes == 40_000_000
        cgroup.mark_warm()
        lay_out(folder, {"memory.current": "10500000\n"})
        assert cgroup.counters().memory_peak_bytes == 500_000
        lay_out(folder, {"memory.peak": "60000000\n"})
        assert cgroup.counters().memory_peak_bytes == 50_000_000


class TestCountingAnew:
    """After compiling, before the program: the limits and counters of the job begin."""

    def test_v1(self, v1):
        """Only what stays is added to what the idle runner held; file cache is nobody's gift."""
        cgroup, memory, cpu, pids = v1
        cgroup.mark_warm()
        lay_out(memory, {"memory.usage_in_bytes": "90000000\n", "memory.oom_control": "oom_kill 4\n"})
        lay_out(cpu, {"cpuacct.usage": "8000000\n"})
        lay_out(pids, {"pids.events": "max 7\n", "pids.current": "30\n"})
        cgroup.count_anew(left_bytes=2_000_000)
        assert cgroup.narrow(memory_bytes=16 * MIB, pids=8)
        limit = str(12_000_000 + 16 * MIB)
        assert (memory / "memory.limit_in_bytes").read_text(encoding="ascii").startswith(limit)
        assert (pids / "pids.max").read_text(encoding="ascii").startswith("11")
        assert cgroup.forget_peak()
        assert (memory / "memory.max_usage_in_bytes").read_text(encoding="ascii").startswith("0")
        lay_out(memory, {"memory.max_usage_in_bytes": "13000000\n"})
        lay_out(cpu, {"cpuacct.usage": "9000000\n"})
        assert cgroup.counters() == Counters(cpu_ns=1_000_000, memory_peak_bytes=1_000_000)

    def test_v2(self, v2):
        """The same there; the mark cannot start anew, so the present use stands for a peak below it."""
        cgroup, folder = v2
        cgroup.mark_warm()
        lay_out(
            folder,
            {
                "memory.current": "90000000\n", "memory.peak": "95000000\n", "memory.events": "oom_kill 4\n",
                "cpu.stat": "usage_usec 8000\n", "pids.events": "max 7\n",
            },
        )  # fmt: skip
        cgroup.count_anew(left_bytes=2_000_000)
        assert cgroup.narrow(memory_bytes=16 * MIB, pids=8)
        assert (folder / "memory.max").read_text(encoding="ascii").startswith(str(12_000_000 + 16 * MIB))
        assert cgroup.forget_peak()
        lay_out(folder, {"memory.current": "13000000\n", "cpu.stat": "usage_usec 9000\n"})
        assert cgroup.counters() == Counters(cpu_ns=1_000_000, memory_peak_bytes=1_000_000)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n", True),  # root
        ("CapEff:\t0000000000000000\n", False),  # a user
        ("CapEff:\t0000000000000022\n", True),  # the unit's account: CAP_KILL and CAP_DAC_OVERRIDE
        ("CapPrm:\t0000000000000022\nCapEff:\t0000000000000020\n", False),
        ("", False),
    ],
)
def test_who_may_write_them_is_known_by_the_capability(monkeypatch, status, answer):
    """Root or not is not what decides."""
    monkeypatch.setattr(cgroups, "_read_text", lambda _: status)
    assert cgroups.may_write_cgroups() is answer
