"""`recycle = "leak"` on a real engine: what is kept, what is found, and that the next job is held as the first was."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from orchestrator import JobResult, JobSpec, Limits, Mode, Orchestrator, Outcome, load_settings
from orchestrator.backends.cgroups import limits_in_force
from orchestrator.bootstrap import open_engine, probe_container, runtimes_on_offer
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.inspection import LeakKind
from orchestrator.domain.limits import MIB
from orchestrator.domain.tenant import Recycle
from orchestrator.policies.leaks import LeakSettings, judge_inspection
from orchestrator.scheduler.run import Job, job_frame

LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=5_000)
CLEAN = {"python": "output = sum(range(1000))", "node": "output = 499500"}
ANSWER_SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keeping() -> AsyncIterator[Orchestrator]:
    """An orchestrator that keeps containers for named tenants."""
    settings = load_settings(
        recycle="leak", recycle_idle_seconds=120, warm_target=2, containers_maximum=12, queue_seconds=120
    )
    async with Orchestrator.open(settings) as running:
        await running.wait_until_warm(within_seconds=120)
        yield running


@pytest.fixture
def tenant(request) -> str:
    """A tenant of each test's own."""
    return str(request.node.name)


async def run(
    keeping: Orchestrator,
    tenant: str | None,
    runtime: str,
    code: str,
    *,
    recycle: Recycle | None = None,
    **fields,
) -> JobResult:
    """One job, and until its container has been looked at."""
    spec = JobSpec(runtime=runtime, code=code, limits=fields.pop("limits", LIMITS), **fields)
    result = await keeping.execute(spec, tenant=tenant, recycle=recycle)
    async with asyncio.timeout(ANSWER_SECONDS):
        while any(one.state is ContainerState.INSPECTING for one in keeping.pool.containers()):
            await asyncio.sleep(0.01)
    return result


def kept_for(keeping: Orchestrator, tenant: str) -> list[str]:
    return [one.id for one in keeping.pool.idle() if one.tenant == tenant]


def leaks(keeping: Orchestrator, kind: LeakKind) -> int:
    return keeping.statistics().leaks_by_kind.get(kind, 0)


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_clean_jobs_of_one_tenant_run_in_one_container(keeping, tenant, runtime):
    """Thirty of them, in both modes, whatever they print, throw or return."""
    before = keeping.statistics().leaks_by_kind
    programs = {"python": "import sys\nprint('x')\nsys.exit(3)", "node": "console.log('x'); process.exit(3);"}
    failing = {"python": "raise ValueError('no')", "node": "throw new Error('no')"}
    used = []
    for number in range(30):
        match number % 3:
            case 0:
                result = await run(keeping, tenant, runtime, CLEAN[runtime])
                assert result.output == 499500
            case 1:
                result = await run(keeping, tenant, runtime, programs[runtime], mode=Mode.PROGRAM)
                assert (result.outcome, result.exit_code, result.stdout.text) == (Outcome.ERROR, 3, "x\n")
            case _:
                result = await run(keeping, tenant, runtime, failing[runtime])
                assert (result.outcome, result.error.message) == (Outcome.ERROR, "no")
        used.append((result.container.id, result.container.reused))
    assert used == [(used[0][0], number > 0) for number in range(30)]
    assert keeping.statistics().leaks_by_kind == before


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_without_a_tenant_every_job_has_a_container_of_its_own(keeping, runtime):
    """The setting changes nothing for those who name none."""
    results = [await run(keeping, None, runtime, CLEAN[runtime]) for _ in range(3)]
    assert len({result.container.id for result in results}) == 3
    assert not any(result.container.reused for result in results)


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_two_tenants_at_once_never_meet(keeping, tenant, runtime):
    """Forty jobs in a mixed order: no container serves both."""
    names = [f"{tenant}-{which}" for which in "ab"]

    async def one(name: str) -> tuple[str, str]:
        result = await run(keeping, name, runtime, CLEAN[runtime])
        assert result.outcome is Outcome.SUCCEEDED
        return name, result.container.id

    used = await asyncio.gather(*(one(names[number % 2]) for number in range(40)))
    first, second = ({container for name, container in used if name == wanted} for wanted in names)
    assert first
    assert not first & second


