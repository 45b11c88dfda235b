"""Policies floor: programs that try a real container from inside, and what each must come to. Pure.

Unlike `sandbox-orch attack`, which tries to break out, a probe asks one control one question. Every probe
is required: what it tries must not work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.limits import KIB, MIB, Limits
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.policies.checkup import CheckLine, IdRange, Status

__all__ = ("LAUNCH", "LIMITS_IN_FORCE", "PROBES", "About", "Probe", "ProbeContext", "judge_limits", "line_of")

LATE_MS = 150.0
FAR_TOO_LATE_MS = 2000.0
DEADLINE_MS = 300

Found = tuple[Status, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a line is called, why it matters and how to mend it."""

    name: str
    why: str
    mend: str


LAUNCH = About(
    name="launch",
    why="every container proves itself before it joins the pool; one weaker than its recipe is refused",
    mend="the text names the control; what the engine or its host cannot apply must be made possible there",
)
LIMITS_IN_FORCE = About(
    name="limits",
    why="an engine may take a limit and not apply it; the kernel's own files tell what is in force",
    mend="see the lines `cgroups` and `swap`; give the orchestrator the host's /sys/fs/cgroup to read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """What the judging of probes depends on besides the result."""

    in_gvisor: bool
    uid_first: int
    uid_count: int
    known_ids: tuple[IdRange, ...]
    environment: Mapping[str, str]
    """Of the runtime that was probed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One program for the runtimes of one language."""

    about: About
    language: str
    code: str = field(repr=False)
    judge: Callable[[JobResult, ProbeContext], Found] = field(repr=False)
    limits: Limits = field(default_factory=partial(Limits, wall_time_ms=5_000, cpu_time_ms=5_000))


def line_of(about: About, status: Status, found: str, *, runtime: str) -> CheckLine:
    """The line of a check-up for what was found of one runtime's container."""
    return CheckLine(
        name=f"{about.name} ({runtime})",
        status=status,
        required=True,
        found=found,
        why=about.why,
        mend=about.mend,
    )


def judge_limits(spec: ContainerSpec, in_force: Mapping[str, float | None] | None) -> Found:
    """Whether the kernel keeps what the recipe of a container that has served no job asks for."""
    if in_force is None:
        return Status.WARN, "unknown: the host's cgroup files are out of reach; the engine's word is taken"
    wanted = {"memory_bytes": spec.memory_bytes, "pids": spec.pids, "cpus": spec.cpus}
    wrong = [name for name, most in wanted.items() if not _is_within(in_force.get(name), most)]
    swap = in_force.get("memory_and_swap_bytes")
    if swap is not None and swap > spec.memory_bytes:
        wrong.append("memory_and_swap_bytes")
    if wrong:
        return Status.FAIL, ", ".join(f"{name} is {_figure(in_force.get(name))}" for name in wrong)
    swap_too = "no swap" if swap is not None else "swap not accounted"
    return Status.OK, f"{spec.memory_bytes // MIB} MiB, {swap_too}, {spec.pids} processes, {spec.cpus:g} CPUs"


def _is_within(value: float | None, most: float) -> bool:
    return value is not None and value <= most


def _figure(value: float | None) -> str:
    return "unlimited" if value is None else f"{value:g}"


# -- judging -------------------------------------------------------------------------------------------


def _round_trip(result: JobResult, _: ProbeContext) -> Found:
    if result.output == ["é", 2, None]:
        return Status.OK, f"in {result.timing.total_ms:.1f} ms"
    return Status.FAIL, _ended(result)


def _nothing_worked(good: str) -> Callable[[JobResult, ProbeContext], Found]:
    """A program that answers the list of what it was able to do, which must be empty."""

    def judge(result: JobResult, _: ProbeContext) -> Found:
        if result.output == []:
            return Status.OK, good
        if isinstance(result.output, list):
            return Status.FAIL, f"possible: {', '.join(map(str, result.output))}"[:300]
        return Status.FAIL, _ended(result)

    return judge


def _mapped(result: JobResult, context: ProbeContext) -> Found:
    status, found = _nothing_worked("/work and /tmp are noexec")(result, context)
    if status is Status.FAIL and context.in_gvisor and isinstance(result.output, list):
        return (
            Status.WARN,
            f"{found}: gVisor does not keep noexec for mappings; such code still meets its kernel alone",
        )
    return status, found


def _supervisor(result: JobResult, context: ProbeContext) -> Found:
    status, found = _nothing_worked("its descriptors, memory and environment are closed")(result, context)
    if status is Status.FAIL and context.in_gvisor and isinstance(result.output, list):
        return Status.WARN, f"{found}: under gVisor a Python job can put words into its own runner's mouth"
    return status, found


def _system_calls(result: JobResult, context: ProbeContext) -> Found:
    if not isinstance(result.output, dict) or not result.output:
        return Status.FAIL, _ended(result)
    tried = {str(name): str(answer) for name, answer in result.output.items()}
    # SECURITY: gVisor answers these with its own kernel; the engine's profile is not applied inside it
    # (tests/integration/test_container_runtimes.py).
    judged = {name for name in tried if not (context.in_gvisor and name in _PROFILE_ONLY)}
    allowed = sorted(name for name in judged if tried[name] not in _REFUSALS)
    if allowed:
        return Status.FAIL, f"not refused: {', '.join(f'{name} ({tried[name]})' for name in allowed)}"
    return Status.OK, f"{len(judged)} families refused"


def _identity(result: JobResult, context: ProbeContext) -> Found:
    if not isinstance(result.output, str):
        return Status.FAIL, _ended(result)
    fields = {
        name: text.strip() for name, _, text in (line.partition(":") for line in result.output.split("\n"))
    }
    uid = int((fields.get("Uid") or "0").split()[0])
    if not context.uid_first < uid < context.uid_first + context.uid_count:
        return Status.FAIL, f"uid {uid} is not of the configured range"
    if any(ids.overlaps(uid, 1) for ids in context.known_ids):
        return Status.FAIL, f"uid {uid} is known to the host"
    wanted = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "Seccomp": "2"}
    if not context.in_gvisor:
        wanted["NoNewPrivs"] = "1"
    wrong = [
        f"{name} is {fields.get(name, 'unknown')}" for name in wanted if fields.get(name) != wanted[name]
    ]
    if wrong:
        return Status.FAIL, ", ".join(wrong)
    return Status.OK, f"uid {uid}, unknown to the host; no capabilities; its own seccomp filter"


