"""Composition root: settings in, a running orchestrator out. Only here are the floors put together."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import psutil

from orchestrator.backends.base import LiveContainer
from orchestrator.backends.cgroups import ParentBounds, may_write_cgroups
from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.backends.images import known_runtimes
from orchestrator.backends.launch import DockerBackend
from orchestrator.backends.seccomp import SeccompProfile, load_profile
from orchestrator.config import Settings, load_settings
from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.errors import BackendError, ConfigurationError, ImageMissing, UnknownRuntime
from orchestrator.domain.limits import Limits
from orchestrator.domain.runtime import Runtime
from orchestrator.guard.policy import PRESETS, Policy, load_preset, parse_policy
from orchestrator.policies.checkup import HostNeeds
from orchestrator.policies.hardening import HardeningSettings, hardened_spec, is_gvisor
from orchestrator.policies.leaks import LeakSettings
from orchestrator.pool.health import HealthSettings, keep_healthy
from orchestrator.pool.pool import PoolSettings, ShelfSettings, open_pool
from orchestrator.pool.reaper import LABEL_INSTANCE, LABEL_OWNER, Owner, reap_strays, reap_the_dead
from orchestrator.pool.reuse import ReuseSettings
from orchestrator.scheduler.run import JobRunner
from orchestrator.service import Orchestrator, ServiceSettings
from orchestrator.telemetry import Telemetry
from orchestrator.validation.checker import Checker, open_checker

__all__ = (
    "default_limits",
    "hardening_settings",
    "host_needs",
    "load_policies",
    "load_policy",
    "open_checks",
    "open_engine",
    "open_orchestrator",
    "parent_bounds",
    "probe_container",
    "probe_runner",
    "runtimes_on_offer",
)


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """The engine that the settings name. Raises EngineUnavailable, saying what to do."""
    engine = await Engine.open(
        EngineSettings(
            url=settings.docker_url,
            call_seconds=settings.engine_call_seconds,
            concurrent_calls=settings.engine_calls_at_once,
        )
    )
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def open_orchestrator(
    settings: Settings | None = None, *, telemetry: Telemetry | None = None, claim: str = ""
) -> AsyncIterator[Orchestrator]:
    """A running orchestrator, its shelves filling in the background; on leaving, no container is left.

    `claim` is what only one living process can hold (`pool/claim.py`): whoever held it before is dead.
    Raises ConfigurationError, ImageMissing or EngineUnavailable before anything is made.
    """
    settings = settings or load_settings()
    runtimes = fitted_runtimes(settings)
    policy, policies = load_policy(settings), load_policies(settings)
    telemetry = telemetry or Telemetry()
    instance = uuid.uuid4().hex
    owner = Owner.this_process(claim)
    labels = {LABEL_INSTANCE: instance, LABEL_OWNER: owner.as_label()}
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(settings))
        for runtime in runtimes.values():
            await _require_image(engine, runtime)
        parent = await parent_bounds(engine, settings)
        if parent is not None and not _can_bound(settings):
            telemetry.bound_missing(parent.name)
        backend = _backend(engine, settings, f"sandbox-orch-{instance[:12]}", parent)
        stack.push_async_callback(backend.close)
        await reap_the_dead(backend, owner, telemetry)
        stack.push_async_callback(_reap_our_own, backend, labels, telemetry)
        profiles = _Profiles()
        pool_settings = _pool_settings(settings, runtimes, labels, parent, profiles)
        pool = await stack.enter_async_context(open_pool(backend, pool_settings, telemetry))
        checker = await stack.enter_async_context(open_checker(telemetry))
        health = HealthSettings(
            labels={LABEL_INSTANCE: instance},
            round_every_seconds=settings.health_every_seconds,
            answer_within_seconds=settings.health_answer_seconds,
            warm_age_seconds=settings.warm_age_seconds,
            fingerprints=partial(_fingerprints, engine, profiles, runtimes),
        )
        await stack.enter_async_context(keep_healthy(pool, backend, health, telemetry))
        runner = JobRunner(
            pool=pool,
            telemetry=telemetry,
            cpus=settings.cpus_per_container,
        )
        service = ServiceSettings(
            default_limits=default_limits(settings),
            queue_seconds=settings.queue_seconds,
            policy=policy,
            policies=policies,
            recycle=settings.recycle,
            can_narrow=_can_narrow(settings),
        )
        yield Orchestrator(service, runtimes, pool, runner, checker)


async def _reap_our_own(backend: DockerBackend, labels: dict[str, str], telemetry: Telemetry) -> None:
    """After the pool has closed nothing of this instance is known any more: whatever is left is a stray."""
    try:
        await reap_strays(backend, labels, lambda _: False, telemetry)
    except BackendError as error:
        telemetry.watch_failed("strays", error)


async def probe_runner(engine: Engine, settings: Settings, runtime: Runtime) -> str:
    """Make one container exactly as jobs get it, hear its runner, remove it; answers the runner's version.

    Raises BackendError where any of that fails.
    """
    async with probe_container(engine, settings, runtime) as (_, container):
        return container.runner_version


@asynccontextmanager
async def probe_container(
    engine: Engine, settings: Settings, runtime: Runtime
) -> AsyncIterator[tuple[ContainerSpec, LiveContainer]]:
    """One container exactly as jobs get it, with its recipe; removed on leaving. Raises BackendError."""
    labels = {LABEL_INSTANCE: uuid.uuid4().hex, LABEL_OWNER: Owner.this_process().as_label()}
    parent = await parent_bounds(engine, settings)
    backend = _backend(engine, settings, f"sandbox-orch-probe-{labels[LABEL_INSTANCE][:12]}", parent)
    make_spec = (
        _pool_settings(settings, {runtime.name: runtime}, labels, parent).shelves[runtime.name].make_spec
    )
    spec = replace(make_spec(None), narrow_to=None)
    container = await backend.launch(spec, ready_within_seconds=settings.ready_within_seconds)
    try:
        yield spec, container
    finally:
        await container.destroy()
        await backend.close()


async def host_needs(engine: Engine, settings: Settings) -> HostNeeds:
    """What the settings ask of a host. Raises EngineUnavailable."""
    parent = await parent_bounds(engine, settings)
    classes = [make_spec(None) for make_spec in _makers(settings)]
    return HostNeeds(
        container_runtime=settings.container_runtime,
        containers_maximum=settings.containers_maximum,
        container_bytes=max(spec.memory_bytes for spec in classes),
        jobs_memory_bytes=parent.memory_bytes if parent and _can_bound(settings) else None,
        jobs_processes=settings.jobs_processes,
        uid_first=settings.uid_first,
        uid_count=settings.uid_count,
    )


def _makers(settings: Settings) -> list[Callable[[Limits | None], ContainerSpec]]:
    shelves = _pool_settings(settings, fitted_runtimes(settings), {}).shelves
    return [shelf.make_spec for shelf in shelves.values()]


def load_policy(settings: Settings) -> Policy:
    """What code may do on this deployment. Raises ConfigurationError naming the file and the key."""
    if settings.policy_file is None:
        return load_preset(settings.policy)
    return _read_policy("policy_file", settings.policy_file, settings.policy)


def load_policies(settings: Settings) -> dict[str, Policy]:
    """What tenants may be given by name: the presets, and the operator's own. Raises ConfigurationError."""
    named = {name: load_preset(name) for name in PRESETS}
    folder = settings.policies_folder
    if folder is None:
        return named
    if not folder.is_dir():
        raise ConfigurationError(f"policies_folder: {folder} is no folder")
    for file in sorted(folder.glob("*.toml")):
        if file.stem in named:
            raise ConfigurationError(f"policies_folder: {file}: {file.stem!r} is the name of a preset")
        named[file.stem] = _read_policy("policies_folder", file, settings.policy)
    return named