# -- what leaks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "open('/tmp/left', 'w').write('x')",
        "open('left', 'w').write('x')",
        "import os; os.mkdir('/tmp/left')",
        "import os; os.symlink('/proc/1', '/work/left')",
        "import os; os.chmod('/work', 0)",
        "import os; os.chmod('/tmp', 0o700)",
    ],
)
async def test_a_file_left_behind_retires_the_container(keeping, tenant, code):
    """Files, folders and links in either folder, and a folder that is no longer as it was; counted by kind."""
    before = leaks(keeping, LeakKind.FILES)
    result = await run(keeping, tenant, "python", f"{code}\noutput = 1")
    assert result.outcome is Outcome.SUCCEEDED
    assert leaks(keeping, LeakKind.FILES) == before + 1
    assert kept_for(keeping, tenant) == []
    following = await run(
        keeping, tenant, "python", "import os; output = os.listdir('/tmp') + os.listdir('.')"
    )
    assert following.container.id != result.container.id
    assert following.output == []


async def test_files_of_a_program_are_left_behind_too(keeping, tenant):
    """Given or made: such a container is not cleaned up, it is retired."""
    before = leaks(keeping, LeakKind.FILES)
    result = await run(keeping, tenant, "python", "print(1)", mode=Mode.PROGRAM, files={"a.txt": b"x"})
    assert result.outcome is Outcome.SUCCEEDED
    assert leaks(keeping, LeakKind.FILES) == before + 1


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_process_that_survives_retires_the_container(keeping, tenant, runtime):
    """Tenant code cannot start one, so it is put there from outside; it is seen from inside and by the kernel."""
    first = await run(keeping, tenant, runtime, CLEAN[runtime])
    assert kept_for(keeping, tenant) == [first.container.id]
    command = ("docker", "exec", "--detach", first.container.id, "/pause")
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    before = leaks(keeping, LeakKind.PROCESSES)
    second = await run(keeping, tenant, runtime, CLEAN[runtime])
    assert second.container.id == first.container.id
    assert leaks(keeping, LeakKind.PROCESSES) == before + 1
    assert kept_for(keeping, tenant) == []


async def test_a_thread_ends_with_its_job(keeping, tenant):
    """In Python it dies with the child: nothing of it is left, and the container is kept."""
    code = (
        "import threading, time\n"
        "def late():\n    while True:\n        print('late', flush=True); time.sleep(0.001)\n"
        "threads = [threading.Thread(target=late) for _ in range(5)]\n"
        "for thread in threads: thread.start()\noutput = 'set'"
    )
    first = await run(keeping, tenant, "python", code)
    assert first.output == "set"
    second = await run(keeping, tenant, "python", "import time; time.sleep(0.2); output = 1")
    assert (second.container.id, second.container.reused) == (first.container.id, True)
    assert (second.output, second.stdout.text) == (1, "")


async def test_what_an_isolate_left_running_ends_with_it(keeping, tenant):
    """Promises, finalizers and shared memory of a JavaScript job do nothing in the next one."""
    code = (
        "const shared = new SharedArrayBuffer(1024); const m = new WebAssembly.Memory({initial: 16});"
        "new FinalizationRegistry(() => console.log('late')).register({}, 1);"
        "(async () => { for (;;) { await null; } }); globalThis.left = shared; output = 'set'"
    )
    first = await run(keeping, tenant, "node", code)
    assert first.output == "set"
    second = await run(keeping, tenant, "node", "output = typeof left")
    assert (second.container.id, second.container.reused) == (first.container.id, True)
    assert (second.output, second.stdout.text) == ("undefined", "")