def _environment(result: JobResult, context: ProbeContext) -> Found:
    if not isinstance(result.output, list):
        return Status.FAIL, _ended(result)
    if extra := sorted(set(map(str, result.output)) - set(context.environment) - {"HOSTNAME"}):
        return Status.FAIL, f"it also has {', '.join(extra)}"
    return Status.OK, f"{len(result.output)} named variables"


def _ended_by(*outcomes: Outcome) -> Callable[[JobResult, ProbeContext], Found]:
    """A program that must meet its limit."""

    def judge(result: JobResult, _: ProbeContext) -> Found:
        if result.outcome not in outcomes:
            return Status.FAIL, _ended(result)
        observed = result.limit.observed if result.limit else None
        return Status.OK, result.outcome.value + (f", {observed} seen" if observed is not None else "")

    return judge


def _processes(result: JobResult, context: ProbeContext) -> Found:
    if context.in_gvisor and result.outcome in (
        Outcome.SUCCEEDED,
        Outcome.MEMORY_LIMIT,
        Outcome.INVALID_OUTPUT,
    ):
        return (
            Status.WARN,
            "gVisor bounds the threads of its guests by memory alone; they are no threads of the host",
        )
    return _ended_by(Outcome.PROCESS_LIMIT)(result, context)


def _disk(result: JobResult, context: ProbeContext) -> Found:
    if isinstance(result.output, int):
        return Status.OK, f"refused after {result.output / MIB:.1f} MiB"
    return _ended_by(Outcome.DISK_LIMIT, Outcome.MEMORY_LIMIT)(result, context)