def _read_policy(setting: str, file: Path, preset: str) -> Policy:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{setting}: cannot read {file}: {error}") from None
    return parse_policy(text, where=str(file), preset=preset)


@asynccontextmanager
async def open_checks() -> AsyncIterator[Checker]:
    """The checks alone, without an engine."""
    async with open_checker(Telemetry()) as checker:
        yield checker


def default_limits(settings: Settings) -> Limits:
    """What a job gets that asks for nothing."""
    return Limits(
        wall_time_ms=settings.wall_time_ms,
        cpu_time_ms=settings.cpu_time_ms or settings.wall_time_ms,
        memory_bytes=settings.memory_bytes,
        output_bytes=settings.output_bytes,
        processes=settings.processes,
        disk_bytes=settings.disk_bytes,
    )


def runtimes_on_offer(settings: Settings) -> dict[str, Runtime]:
    """The runtimes that the settings name. Raises UnknownRuntime or RuntimeDefinitionError."""
    known = known_runtimes(settings.images_folder)
    for name in settings.runtimes:
        if name not in known:
            raise UnknownRuntime(name, tuple(known))
    return {name: known[name] for name in settings.runtimes}


def fitted_runtimes(settings: Settings) -> dict[str, Runtime]:
    """The same, their ceilings as warm containers are made. Raises as `runtimes_on_offer` does.

    Where limits cannot be narrowed to a job's, warm containers are made with those of a job that asks for nothing;
    but a compiled program gets its own once it is compiled.
    """
    runtimes, usual = runtimes_on_offer(settings), default_limits(settings)
    if _can_narrow(settings):
        return runtimes
    return {
        name: runtime if runtime.compile_limits else _with_ceiling_of(runtime, usual)
        for name, runtime in runtimes.items()
    }


