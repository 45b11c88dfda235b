"""Looks at an engine, its host, and real containers made as jobs get them. Above the composition root.

Owns the order: facts first, then one container of every runtime, then jobs that try what must not work.
What each finding means is decided below, in `policies.host_checks` and `policies.probes`.

`require_host` is for whoever is about to serve tenants: call it before the first container is made, and let
HardeningFailed end the start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict, replace

from orchestrator.backends.cgroups import limits_in_force
from orchestrator.backends.docker import Engine
from orchestrator.backends.host_facts import read_host_facts
from orchestrator.bootstrap import (
    host_needs,
    open_engine,
    open_orchestrator,
    probe_container,
    runtimes_on_offer,
)
from orchestrator.config import Settings
from orchestrator.domain.errors import BackendError, CapacityError, HardeningFailed
from orchestrator.domain.job import JobSpec
from orchestrator.domain.runtime import Runtime
from orchestrator.policies.checkup import CheckLine, Checkup, HostFacts, HostNeeds, Status, judge_host
from orchestrator.policies.hardening import is_gvisor
from orchestrator.policies.host_checks import CHECKS
from orchestrator.policies.probes import LAUNCH, LIMITS_IN_FORCE, PROBES, ProbeContext, judge_limits, line_of
from orchestrator.service import Orchestrator

__all__ = ("examine_host", "require_host")

Progress = Callable[[str], None]


async def examine_host(settings: Settings, progress: Progress, *, with_probes: bool = True) -> Checkup:
    """Everything that can be found out. Raises EngineUnavailable where no engine answers.

    Without probes no container is made. Where a container cannot be made, or is weaker than its recipe, no
    job is run in one.
    """
    async with open_engine(settings) as engine:
        progress("the engine and its host")
        facts, needs = await _facts(engine, settings)
        checkup = Checkup(lines=judge_host(facts, needs, CHECKS))
        if not with_probes or facts.images_missing:
            return checkup
        containers = [line async for line in _containers(engine, settings, progress)]
    checkup = Checkup(lines=(*checkup.lines, *containers))
    if any(line.status is Status.FAIL for line in containers):
        return checkup
    jobs = [line async for line in _jobs(settings, facts, progress)]
    return Checkup(lines=(*checkup.lines, *jobs))


async def require_host(settings: Settings) -> None:
    """The required part, in about a second: facts, and one container of every runtime.

    Raises HardeningFailed naming every required control that does not hold, EngineUnavailable where no engine
    answers. Nothing is left on the engine in any case.
    """
    async with open_engine(settings) as engine:
        facts, needs = await _facts(engine, settings)
        lines = list(judge_host(facts, needs, CHECKS))
        if not facts.images_missing and not Checkup(lines=tuple(lines)).failed:
            lines += [line async for line in _containers(engine, settings, lambda _: None)]
    if failed := Checkup(lines=tuple(lines)).failed:
        problems = "; ".join(f"{line.name}: {line.found}" for line in failed)
        raise HardeningFailed(f"{problems} (`sandbox-orch doctor` says how to mend it)"[:1000], step="start")


async def _facts(engine: Engine, settings: Settings) -> tuple[HostFacts, HostNeeds]:
    images = [runtime.image for runtime in runtimes_on_offer(settings).values()]
    return await read_host_facts(engine, images), await host_needs(engine, settings)


# -- one container of every runtime ------------------------------------------------------------------------


async def _containers(engine: Engine, settings: Settings, progress: Progress) -> AsyncIterator[CheckLine]:
    for runtime in runtimes_on_offer(settings).values():
        progress(f"{runtime.name}: a container as jobs get it")
        for line in await _container(engine, settings, runtime):
            yield line


async def _container(engine: Engine, settings: Settings, runtime: Runtime) -> tuple[CheckLine, ...]:
    try:
        async with probe_container(engine, settings, runtime) as (spec, container):
            found = f"{runtime.language} {container.runner_version}, self-check passed"
            state = (await engine.inspect(container.id))["State"]
            in_force = limits_in_force(int(state["Pid"]), container.id)
            limits = judge_limits(spec, asdict(in_force) if in_force else None)
    except BackendError as error:
        return (line_of(LAUNCH, Status.FAIL, str(error)[:400], runtime=runtime.name),)
    return (
        line_of(LAUNCH, Status.OK, found, runtime=runtime.name),
        line_of(LIMITS_IN_FORCE, *limits, runtime=runtime.name),
    )


# -- jobs that try what must not work ------------------------------------------------------------------------


async def _jobs(settings: Settings, facts: HostFacts, progress: Progress) -> AsyncIterator[CheckLine]:
    # The probes try what must not work: no validator in front of them.
    few = {"warm_target": 1, "warm_maximum": 1, "containers_maximum": 2 * len(settings.runtimes)}
    small = settings.model_copy(update={**few, "policy": "open", "policy_file": None})
    async with open_orchestrator(small) as orchestrator:
        for runtime in orchestrator.runtimes.values():
            context = _context(settings, facts, runtime)
            async for line in _jobs_of(orchestrator, runtime, context, progress):
                yield line


async def _jobs_of(
    orchestrator: Orchestrator, runtime: Runtime, context: ProbeContext, progress: Progress
) -> AsyncIterator[CheckLine]:
    for probe in PROBES:
        if probe.language != runtime.language:
            continue
        progress(f"{runtime.name}: {probe.about.name}")
        # So that a deadline is not measured while the next container is being made.
        with suppress(CapacityError):
            await orchestrator.wait_until_warm(within_seconds=30)
        limits = replace(probe.limits, output_bytes=orchestrator.default_limits.output_bytes)
        result = await orchestrator.execute(JobSpec(runtime=runtime.name, code=probe.code, limits=limits))
        yield line_of(probe.about, *probe.judge(result, context), runtime=runtime.name)


def _context(settings: Settings, facts: HostFacts, runtime: Runtime) -> ProbeContext:
    return ProbeContext(
        in_gvisor=is_gvisor(settings.container_runtime),
        uid_first=settings.uid_first,
        uid_count=settings.uid_count,
        known_ids=facts.known_ids or (),
        environment=runtime.environment,
    )