def _deadline(result: JobResult, _: ProbeContext) -> Found:
    if result.outcome is not Outcome.WALL_TIME_LIMIT:
        return Status.FAIL, _ended(result)
    late = result.timing.run_ms + result.timing.collect_ms - DEADLINE_MS
    found = f"verified dead {late:.0f} ms after the deadline"
    if late > FAR_TOO_LATE_MS:
        return Status.FAIL, found
    return (Status.OK if late <= LATE_MS else Status.WARN), found


def _ended(result: JobResult) -> str:
    said = f" ({result.error.name}: {result.error.message})" if result.error else ""
    return f"the probe ended as {result.outcome.value}{said}"[:300]


# -- the programs --------------------------------------------------------------------------------------

_REFUSALS = ("EPERM", "ENOSYS", "EAFNOSUPPORT", "EACCES")
_PROFILE_ONLY = ("flock", "inotify_init1", "mq_open", "msgget", "semget", "shmget")
"""Refused by the container's profile alone; the others also by the filter that the child stacks on it."""

# Name: number on x86_64 and on aarch64, then arguments that do no harm and that an unfiltered kernel answers
# with success or with another errno than those of a refusal.
_CALLS = {
    "add_key": (248, 217, 0, 0, 0, 0, 0),
    "bpf": (321, 280, 0, 0, 0),
    "flock": (73, 32, -1, 0),
    "inotify_init1": (294, 26, -1),
    "io_uring_setup": (425, 425, 0, 0),
    "kcmp": (312, 272, 0, 0, 0, 0, 0),
    "keyctl": (250, 219, 0, -2, 0),
    "memfd_create": (319, 279, 0, 0),
    "mincore": (27, 232, 1, 0, 0),
    "mount": (165, 40, 1, 1, 1, 0, 0),
    "mq_open": (240, 180, 0, 0, 0, 0),
    "msgget": (68, 186, 0, 0),
    "name_to_handle_at": (303, 264, -1, 0, 0, 0, 0),
    "perf_event_open": (298, 241, 0, 0, -1, -1, 0),
    "personality": (135, 92, 8),
    "pidfd_open": (434, 434, -1, 0),
    "process_vm_readv": (310, 270, 1, 0, 0, 0, 0, 0),
    "ptrace": (101, 117, 0, 0, 0, 0),
    "semget": (64, 190, 0, 0, 0),
    "setns": (308, 268, -1, 0),
    "shmget": (29, 194, 0, 0, 0),
    "socket": (41, 198, 1, 1, 0),
    "unshare": (272, 97, 0),
    "userfaultfd": (323, 282, 0),
}

_PYTHON_CALLS = f"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
column = {{"x86_64": 0, "aarch64": 1}}[os.uname().machine]
output = {{}}
for name, (*numbers, ) in {_CALLS!r}.items():
    ctypes.set_errno(0)
    done = libc.syscall(*[ctypes.c_long(value) for value in (numbers[column], *numbers[2:])])
    output[name] = "allowed" if done >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
"""

_PYTHON_NETWORK = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
families = {
    "unix": 1, "inet": 2, "ax25": 3, "inet6": 10, "netlink": 16, "packet": 17, "rxrpc": 33, "alg": 38,
    "vsock": 40, "xdp": 44,
}
output = [
    name
    for name, number in families.items()
    for kind in (1, 2, 3)
    if libc.syscall(call, number, kind, 0) >= 0
]
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
output += [name for name in devices if name != "lo"]
"""

