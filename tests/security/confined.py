"""What the seccomp tests share: a reading of our profiles, and containers made like those of jobs.

`Rules` says what a profile answers to a call; the tests ask the kernel and compare. No logic of the product in here.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import os
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends.docker import Engine
from orchestrator.backends.host_config import container_config
from orchestrator.backends.image_context import BuildEnvironment
from orchestrator.backends.images import images_folder, load_runtimes
from orchestrator.backends.seccomp import load_profile
from orchestrator.backends.streams import StreamDemultiplexer, StreamName
from orchestrator.policies.hardening import HardeningSettings, hardened_spec

HERE = Path(__file__).parent
RUNTIMES = load_runtimes(images_folder())
PROFILE_NAMES = tuple(sorted({runtime.seccomp_profile for runtime in RUNTIMES.values()}))
LABEL_SOURCE = "org.sandbox-orch.test-source"

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
ALLOWED = 0
_MASK_64 = 2**64 - 1
_ARCHITECTURE = "amd64"


def table(name: str) -> list[str]:
    """The lines of a data file beside this one, without comments."""
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


ENGINE_DEFAULT = frozenset(table("engine_default_syscalls.txt"))
NUMBERS = {name: int(number) for number, name in (line.split() for line in table("x86_64_syscalls.txt"))}
NAMES = {number: name for name, number in NUMBERS.items()}


# -- what a profile says ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a rule, as libseccomp makes it: on all 64 bits."""

    index: int
    op: str
    value: int
    value_two: int = 0

    def holds(self, arguments: tuple[int, ...]) -> bool:
        given = (arguments[self.index] if self.index < len(arguments) else 0) & _MASK_64
        if self.op == "SCMP_CMP_MASKED_EQ":
            return given & self.value == self.value_two
        assert self.op == "SCMP_CMP_EQ"
        return given == self.value


@dataclass(frozen=True, slots=True)
class Rule:
    """One group of the file."""

    comment: str
    names: tuple[str, ...]
    errno: int
    """0 where the calls are allowed."""
    conditions: tuple[Condition, ...]


class Rules:
    """A profile as x86_64 hosts get it."""

    def __init__(self, profile: dict) -> None:
        self.groups = [_rule(group) for group in profile["syscalls"] if _applies(group)]

    @classmethod
    def named(cls, name: str) -> Rules:
        return cls(json.loads(load_profile(name).json_text))

    def answer(self, name: str, arguments: tuple[int, ...] = ()) -> int:
        """0 where the call goes on to the kernel, else the errno it ends with."""
        mine = [rule for rule in self.groups if name in rule.names]
        for rule in mine:
            if all(condition.holds(arguments) for condition in rule.conditions):
                return rule.errno
        return EPERM

    @property
    def allowed(self) -> frozenset[str]:
        """Every name that some call of gets through."""
        return frozenset(name for rule in self.groups if rule.errno == ALLOWED for name in rule.names)

    @property
    def conditional(self) -> dict[str, list[Rule]]:
        """The rules that look at arguments, by name."""
        found: dict[str, list[Rule]] = {}
        for rule in self.groups:
            if rule.conditions:
                found.setdefault(rule.names[0], []).append(rule)
        return found


def _applies(group: dict) -> bool:
    return _ARCHITECTURE in group.get("includes", {}).get("arches", [_ARCHITECTURE])


def _rule(group: dict) -> Rule:
    conditions = tuple(
        Condition(one["index"], one["op"], one["value"], one.get("valueTwo", 0))
        for one in group.get("args", ())
    )
    errno = ALLOWED if group["action"] == "SCMP_ACT_ALLOW" else group["errnoRet"]
    return Rule(group["comment"], tuple(group["names"]), errno, conditions)


# -- images for tests only ----------------------------------------------------------------------------------


async def ensure_image(engine: Engine, name: str) -> str:
    """The image of `images/Dockerfile.<name>`, built on the product's own, if its sources changed; its tag."""
    subject = await engine.image_inspect(RUNTIMES["python"].image)
    assert subject is not None, "build the images first: sandbox-orch images build"
    files = {
        "Dockerfile": (HERE / "images" / f"Dockerfile.{name}").read_bytes(),
        "probe.c": (HERE / "images" / "probe.c").read_bytes(),
        "install.sh": (images_folder() / "install.sh").read_bytes(),
    }
    source = hashlib.sha256(repr((sorted(files.items()), subject["Id"])).encode()).hexdigest()
    tag = f"sandbox-orch/test-{name}:latest"
    known = await engine.image_inspect(tag)
    if known is None or (known["Config"].get("Labels") or {}).get(LABEL_SOURCE) != source:
        host = BuildEnvironment.from_host(os.environ)
        await engine.image_build(
            _context(files | {"ca-bundle.crt": host.ca_bundle}),
            tag=tag,
            build_args={**host.build_args, "SUBJECT": RUNTIMES["python"].image},
            labels={LABEL_SOURCE: source},
            progress=lambda _: None,
        )
    return tag


def _context(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


# -- containers -----------------------------------------------------------------------------------------------

_uids = itertools.count(2_990_000 + os.getpid() % 1000 * 8)
_HARDENING = HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program in a container ended."""

    code: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Confined:
    """A container hardened exactly as those of jobs, in which tests run programs of their own beside PID 1.

    Such a program has the container's profile, and no filter of the runner's on top.
    """

    engine: Engine
    id: str
    uid: int

    async def run(self, *argv: str, within_seconds: float = 60.0) -> Ended:
        user = f"{self.uid}:{self.uid}"
        exec_id, stream = await self.engine.exec_open(self.id, argv, user=user, workdir="/work")
        reader, writer = await asyncio.open_connection(sock=stream.socket)
        try:
            async with asyncio.timeout(within_seconds):
                data = stream.early + await reader.read()
        finally:
            writer.close()
        texts = {StreamName.STDOUT: b"", StreamName.STDERR: b""}
        for name, chunk in StreamDemultiplexer().feed(data):
            texts[name] += chunk
        code = await self.engine.exec_exit_code(exec_id)
        return Ended(code, *(text.decode(errors="replace") for text in texts.values()))

    async def probe(self, calls: Iterable[tuple[int, tuple[int | str, ...]]]) -> list[int]:
        """What the kernel answered to each call: its errno, 0 for any success."""
        argv = [",".join(map(str, (number, *arguments))) for number, arguments in calls]
        ended = await self.run("/probe", *argv)
        lines = [line.split() for line in ended.stdout.splitlines()]
        assert [line[0] for line in lines if len(line) == 2] == [str(n) for n in range(len(argv))], ended
        return [max(0, -int(result)) for _, result in lines]


@asynccontextmanager
async def confined(
    engine: Engine,
    seccomp_json: str | None,
    *,
    runtime: str = "python",
    image: str | None = None,
    **changes: object,
) -> AsyncIterator[Confined]:
    """A container like a job's; `image` and `changes` replace fields of its recipe."""
    uid = next(_uids)
    ceiling = RUNTIMES[runtime].ceiling
    spec = hardened_spec(
        RUNTIMES[runtime], _HARDENING, job_uid=uid, limits=ceiling, seccomp_json=seccomp_json, labels={}
    )
    spec = replace(spec, image=image or spec.image, **changes)
    container = await engine.create(f"sandbox-orch-test-{os.getpid()}-{uid}", container_config(spec))
    try:
        await engine.start(container)
        yield Confined(engine, container, uid)
    finally:
        await engine.remove(container)
