"""Runtimes without code of their own: what `[program]` and `[compile]` in a runtime.toml say, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from making import make_runtime, make_spec

from orchestrator.backends.host_config import container_config
from orchestrator.backends.image_context import Recipe
from orchestrator.backends.runtime_files import images_folder, known_runtimes, load_runtimes
from orchestrator.domain.container import Tmpfs
from orchestrator.domain.errors import RuntimeDefinitionError
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.runtime import Program
from orchestrator.policies.hardening import HardeningSettings, hardened_spec
from orchestrator.policies.selfcheck import find_weaknesses

SETTINGS = HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=64)
COMPILE_LIMITS = Limits(memory_bytes=200 * MIB, processes=40, disk_bytes=30 * MIB)
COMPILED = Program(
    source_name="main.x",
    run=("/program/main",),
    compile=(("/usr/bin/xc", "main.x"),),
    compile_limits=COMPILE_LIMITS,
)
DEFINITION = """\
name = "lua"
language = "Lua"
version = "5.4"
image = "sandbox-orch/lua:5.4-1"
seccomp_profile = "program"
modes = ["program"]
source_suffixes = [".lua"]
allowed_programs = ["/usr/bin/luac"]

[program]
source_name = "main.lua"
run = ["/usr/bin/lua5.4", "main.lua"]
compile = [["/usr/bin/luac", "-o", "/program/main", "main.lua"], ["/usr/bin/strip", "/program/main"]]

[compile]
wall_time_ms = 5_000
cpu_time_ms = 4_000
memory_bytes = 99
processes = 8
disk_bytes = 77

[interpreter]
memory_bytes = 8_388_608
headroom_bytes = 2_097_152
processes = 3

[environment]
PATH = "/usr/bin"

[ceiling]
wall_time_ms = 1
cpu_time_ms = 1
memory_bytes = 1
output_bytes = 1
processes = 1
disk_bytes = 1

[maximum]
wall_time_ms = 1
cpu_time_ms = 1
memory_bytes = 1
output_bytes = 1
processes = 1
disk_bytes = 1
"""
COMPILE_TABLE = DEFINITION[DEFINITION.index("[compile]") : DEFINITION.index("[interpreter]")]
COMPILE_LINE = next(line for line in DEFINITION.splitlines(keepends=True) if line.startswith("compile = "))
PROGRAM_TABLE = DEFINITION[DEFINITION.index("[program]") : DEFINITION.index("[compile]")]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of runtimes of one's own, without anything but a definition."""
    (tmp_path / "lua").mkdir()
    return tmp_path