_PYTHON_WRITES = """
import os
output = []
for folder in (
    "/", "/dev", "/dev/shm", "/etc", "/proc", "/run", "/runner", "/sys", "/sys/fs/cgroup", "/usr",
    "/usr/bin", "/var", "/var/tmp",
):
    try:
        os.close(os.open(folder + "/probe", os.O_WRONLY | os.O_CREAT, 0o600))
        output.append(folder)
    except OSError:
        pass
for file in (
    "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
    "/proc/1/oom_score_adj", "/proc/1/mem", "/etc/hostname", "/sys/kernel/mm/ksm/run", "/dev/mem", "/dev/kmsg",
):
    try:
        os.close(os.open(file, os.O_WRONLY))
        output.append(file)
    except OSError:
        pass
"""

_PYTHON_PROCESSES = """
import os
output = []
spawn = lambda: os.posix_spawn("/proc/self/exe", ["x", "-c", ""], {})
for name, act in (("fork", os.fork), ("forkpty", os.forkpty), ("spawn", spawn)):
    try:
        if act() == 0:
            os._exit(0)
        output.append(name)
    except OSError:
        pass
"""

_PYTHON_MAPPED = """
import mmap, os
output = []
for folder in ("/work", "/tmp"):
    with open(folder + "/code", "wb+") as file:
        file.write(b"\\xc3" * 4096)
        file.flush()
        try:
            mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
            output.append("code from " + folder)
        except OSError:
            pass
"""

_PYTHON_SUPERVISOR = """
import os
output = []
for file, flags in (("fd/1", os.O_WRONLY), ("fd/0", os.O_RDONLY), ("mem", os.O_RDWR), ("environ", os.O_RDONLY)):
    try:
        os.close(os.open(f"/proc/{os.getppid()}/{file}", flags | os.O_NONBLOCK))
        output.append(file)
    except OSError:
        pass
"""

_PYTHON_DISK = """
written = 0
try:
    for number in range(4096):
        with open(f"/work/{number}", "wb", buffering=0) as file:
            written += file.write(bytes(65536))
except OSError:
    output = written
else:
    raise RuntimeError(f"wrote {written} bytes")
"""

_JAVASCRIPT_GLOBALS = (
    "output = ['process', 'require', 'fetch', 'WebSocket', 'XMLHttpRequest', 'Deno', 'module']"
    ".filter((name) => typeof globalThis[name] !== 'undefined');"
)

_SMALL = Limits(wall_time_ms=10_000, cpu_time_ms=10_000, memory_bytes=16 * MIB, disk_bytes=1024 * KIB)
_SHORT = Limits(wall_time_ms=DEADLINE_MS, cpu_time_ms=10_000)
_FEW = Limits(wall_time_ms=10_000, cpu_time_ms=10_000, processes=8, memory_bytes=64 * MIB)

_ROUND_TRIP = About(
    name="round-trip",
    why="a job's result is what its code gave, through every part that jobs go through",
    mend="read the outcome; `sandbox-orch images verify` looks at the image",
)
_MEMORY = About(
    name="memory-limit",
    why="a job that takes more than its memory must end, and its neighbours must not notice",
    mend="see the lines `cgroups` and `swap`",
)
_DEADLINE = About(
    name="deadline",
    why="an endless loop must be dead at its deadline, by the host's clock (150 ms late at most)",
    mend="a late kill means a host that is overloaded, or an engine that had to be asked to kill",
)