@pytest.mark.parametrize(
    ("after_the_answer", "is_kept"),
    [
        ("for (;;) {}", True),
        ("for (;;) new Array(2 ** 31).indexOf(1);", False),
    ],
    ids=["a loop", "native code that nothing interrupts"],
)
async def test_code_that_goes_on_after_its_answer_is_ended_or_costs_its_container(
    keeping, tenant, after_the_answer, is_kept
):
    """A reaction to the very promise that was the output: V8 ends it; where it cannot, the runner ends itself."""
    code = (
        "output = { then(resolve) { resolve('set'); let later = Promise.resolve();"
        " for (let i = 0; i < 100; i++) later = later.then(() => null);"
        f" later.then(() => {{ {after_the_answer} }}); }} }};"
    )
    refused = keeping.statistics().retired_by_reason.get("not renewed", 0)
    first = await run(keeping, tenant, "node", code)
    assert (first.outcome, first.output) == (Outcome.SUCCEEDED, "set")
    assert kept_for(keeping, tenant) == ([first.container.id] if is_kept else [])
    assert keeping.statistics().retired_by_reason.get("not renewed", 0) == refused + (not is_kept)
    second = await run(keeping, tenant, "node", CLEAN["node"])
    assert (second.output, second.container.reused) == (499500, is_kept)


async def test_memory_that_grows_from_job_to_job_is_a_trend():
    """600 KiB left by each job, as the kernel counts them: the eleventh inspection says so, files aside.

    So much, since the kernel counts in batches: of 300 KiB a step now and then shows nothing.
    """
    settings = load_settings()
    rule = LeakSettings(window=settings.leak_window, slope_bytes=settings.leak_slope_bytes)
    code = "import os\nopen(f'/tmp/{os.urandom(8).hex()}', 'wb').write(os.urandom(600 << 10))"
    history: list[int] = []
    async with open_engine(settings) as engine:
        runtime = runtimes_on_offer(settings)["python"]
        async with probe_container(engine, settings, runtime) as (_, container):
            for number in range(1, 12):
                container.narrow(LIMITS)
                container.send(frame_of(code))
                assert (await asyncio.wait_for(container.receive(), ANSWER_SECONDS))["how"] == "returned"
                seen = await container.renew(within_seconds=ANSWER_SECONDS)
                assert seen.files_count == number
                verdict = judge_inspection(replace(seen, files_count=0), history, rule)
                history.append(seen.memory_bytes)
    assert verdict.reasons == (LeakKind.MEMORY_TREND,)


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("python", "print('y' * 500_000); output = 'x' * 900_000"),
        ("node", "console.log('y'.repeat(500000)); output = 'x'.repeat(900000)"),
    ],
)
async def test_large_outputs_do_not_make_the_frame_writer_grow(keeping, tenant, runtime, code):
    """The one way in which tenant code can make the frame writer hold memory: it lets go of it between jobs."""
    results = [await run(keeping, tenant, runtime, code) for _ in range(25)]
    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
    assert len({result.container.id for result in results}) == 1


def frame_of(code: str) -> bytes:
    spec = JobSpec(runtime="python", code=code)
    return job_frame(
        Job(id="job", spec=spec, limits=LIMITS, made_to_measure=False, start_by=0.0, accepted_at=0.0)
    )


# -- the next job is held as the first was ----------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_the_kernels_limits_of_a_second_job_are_those_of_a_first(runtime):
    """Lowered to the job, back to the recipe's between two, and no higher for a second job than for a first."""
    settings = load_settings()
    seen = []
    async with (
        open_engine(settings) as engine,
        probe_container(engine, settings, runtimes_on_offer(settings)[runtime]) as (spec, container),
    ):
        pid = int((await engine.inspect(container.id))["State"]["Pid"])
        for _ in range(4):
            assert container.narrow(LIMITS)
            seen.append(limits_in_force(pid, container.id))
            container.send(frame_of("output = 1"))
            await asyncio.wait_for(container.receive(), ANSWER_SECONDS)
            await container.renew(within_seconds=ANSWER_SECONDS)
            wide = limits_in_force(pid, container.id)
            assert (wide.memory_bytes, wide.pids) == (spec.memory_bytes, spec.pids)
    assert all(abs(one.memory_bytes - seen[0].memory_bytes) < 2 * MIB for one in seen)
    assert all(one.memory_bytes < spec.memory_bytes for one in seen)
    assert all(one.memory_and_swap_bytes in (None, one.memory_bytes) for one in seen)
    assert all(0 <= one.pids - seen[0].pids <= 2 for one in seen)
    assert {one.cpus for one in seen} == {spec.cpus}