def _with_ceiling_of(runtime: Runtime, usual: Limits) -> Runtime:
    memory_bytes = min(usual.memory_bytes, runtime.ceiling.memory_bytes)
    processes = min(usual.processes, runtime.ceiling.processes)
    return replace(runtime, ceiling=replace(runtime.ceiling, memory_bytes=memory_bytes, processes=processes))


def _can_narrow(settings: Settings) -> bool:
    # Where the host's cgroup files have to be mounted to be seen, they can be read only.
    return settings.cgroup_root is None and may_write_cgroups()


def _narrow_beforehand_to(settings: Settings, runtime: Runtime) -> Limits | None:
    """To what limits warm containers have to be narrowed as they are made; None where a lease can do it.

    A compiler needs more than the job does. gVisor keeps no limits below those it was started with.
    """
    if _can_narrow(settings) or runtime.compile_limits is not None or is_gvisor(settings.container_runtime):
        return None
    return default_limits(settings)


def _can_bound(settings: Settings) -> bool:
    """Whether the bound on all containers together is ours to keep, or the proxy's for us to see."""
    return settings.cgroup_root is not None or may_write_cgroups()


def _backend(
    engine: Engine, settings: Settings, name_prefix: str, parent: ParentBounds | None
) -> DockerBackend:
    bounds = parent if _can_bound(settings) else None
    return DockerBackend(engine, name_prefix=name_prefix, parent=bounds, cgroup_root=settings.cgroup_root)


async def _require_image(engine: Engine, runtime: Runtime) -> None:
    if await engine.image_inspect(runtime.image) is None:
        problem = (
            f"the image {runtime.image} is not on this engine; run `sandbox-orch images build {runtime.name}`"
        )
        raise ImageMissing(problem)


async def parent_bounds(engine: Engine, settings: Settings) -> ParentBounds | None:
    """What all containers may use together, under the name that this engine's cgroup driver wants."""
    if settings.cgroup_parent is None:
        return None
    info = await engine.info()
    suffix = ".slice" if info.cgroup_driver == "systemd" else ""
    return ParentBounds(
        name=settings.cgroup_parent + suffix,
        memory_bytes=settings.jobs_memory_bytes or info.memory_bytes * 3 // 4,
        pids=settings.jobs_processes,
    )


