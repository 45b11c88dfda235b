"""The runtimes without code of their own, on a real engine: what the shared runner promises to each of the five."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator import JobResult, JobSpec, Limits, Mode, Orchestrator, Outcome, load_settings
from orchestrator.backends.frames import encode_frame
from orchestrator.domain.limits import KIB, MIB
from orchestrator.domain.outcome import LimitHit
from orchestrator.scheduler.run import job_frame

ROOT = Path(__file__).parent.parent.parent
NAMES = ("bash", "c", "go", "lua", "ruby")
COMPILED = ("c", "go")
LIMITS = Limits(wall_time_ms=10_000, cpu_time_ms=10_000)
ANSWER_SECONDS = 60.0

# Each reads its stdin, its one argument and a given file, prints on both streams, leaves a file, ends with 3.
EVERYTHING = {
    "bash": """
IFS= read -r -d '' text
printf 'out\\n'
printf 'err\\n' >&2
printf '%s%s%s' "$text" "$1" "$(<given.txt)" >made.txt
exit 3
""",
    "lua": """
local text, given = io.read("a"), io.open("given.txt"):read("a")
print("out")
io.stderr:write("err\\n")
local file = io.open("made.txt", "w")
file:write(text, arg[1], given)
file:close()
os.exit(3)
""",
    "ruby": """
text = $stdin.read
puts "out"
warn "err"
File.write("made.txt", text + ARGV[0] + File.read("given.txt"))
exit 3
""",
    "c": """
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	FILE *made = fopen("made.txt", "w"), *given = fopen("given.txt", "r");
	int byte;

	while ((byte = getchar()) != EOF)
		putc(byte, made);
	fputs(argv[argc - 1], made);
	while ((byte = getc(given)) != EOF)
		putc(byte, made);
	puts("out");
	fputs("err\\n", stderr);
	exit(3);
}
""",
    "go": """
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	text, _ := io.ReadAll(os.Stdin)
	given, _ := os.ReadFile("given.txt")
	fmt.Println("out")
	fmt.Fprintln(os.Stderr, "err")
	os.WriteFile("made.txt", append(append(text, os.Args[1]...), given...), 0o600)
	os.Exit(3)
}
""",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runtimes() -> AsyncIterator[Orchestrator]:
    """One orchestrator with the five; reuse is asked for, and none of them can give it."""
    settings = load_settings(
        runtimes=",".join(NAMES), warm_target=1, containers_maximum=12, queue_seconds=120, recycle="leak"
    )
    async with Orchestrator.open(settings) as running:
        await running.wait_until_warm(within_seconds=120)
        yield running


async def run(
    runtimes: Orchestrator, runtime: str, code: str, *, tenant: str | None = None, **fields: object
) -> JobResult:
    limits = fields.pop("limits", LIMITS)
    spec = JobSpec(runtime=runtime, code=code, mode=Mode.PROGRAM, limits=limits, **fields)
    return await runtimes.execute(spec, tenant=tenant)


# -- all of them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_a_program_gets_all_that_was_given_and_gives_all_that_it_made(runtimes, name):
    """stdin, arguments and files in; both streams, the exit code and new files out; nothing of what was given."""
    await runtimes.wait_until_warm(
        within_seconds=120
    )  # the test before may have taken the one that stood ready
    given = b"given\0\xff" if name != "bash" else b"given\xff"  # a shell's text has no NUL
    result = await run(
        runtimes, name, EVERYTHING[name], stdin="in é\n", args=("x y",), files={"given.txt": given}
    )
    assert result.outcome is Outcome.ERROR, (result.error, result.stderr)
    assert (result.exit_code, result.stdout.text) == (3, "out\n")
    assert result.stderr.text.endswith("err\n")
    assert result.files == {"made.txt": "in é\nx y".encode() + given}
    assert result.container.warm


@pytest.mark.parametrize("name", NAMES)
async def test_everyday_work_is_not_disturbed(runtimes, name):
    """Files, processes, threads, signals, time, text, as far as each language has them: the profile is in nobody's way."""
    (file,) = (ROOT / "tests" / "programs").glob(f"everyday.{ {'ruby': 'rb', 'bash': 'sh'}.get(name, name) }")
    result = await run(
        runtimes, name, file.read_text(), limits=replace(LIMITS, memory_bytes=64 * MIB, processes=32)
    )
    assert (result.outcome, result.stdout.text, result.stderr.text) == (Outcome.SUCCEEDED, "all right\n", "")