async def test_a_tenant_without_reuse_gets_a_new_container_each_time(keeping, tenant):
    """Its own setting comes before the deployment's, which keeps containers."""
    spec = JobSpec(runtime="python", code=CLEAN["python"], limits=LIMITS)
    results = [await keeping.execute(spec, tenant=tenant, recycle=Recycle.JOB) for _ in range(3)]
    assert len({result.container.id for result in results}) == 3
    assert not any(result.container.reused for result in results)
    assert kept_for(keeping, tenant) == []


async def test_a_tenant_with_reuse_keeps_its_container_where_others_do_not(orchestrator, tenant):
    """The deployment removes containers after each job; this one tenant's is kept."""
    first = await run(orchestrator, tenant, "python", CLEAN["python"], recycle=Recycle.LEAK)
    second = await run(orchestrator, tenant, "python", CLEAN["python"], recycle=Recycle.LEAK)
    assert (second.container.id, second.container.reused) == (first.container.id, True)
    others = await run(orchestrator, "somebody-else", "python", CLEAN["python"])
    assert others.container.id != first.container.id
    assert kept_for(orchestrator, "somebody-else") == []


@pytest.mark.parametrize(
    ("runtime", "code", "limits", "outcome"),
    [
        ("python", "while True: pass", Limits(wall_time_ms=400), Outcome.WALL_TIME_LIMIT),
        ("node", "for (;;) {}", Limits(wall_time_ms=400), Outcome.WALL_TIME_LIMIT),
        ("python", "while True: pass", replace(LIMITS, cpu_time_ms=200), Outcome.CPU_TIME_LIMIT),
        ("node", "for (;;) {}", replace(LIMITS, cpu_time_ms=200), Outcome.CPU_TIME_LIMIT),
        ("python", "keep = []\nwhile True: keep.append(bytearray(1 << 20))", LIMITS, Outcome.MEMORY_LIMIT),
        ("node", "const keep = []; for (;;) keep.push(new Array(1e5).fill(1))", LIMITS, Outcome.MEMORY_LIMIT),
        (
            "python",
            "import threading\nwhile True: threading.Thread(target=threading.Event().wait).start()",
            LIMITS,
            Outcome.PROCESS_LIMIT,
        ),
        ("python", "open('/tmp/x', 'wb').write(bytes(9 << 20))", LIMITS, Outcome.DISK_LIMIT),
        ("python", "output = 'x' * 200_000", replace(LIMITS, output_bytes=100_000), Outcome.OUTPUT_LIMIT),
        ("node", "output = 'x'.repeat(200000)", replace(LIMITS, output_bytes=100_000), Outcome.OUTPUT_LIMIT),
        ("python", "import os; os._exit(0)", LIMITS, Outcome.KILLED),
    ],
)
async def test_every_limit_holds_for_a_second_job(keeping, tenant, runtime, code, limits, outcome):  # noqa: PLR0917
    """On a container that was used before each ends the job as on a new one, and the container with it."""
    first = await run(keeping, tenant, runtime, CLEAN[runtime])
    second = await run(keeping, tenant, runtime, code, limits=limits)
    assert (second.container.id, second.container.reused) == (first.container.id, True)
    assert second.outcome is outcome
    assert kept_for(keeping, tenant) == []
    third = await run(keeping, tenant, runtime, CLEAN[runtime])
    assert (third.outcome, third.container.reused) == (Outcome.SUCCEEDED, False)


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("python", "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.25: pass"),
        ("node", "const t = Date.now(); while (Date.now() - t < 250) {}"),
    ],
)
async def test_a_job_pays_for_its_own_cpu_time_only(keeping, tenant, runtime, code):
    """Four jobs of 250 ms each, under a limit of 600: nothing adds up from one to the next."""
    limits = replace(LIMITS, cpu_time_ms=600)
    results = [await run(keeping, tenant, runtime, code, limits=limits) for _ in range(4)]
    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
    assert len({result.container.id for result in results}) == 1
    assert all(50 < result.usage.cpu_ms < 600 for result in results)