def _pool_settings(
    settings: Settings,
    runtimes: dict[str, Runtime],
    labels: dict[str, str],
    parent: ParentBounds | None = None,
    profiles: _Profiles | None = None,
) -> PoolSettings:
    hardening = hardening_settings(settings, parent)
    uids = _uids(settings)
    return PoolSettings(
        shelves={
            name: ShelfSettings(
                target=settings.warm_target,
                most=_warm_maximum(settings),
                container_bytes=runtime.interpreter_memory_bytes,
                make_spec=_spec_maker(
                    runtime,
                    hardening,
                    uids,
                    labels,
                    profiles or _Profiles(),
                    narrow_to=_narrow_beforehand_to(settings, runtime),
                ),
            )
            for name, runtime in runtimes.items()
        },
        maximum=settings.containers_maximum,
        creates_at_once=settings.creates_at_once,
        ready_within_seconds=settings.ready_within_seconds,
        reuse=_reuse_settings(settings),
        usual_limits=default_limits(settings),
        free_memory_bytes=lambda: psutil.virtual_memory().available - settings.host_free_bytes,
    )


def _reuse_settings(settings: Settings) -> ReuseSettings:
    return ReuseSettings(
        jobs=settings.recycle_jobs,
        age_seconds=settings.recycle_age_seconds,
        idle_seconds=settings.recycle_idle_seconds,
        renew_within_seconds=settings.recycle_within_seconds,
        leaks=LeakSettings(window=settings.leak_window, slope_bytes=settings.leak_slope_bytes),
    )


def _warm_maximum(settings: Settings) -> int:
    if settings.warm_maximum is not None:
        return settings.warm_maximum
    return max(settings.warm_target, settings.containers_maximum // 2 // len(settings.runtimes))


async def _fingerprints(engine: Engine, profiles: _Profiles, runtimes: dict[str, Runtime]) -> dict[str, str]:
    """What containers of each runtime are made of at this moment; from here on also their profiles."""
    found = {}
    for name, runtime in runtimes.items():
        image = await engine.image_inspect(runtime.image)
        if image is None:
            raise ImageMissing(
                f"the image {runtime.image} has gone; `sandbox-orch images build {name}` makes it"
            )
        found[name] = f"{image['Id']} {profiles.read_again(runtime.seccomp_profile).digest}"
    return found


def hardening_settings(settings: Settings, parent: ParentBounds | None) -> HardeningSettings:
    """What the operator chose of the recipe of every container."""
    return HardeningSettings(
        init_uid=settings.uid_first,
        cpus=settings.cpus_per_container,
        open_files=settings.open_files,
        container_runtime=settings.container_runtime,
        cgroup_parent=_cgroup_parent_for_engine(parent),
    )


def _cgroup_parent_for_engine(parent: ParentBounds | None) -> str | None:
    if parent is None or parent.name.endswith(".slice"):
        return parent.name if parent else None
    return f"/{parent.name}"


class _Profiles:
    """The seccomp profiles in use: read once, and again only when somebody looks for changes."""

    def __init__(self) -> None:
        self._read: dict[str, SeccompProfile] = {}

    def current(self, name: str) -> SeccompProfile:
        """The profile as it was when it was last looked at. Raises ConfigurationError."""
        return self._read.get(name) or self.read_again(name)

    def read_again(self, name: str) -> SeccompProfile:
        """The profile as it is now; one that has become unusable raises ConfigurationError and changes nothing."""
        self._read[name] = profile = load_profile(name)
        return profile


def _uids(settings: Settings) -> Callable[[], int]:
    """A uid for each container, round and round in the range; PID 1 has the first one for itself.

    The start is random, so that two instances on one engine do not walk in step.
    """
    numbers = count(random.SystemRandom().randrange(settings.uid_count - 1))
    return lambda: settings.uid_first + 1 + next(numbers) % (settings.uid_count - 1)


def _spec_maker(
    runtime: Runtime,
    hardening: HardeningSettings,
    uids: Callable[[], int],
    labels: dict[str, str],
    profiles: _Profiles,
    *,
    narrow_to: Limits | None,
) -> Callable[[Limits | None], ContainerSpec]:
    profiles.current(runtime.seccomp_profile)  # a missing one is told at the start

    def make_spec(limits: Limits | None) -> ContainerSpec:
        spec = hardened_spec(
            runtime,
            hardening,
            job_uid=uids(),
            limits=limits or runtime.ceiling,
            seccomp_json=profiles.current(runtime.seccomp_profile).json_text,
            labels={**labels, "org.sandbox-orch.runtime": runtime.name},
        )
        return spec if narrow_to is None else replace(spec, narrow_to=limits or narrow_to)

    return make_spec