@pytest.mark.parametrize("name", NAMES)
async def test_a_container_is_never_kept_for_a_second_job(runtimes, name):
    """The shared runner cannot renew itself, so the pool does not ask it: each job has a container of its own."""
    first, second = [
        await run(runtimes, name, EVERYTHING[name], tenant="one", files={"given.txt": b""}, args=("",))
        for _ in range(2)
    ]
    assert first.container.id != second.container.id
    assert not second.container.reused


async def test_a_given_file_cannot_take_the_programs_place(runtimes):
    """The job is told, in its own words, instead of running another source."""
    result = await run(runtimes, "lua", "print(1)", files={"main.lua": b"print(2)"})
    assert (result.outcome, result.exit_code, result.stdout.text) == (Outcome.ERROR, 1, "")
    assert result.stderr.text == "main.lua: is the program's own name; give the file another\n"


# -- ends ---------------------------------------------------------------------------------------------------


async def test_a_signal_is_told(runtimes):
    """A program that ends by a signal was killed, and by which."""
    result = await run(runtimes, "bash", "kill -SEGV $$")
    assert (result.outcome, result.signal, result.exit_code) == (Outcome.KILLED, 11, None)


async def test_what_was_said_before_a_deadline_is_there(runtimes):
    """Partial output survives, and a file does not: nobody is left to ask."""
    limits = replace(LIMITS, wall_time_ms=700)
    result = await run(runtimes, "lua", "print('before') io.stdout:flush() while true do end", limits=limits)
    assert (result.outcome, result.stdout.text) == (Outcome.WALL_TIME_LIMIT, "before\n")
    assert result.limit.name == "wall_time_ms"


async def test_cpu_time_of_all_processes_counts(runtimes):
    """Two children that burn share one limit."""
    code = "for n in 1 2; do (while :; do :; done) & done; wait"
    result = await run(runtimes, "bash", code, limits=replace(LIMITS, cpu_time_ms=400))
    assert (result.outcome, result.limit.name) == (Outcome.CPU_TIME_LIMIT, "cpu_time_ms")


async def test_too_many_processes_are_a_limit_of_their_own(runtimes):
    """By the kernel's count of refusals."""
    code = "#include <unistd.h>\nint main(void) { for (int n = 0; n < 40; n++) switch (fork()) { case 0: pause(); case -1: return 4; } }"
    result = await run(runtimes, "c", code, limits=replace(LIMITS, processes=6))
    assert (result.outcome, result.limit.name) == (Outcome.PROCESS_LIMIT, "processes")


async def test_too_much_memory_is_a_limit_of_its_own(runtimes):
    """By the kernel's counter, whoever was ended."""
    code = "local t = {} for n = 1, 1e9 do t[n] = ('x'):rep(4096) .. n end"
    result = await run(runtimes, "lua", code)
    assert (result.outcome, result.limit.name, result.limit.configured) == (
        Outcome.MEMORY_LIMIT, "memory_bytes", 16 * MIB
    )  # fmt: skip


async def test_a_full_work_folder_is_a_limit_of_its_own(runtimes):
    """By the file system's count; what fits is not given back, for it is more than an output may be."""
    code = "local f = io.open('big', 'w') while f:write(('x'):rep(65536)) do end error('full')"
    result = await run(
        runtimes, "lua", code, limits=replace(LIMITS, disk_bytes=16 * MIB, memory_bytes=64 * MIB)
    )
    assert (result.outcome, result.limit.name) == (Outcome.DISK_LIMIT, "disk_bytes")
    assert result.files == {}