PROBES: tuple[Probe, ...] = (
    Probe(about=_ROUND_TRIP, language="Python", code='output = ["é", 1 + 1, None]', judge=_round_trip),
    Probe(
        about=About(
            name="identity",
            why="an escaped process is nobody on the host: no known uid, no capability, no way to gain one",
            mend="see the lines `uid-range` and `seccomp`",
        ),
        language="Python",
        code='output = open("/proc/self/status").read()',
        judge=_identity,
    ),
    Probe(
        about=About(
            name="system-calls",
            why="what the kernel is never asked cannot be exploited",
            mend="compare seccomp/python.json with the one of this release; see seccomp/README.md",
        ),
        language="Python",
        code=_PYTHON_CALLS,
        judge=_system_calls,
    ),
    Probe(
        about=About(
            name="no-network",
            why="a job must reach nothing: not the internet, not the host, not another container",
            mend="compare seccomp/python.json with this release's; the container's network must be none",
        ),
        language="Python",
        code=_PYTHON_NETWORK,
        judge=_nothing_worked("no family of sockets, no device"),
    ),
    Probe(
        about=About(
            name="read-only",
            why="what a job can write outside its two folders stays on the host's disk, or changes the host",
            mend="look at the engine's storage driver and at what else mounts into its containers",
        ),
        language="Python",
        code=_PYTHON_WRITES,
        judge=_nothing_worked("nothing writable but /work and /tmp"),
    ),
    Probe(
        about=About(
            name="no-code-from-files",
            why="a program that a job wrote must not be run or mapped as code",
            mend="the kernel must honour noexec of tmpfs",
        ),
        language="Python",
        code=_PYTHON_MAPPED,
        judge=_mapped,
    ),
    Probe(
        about=About(
            name="no-new-process",
            why="without fork and exec there are no bombs, daemons and shells",
            mend="the runner's own filter must be loadable: see seccomp/README.md",
        ),
        language="Python",
        code=_PYTHON_PROCESSES,
        judge=_nothing_worked("fork, forkpty and spawn refused"),
    ),
    Probe(
        about=About(
            name="hidden-supervisor",
            why="a job that reaches the process that reports on it can make up how its own job ended",
            mend="the kernel must honour PR_SET_DUMPABLE; gVisor does not (docs/container-runtimes.md)",
        ),
        language="Python",
        code=_PYTHON_SUPERVISOR,
        judge=_supervisor,
    ),
    Probe(
        about=About(
            name="environment",
            why="the host's environment holds secrets",
            mend="look for variables in the image and in the engine's own configuration (proxies)",
        ),
        language="Python",
        code="import os\noutput = sorted(os.environ)",
        judge=_environment,
    ),
    Probe(
        about=_MEMORY,
        language="Python",
        code="keep = []\nwhile True: keep.append(bytearray(1 << 20))",
        judge=_ended_by(Outcome.MEMORY_LIMIT),
        limits=_SMALL,
    ),
    Probe(
        about=About(
            name="process-limit",
            why="threads without bound use up the host's process numbers",
            mend="see the line `cgroups`: the pids controller",
        ),
        language="Python",
        code="import threading, time\n"
        "for _ in range(500): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        judge=_processes,
        limits=_FEW,
    ),
    Probe(
        about=About(
            name="disk-limit",
            why="files of a job are memory of the host",
            mend="the kernel must honour size= of tmpfs",
        ),
        language="Python",
        code=_PYTHON_DISK,
        judge=_disk,
        limits=_SMALL,
    ),
    Probe(about=_DEADLINE, language="Python", code="while True: pass", judge=_deadline, limits=_SHORT),
    Probe(about=_ROUND_TRIP, language="JavaScript", code='output = ["é", 1 + 1, null]', judge=_round_trip),
    Probe(
        about=About(
            name="no-doors",
            why="a JavaScript job has the language's own globals and no door out of its isolate",
            mend="`sandbox-orch images build --force node`",
        ),
        language="JavaScript",
        code=_JAVASCRIPT_GLOBALS,
        judge=_nothing_worked("no process, require or fetch"),
    ),
    Probe(
        about=_MEMORY,
        language="JavaScript",
        code="const keep = []; for (;;) keep.push(new Array(100000).fill(keep.length));",
        judge=_ended_by(Outcome.MEMORY_LIMIT),
        limits=_SMALL,
    ),
    Probe(about=_DEADLINE, language="JavaScript", code="for (;;) {}", judge=_deadline, limits=_SHORT),
)