async def test_a_job_is_told_its_own_memory_only(keeping, tenant):
    """The high-water mark of the job before is not the next one's."""
    limits = replace(LIMITS, memory_bytes=64 * MIB)
    large = await run(keeping, tenant, "python", "x = bytearray(40 << 20); output = 1", limits=limits)
    small = await run(keeping, tenant, "python", "output = 1", limits=limits)
    assert small.container.id == large.container.id
    assert large.usage.memory_peak_bytes > 35 * MIB
    assert small.usage.memory_peak_bytes < 8 * MIB


async def test_isolates_of_other_sizes_are_made_and_thrown_away(keeping, tenant):
    """A JavaScript job with more memory than usual, in a kept container, before and after usual ones."""
    code = "const a = new Array(4e6).fill(1.5); output = a.length"
    large = replace(LIMITS, memory_bytes=96 * MIB)
    outcomes = [
        (await run(keeping, tenant, "node", code, limits=limits)).outcome for limits in (large, large, LIMITS)
    ]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.MEMORY_LIMIT]


async def test_chance_is_not_repeated(keeping, tenant):
    """Children of one supervisor do not start from the same random numbers."""
    python = [
        await run(keeping, tenant, "python", "import random; output = random.random()") for _ in range(3)
    ]
    node = [await run(keeping, f"{tenant}-js", "node", "output = Math.random()") for _ in range(3)]
    assert len({result.output for result in python}) == len({result.output for result in node}) == 3
    assert python[0].container.id == python[2].container.id


async def test_nothing_of_the_former_job_is_alive_in_the_next_child():
    """Its source, input and output are in no object that the next job can reach, nor the frame writer's nonces."""
    mark = "a-mark-of-the-former-job"
    hunt = """
import gc, sys
mark, hits = "-of-".join(["a-mark", "the-former-job"]), []
def look(where, value):
    if isinstance(value, str) and value is not mark and mark in value or isinstance(value, bytes | bytearray) and mark.encode() in value:
        hits.append(where)
gc.unfreeze()
objects = gc.get_objects()
for one in objects:
    for value in gc.get_referents(one): look(type(one).__name__, value)
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()): look(name, value)
    frame = frame.f_back
output = [len(objects) > 10_000, hits]
"""
    settings = load_settings()
    async with (
        open_engine(settings) as engine,
        probe_container(engine, settings, runtimes_on_offer(settings)["python"]) as (_, container),
    ):
        container.send(frame_of(f"output = print('{mark}') or '{mark}'"))
        while (await asyncio.wait_for(container.receive(), ANSWER_SECONDS))["type"] != "result":
            pass
        await container.renew(within_seconds=ANSWER_SECONDS)
        container.send(frame_of(hunt))
        answer = await asyncio.wait_for(container.receive(), ANSWER_SECONDS)
    assert answer["payload"] == '{"status":"ok","output":[true,[]]}'


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_late_frame_of_the_former_job_is_nobodys(runtime):
    """A runner that is asked to renew itself in the middle of a job ends; the host takes nothing from it."""
    settings = load_settings()
    endless = {"python": "while True: pass", "node": "for (;;) {}"}
    async with (
        open_engine(settings) as engine,
        probe_container(engine, settings, runtimes_on_offer(settings)[runtime]) as (_, container),
    ):
        container.send(frame_of(endless[runtime]))
        with pytest.raises(ProtocolError, match="instead of the runner's `kept`"):
            await container.renew(within_seconds=ANSWER_SECONDS)
        assert await asyncio.wait_for(container.receive(), ANSWER_SECONDS) is None