# -- streams and files -----------------------------------------------------------------------------------------


async def test_of_a_flood_head_and_tail_are_kept(runtimes):
    """The first of it, the last of it, and how much there was, in full."""
    code = "io.stdout:setvbuf('full', 65536) for n = 1, 1e6 do io.write(('%07d\\n'):format(n)) end"
    result = await run(runtimes, "lua", code, limits=replace(LIMITS, output_bytes=64 * KIB))
    assert result.outcome is Outcome.SUCCEEDED
    assert (result.stdout.truncated, result.stdout.bytes_total) == (True, 8_000_000)
    assert result.stdout.text.startswith("0000001\n0000002\n")
    assert result.stdout.text.endswith("0999999\n1000000\n")


async def test_bytes_that_are_no_text_are_replaced_and_counted(runtimes):
    """Invalid UTF-8 never reaches a frame; a character cut between two writes is whole again."""
    code = r"""
io.stdout:setvbuf("no")
for _, piece in ipairs { "a\xff", "\xe2\x82", "\xac", "\xf0\x9f\x98", "\x80", "\xed\xa0\x80", "\0\x1b[0m", "z\xc3" } do io.write(piece) end
"""
    result = await run(runtimes, "lua", code)
    assert result.stdout.text == "a\ufffd€😀\ufffd\ufffd\ufffd\0\x1b[0mz\ufffd"
    assert result.stdout.bytes_total == 2 + 3 + 4 + 3 + 5 + 2


async def test_large_files_come_back_within_the_jobs_own_memory(runtimes):
    """They go out as they are read: no copy of them is made inside the job's limit."""
    code = "for n = 1, 3 do local f = io.open('f' .. n, 'w') f:write(('x'):rep(2000000), n) f:close() end"
    result = await run(runtimes, "lua", code, limits=replace(LIMITS, output_bytes=8 * MIB))
    assert result.outcome is Outcome.SUCCEEDED, result.error
    assert {name: (len(data), data[-1:]) for name, data in result.files.items()} == {
        f"f{n}": (2_000_001, str(n).encode()) for n in (1, 2, 3)
    }


async def test_files_are_chosen_by_name_and_bounded(runtimes):
    """Changed ones and new ones, in order, as long as there is room; links, folders and unreadable names never."""
    code = """
File.write("same", "same"); File.write("changed", "new"); File.write("a", "x" * 600); File.write("b", "y" * 600)
File.write("c", "z" * 300); File.write("ctrl\\n", "no"); File.write("bad\\xff", "no"); Dir.mkdir("d"); File.symlink("a", "l")
"""
    given = {"same": b"same", "changed": b"old"}
    result = await run(runtimes, "ruby", code, files=given, limits=replace(LIMITS, output_bytes=KIB))
    assert result.files == {"a": b"x" * 600, "c": b"z" * 300, "changed": b"new"}


async def test_a_long_stdin_that_nobody_reads_holds_nothing_up(runtimes):
    """Neither does one that is read to its end."""
    long = "x" * (3 * MIB)
    unread = await run(runtimes, "lua", "print(1)", stdin=long)
    read = await run(
        runtimes, "lua", "print(#io.read('a'))", stdin=long, limits=replace(LIMITS, memory_bytes=64 * MIB)
    )
    assert (unread.outcome, unread.stdout.text) == (Outcome.SUCCEEDED, "1\n")
    assert (read.outcome, read.stdout.text) == (Outcome.SUCCEEDED, f"{3 * MIB}\n")


# -- compiling ------------------------------------------------------------------------------------------------

WRONG = {
    "c": ("int main(void)\n{\n\treturn x;\n}\n", "main.c:3:"),
    "go": ("package main\n\nfunc main() { x }\n", "main.go:3:"),
}
LOOP = {
    "c": "int main(void) { for (volatile int n = 0;; n++) { } }",
    "go": "package main\n\nfunc main() {\n\tfor {\n\t}\n}\n",
}