def define(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in DEFINITION
    (folder / "lua" / "runtime.toml").write_text(DEFINITION.replace(old, new, 1))
    return folder


# -- runtime.toml -------------------------------------------------------------------------------------------


def test_the_command_line_of_the_shared_runner_is_made_of_the_table(folder):
    """Name, version, the source's name, and every command with its count: nobody writes it by hand."""
    runtime = load_runtimes(define(folder))["lua"]
    assert runtime.runner_argv == (
        "/runner", "lua", "5.4", "main.lua", "3",
        "4", "/usr/bin/luac", "-o", "/program/main", "main.lua",
        "2", "/usr/bin/strip", "/program/main",
        "2", "/usr/bin/lua5.4", "main.lua",
    )  # fmt: skip
    assert runtime.compile_limits == Limits(
        wall_time_ms=5000, cpu_time_ms=4000, memory_bytes=99, processes=8, disk_bytes=77
    )
    assert runtime.allowed_programs == ("/usr/bin/luac",)
    assert not runtime.can_be_kept


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seccomp_profile", 'runner_argv = ["/runner"]\nseccomp_profile', "runner_argv: leave it out"),
        (PROGRAM_TABLE, "", "runner_argv: Field required, or a table [program]"),
        (PROGRAM_TABLE + COMPILE_TABLE, "", "runner_argv: Field required"),
        ('modes = ["program"]', 'modes = ["function", "program"]', "modes: the shared runner"),
        (
            '"/usr/bin/lua5.4", "main.lua"',
            '"lua5.4", "main.lua"',
            "program.run: 'lua5.4' must be an absolute path",
        ),
        ('["/usr/bin/strip"', '["strip"', "program.compile: 'strip' must be an absolute path"),
        ('run = ["/usr/bin/lua5.4", "main.lua"]', "run = []", "program.run: "),
        ('run = ["/usr/bin/lua5.4", "main.lua"]\n', "", "program.run: "),
        ('source_name = "main.lua"', 'source_name = "../main.lua"', "program.source_name: "),
        ("[program]\n", "[program]\nshell = true\n", "program.shell: "),
        (COMPILE_TABLE, "", "compile: Field required: the limits of the commands in program.compile"),
        (COMPILE_LINE, "", "compile: there is nothing in program.compile to limit"),
        ("cpu_time_ms = 4_000", "cpu_time_ms = 0", "compile.cpu_time_ms: "),
        ("cpu_time_ms = 4_000", "output_bytes = 4", "compile.cpu_time_ms: "),
        ('"/usr/bin/luac"]\n\n', '"luac"]\n\n', "allowed_programs.0: "),
    ],
)
def test_a_wrong_table_names_file_and_key(folder, old, new, said):
    """Whatever is wrong, the error is one line that names the file and the key."""
    with pytest.raises(RuntimeDefinitionError) as caught:
        load_runtimes(define(folder, old, new))
    assert str(caught.value).startswith(str(folder / "lua" / "runtime.toml"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runtimes_of_ones_own_come_on_top_of_those_of_the_package(folder):
    """One's own folder adds a language, or replaces one by its name; the others stay."""
    known = known_runtimes(define(folder))
    assert {"python", "node", "ruby", "lua"} <= known.keys()
    assert known["lua"].ceiling.wall_time_ms == 1
    assert known_runtimes(None)["lua"].ceiling.wall_time_ms == 60_000


# -- the recipe of its containers ------------------------------------------------------------------------------


def spec_of(program: Program | None, **limits: int):
    return hardened_spec(
        make_runtime(program=program),
        SETTINGS,
        job_uid=2_000_001,
        limits=replace(Limits(), **limits),
        seccomp_json=None,
        labels={},
    )


def test_a_compiler_gets_room_beside_the_jobs_own():
    """Memory for both, since what the compiler leaves stays; processes for the larger, since they come in turn."""
    without, compiled = spec_of(None), spec_of(COMPILED)
    assert compiled.memory_bytes == without.memory_bytes + 200 * MIB
    assert compiled.pids == 4 + 40
    assert spec_of(COMPILED, processes=99).pids == 4 + 99
    assert compiled.file_size_bytes == 30 * MIB
    sizes = {mount.path: mount.size_bytes for mount in compiled.tmpfs}
    assert sizes == {"/work": 8 * MIB, "/tmp": 30 * MIB, "/program": 30 * MIB}


def test_only_a_compiled_language_has_a_place_where_programs_can_be_run():
    """/program, and nothing else; for nobody else."""
    executable = {
        name: [mount.path for mount in spec_of(program).tmpfs if mount.executable]
        for name, program in (
            ("own runner", None),
            ("interpreted", Program(source_name="x", run=("/x",))),
            ("compiled", COMPILED),
        )
    }
    assert executable == {"own runner": [], "interpreted": [], "compiled": ["/program"]}


def test_the_engine_is_told_of_it_by_name():
    """`exec` is written out, for an engine adds noexec where neither is; nosuid and nodev stay."""
    mounts = container_config(spec_of(COMPILED))["HostConfig"]["Tmpfs"]
    assert mounts["/program"].startswith("rw,exec,nosuid,nodev,size=")
    assert mounts["/work"].startswith("rw,noexec,nosuid,nodev,")
    assert mounts["/tmp"].startswith("rw,noexec,nosuid,nodev,")


@pytest.mark.parametrize(
    ("executable", "flags", "weak"),
    [
        (True, "nosuid,nodev", False),
        (True, "nosuid,nodev,noexec", False),
        (True, "nodev", True),
        (False, "nosuid,nodev", True),
        (False, "nosuid,nodev,noexec", False),
    ],
)
def test_a_mount_that_may_be_run_from_is_one_that_was_asked_for(executable, flags, weak):
    """Where it was not asked for it is a weakness, and the container never joins the pool."""
    spec = make_spec(tmpfs=(Tmpfs(path="/program", size_bytes=MIB, inodes=64, executable=executable),))
    mountinfo = f"1 0 0:1 / /program rw,{flags} - tmpfs tmpfs rw,size=1024k,nr_inodes=64\n"
    told = "; ".join(find_weaknesses({"mountinfo": mountinfo}, spec))
    assert ("/program is mounted without" in told) == weak


# -- the recipe of its image -----------------------------------------------------------------------------------


def names(recipe: Recipe) -> set[str]:
    return {name for name, _ in recipe.files}


def test_the_shared_runner_is_part_of_the_recipes_that_use_it():
    """A change of it makes their images stale, and nobody else's."""
    folder = images_folder()
    lua = Recipe.read(folder, "lua", with_program_runner=True)
    assert {"program/runner.c", "program/child.h", "pause.c", "Dockerfile"} <= names(lua)
    assert not {name for name in names(Recipe.read(folder, "python")) if name.startswith("program/")}


def test_a_folder_of_ones_own_needs_a_dockerfile_and_a_definition(folder):
    """What recipes share comes from the package; a file of the same name in one's own folder goes before it."""
    (define(folder) / "lua" / "Dockerfile").write_text("FROM scratch\n")
    (folder / "pause.c").write_text("mine")
    recipe = Recipe.read(folder, "lua", shared=images_folder(), with_program_runner=True)
    contents = dict(recipe.files)
    assert contents["Dockerfile"] == b"FROM scratch\n"
    assert contents["pause.c"] == b"mine"
    assert contents["closure.sh"] == (images_folder() / "closure.sh").read_bytes()
    assert "program/runner.c" in contents
    assert "python/runner.py" not in contents