@pytest.mark.parametrize("name", COMPILED)
async def test_an_error_of_the_compiler_is_the_jobs_and_has_its_place(runtimes, name):
    """Outcome `error`, named CompileError; the compiler's own words are on stderr; no path of ours is in them."""
    code, place = WRONG[name]
    result = await run(runtimes, name, code)
    assert (result.outcome, result.error.name) == (Outcome.ERROR, "CompileError")
    assert result.exit_code in (1, 2)
    assert place in result.stderr.text
    assert "/rootfs" not in result.stderr.text
    assert result.timing.compiled_ms is None


@pytest.mark.parametrize("name", COMPILED)
async def test_compiling_does_not_count_as_the_programs_own_time(runtimes, name):
    """A wall time shorter than compiling takes is no hindrance; the program itself is held to it."""
    limits = replace(LIMITS, wall_time_ms=900, cpu_time_ms=900)
    result = await run(runtimes, name, LOOP[name], limits=limits)
    assert result.outcome in (Outcome.WALL_TIME_LIMIT, Outcome.CPU_TIME_LIMIT)
    assert result.limit.name in ("wall_time_ms", "cpu_time_ms")
    assert result.timing.compiled_ms is not None
    assert result.usage.wall_ms < result.timing.run_ms + 1
    assert result.timing.executed_ms - result.timing.compiled_ms == pytest.approx(result.usage.wall_ms, abs=5)


@pytest.mark.parametrize("name", COMPILED)
async def test_a_programs_memory_is_its_own_limit_and_not_the_compilers(runtimes, name):
    """What compilers used and what they left in the page cache is no gift to the program."""
    code = {
        "c": "#include <stdlib.h>\nint main(void) { volatile char *x = malloc(64 << 20); for (int n = 0; n < 64 << 20; n++) x[n] = 1; }",
        "go": "package main\n\nfunc main() {\n\tx := make([]byte, 64<<20)\n\tfor n := range x {\n\t\tx[n] = 1\n\t}\n\tprintln(len(x), x[5])\n}\n",
    }[name]
    result = await run(runtimes, name, code)
    assert (result.outcome, result.limit) == (
        Outcome.MEMORY_LIMIT,
        LimitHit(name="memory_bytes", configured=16 * MIB, observed=result.limit.observed),
    )
    enough = await run(runtimes, name, code, limits=replace(LIMITS, memory_bytes=96 * MIB))
    assert enough.outcome is Outcome.SUCCEEDED, enough.error
    assert 64 * MIB <= enough.usage.memory_peak_bytes <= 98 * MIB


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("c", '#include "/dev/zero"\nint main(void) { return 0; }'),
        ("c", "char x[1 << 30] = {1};\nint main(void) { return x[5]; }"),
        ("go", "package main\n\nvar x = [1 << 30]byte{1 << 29: 1}\n\nfunc main() { println(x[5]) }\n"),
    ],
    ids=["endless include", "a program of a gigabyte", "a program of a gigabyte in go"],
)
async def test_a_compiler_is_held_to_its_own_limits(runtimes, name, code):
    """Whatever it meets first is named as a limit of compiling, or the compiler says itself that it is too much."""
    result = await run(runtimes, name, code)
    if result.limit is None:
        assert (result.outcome, result.error.name) == (Outcome.ERROR, "CompileError")
    else:
        assert result.limit.name.startswith("compile.")
    assert result.timing.compiled_ms is None


async def test_warnings_of_a_compiler_come_before_the_programs_words(runtimes):
    """On stderr, and they are no failure."""
    code = '#include <stdio.h>\nint main(void) { int unused; fputs("mine\\n", stderr); return 0; }'
    result = await run(runtimes, "c", code)
    assert result.outcome is Outcome.SUCCEEDED
    assert "unused variable" in result.stderr.text.partition("mine\n")[0]


async def test_a_job_above_the_ceiling_is_compiled_all_the_same(runtimes):
    """A container made to measure has the compiler's share too."""
    result = await run(
        runtimes, "c", EVERYTHING["c"], files={"given.txt": b""}, args=("",),
        limits=replace(LIMITS, wall_time_ms=90_000, disk_bytes=64 * KIB, memory_bytes=8 * MIB),
    )  # fmt: skip
    assert (result.outcome, result.exit_code, result.container.warm) == (Outcome.ERROR, 3, False)


# -- the protocol -----------------------------------------------------------------------------------------------


async def conversation(runtimes: Orchestrator, name: str, *frames: dict[str, object] | bytes):
    """What a fresh runner answers to frames, up to the end of its stream or a result."""
    heard = []
    loop = asyncio.get_running_loop()
    async with runtimes.pool.lease(name, deadline=loop.time() + 120) as lease:
        for frame in frames:
            lease.send(frame if isinstance(frame, bytes) else encode_frame(frame))
        async with asyncio.timeout(ANSWER_SECONDS):
            while (frame := await lease.receive()) is not None:
                heard.append(frame)
                if frame["type"] == "result":
                    break
    return heard


def frame_of(runtimes: Orchestrator, name: str, code: str) -> bytes:
    return job_frame(runtimes.accept(JobSpec(runtime=name, code=code, mode=Mode.PROGRAM, limits=LIMITS)))


async def test_a_ping_is_answered_while_a_job_runs(runtimes):
    """At any time, and in its order."""
    heard = await conversation(
        runtimes,
        "lua",
        frame_of(runtimes, "lua", "io.read('a') for _ = 1, 3e7 do end print(1)"),
        {"type": "ping", "nonce": "n"},
    )
    assert [frame["type"] for frame in heard] == ["pong", "stream", "result"]
    assert heard[0]["nonce"] == "n"


async def test_a_compiled_program_waits_for_the_hosts_word(runtimes):
    """`compiled` says what it left; without `run` nothing is run."""
    code = '#include <stdio.h>\nint main(void) { puts("ran"); }'
    job = frame_of(runtimes, "c", code)
    loop = asyncio.get_running_loop()
    async with runtimes.pool.lease("c", deadline=loop.time() + 120) as lease:
        lease.inject(job, runtimes.runtimes["c"].compile_limits)
        async with asyncio.timeout(ANSWER_SECONDS):
            compiled = await lease.receive()
            lease.send(encode_frame({"type": "ping", "nonce": "still there"}))
            pong = await lease.receive()
        assert (compiled["type"], pong["type"]) == ("compiled", "pong")
        assert 100 * KIB < compiled["disk_used"] < 8 * MIB


@pytest.mark.parametrize(
    "frames",
    [
        [{"type": "renew", "nonce": "x"}],
        [{"type": "run", "job": "x"}],
        [{"type": "tea"}],
        [{"no": "type"}],
        [b"\x00\x00\x00\x02{}"],
        [b"\x00\x00\x00\x02]["],
        [b"\x00\x00\x00\x00"],
        [b"\x7f\xff\xff\xff"],
        [{"type": "job", "job": "x"}],
        [
            {
                "type": "job",
                "job": "x",
                "mode": "function",
                "code": "",
                "stdin": "",
                "args": [],
                "files": {},
                "limits": {},
            }
        ],
        [b"\x00\x01\x00\x00" + b"[" * 65536],
    ],
    ids=str,
)
async def test_whatever_is_no_frame_of_now_ends_the_runner(runtimes, frames):
    """As docs/protocol.md says: nothing is answered, nothing is run."""
    assert await conversation(runtimes, "lua", *frames) == []


async def test_a_runner_serves_one_job(runtimes):
    """A second one ends it, before anything of it is run."""
    job = frame_of(runtimes, "lua", "print(1)")
    loop = asyncio.get_running_loop()
    async with runtimes.pool.lease("lua", deadline=loop.time() + 120) as lease:
        lease.send(job)
        async with asyncio.timeout(ANSWER_SECONDS):
            types = [(await lease.receive())["type"] for _ in range(2)]
            lease.send(job)
            assert (types, await lease.receive()) == (["stream", "result"], None)
