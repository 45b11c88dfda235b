"""Attack programs as the *second* job of a container that is kept for its tenant: held as on a never-used one.

And after each of them the tenant's next job, on the same container or on another: it finds nothing and computes rightly.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from orchestrator import JobResult, JobSpec, Orchestrator, Outcome, load_settings
from orchestrator.attack.corpus import load_corpus
from orchestrator.attack.driver import (
    CANARIES,
    CANARY_INPUT,
    CANARY_OUTPUT,
    LIMITS,
    AttackPlan,
    plan_attacks,
)
from orchestrator.attack.expectations import Judgement, Verdict, judge, observe
from orchestrator.domain.container import ContainerState
from orchestrator.domain.job import Mode

pytestmark = pytest.mark.docker

# What might reach the next job, or the frame writer that both share: memory, processes, signals, forged frames, files,
# descriptors, locks, late writes, the engine's state.
NUMBERS = {
    18, 24, 27, *range(31, 41), 42, 43, *range(65, 77), 78, 84, 90, 93, 106, 135, 136, 138, 139, *range(142, 149),
    *range(150, 155), *range(157, 161), 168,
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What became of one program that ran as a second job, and of the job after it."""

    judgement: Judgement
    was_second: bool
    following: JobResult
    container: str


def _plans() -> dict[str, AttackPlan]:
    programs = [program for program in load_corpus() if program.number in NUMBERS]
    runtimes = load_runtimes_on_offer()
    sequences = plan_attacks(programs, runtimes, tuple(Mode))
    return {f"{plan.program.name}-{plan.mode}": plan for sequence in sequences for plan in sequence}


def load_runtimes_on_offer():
    from orchestrator.bootstrap import runtimes_on_offer

    return tuple(runtimes_on_offer(load_settings()).values())


PLANS = _plans()


async def _settled(orchestrator: Orchestrator) -> None:
    async with asyncio.timeout(30):
        while any(one.state is ContainerState.INSPECTING for one in orchestrator.pool.containers()):
            await asyncio.sleep(0.01)


async def _canary(orchestrator: Orchestrator, plan: AttackPlan, tenant: str) -> JobResult:
    code = CANARIES[plan.program.language]
    spec = JobSpec(runtime=plan.runtime, code=code, input_json=CANARY_INPUT, limits=LIMITS)
    result = await orchestrator.execute(spec, tenant=tenant)
    await _settled(orchestrator)
    return result


async def _try(orchestrator: Orchestrator, plan: AttackPlan) -> Trial:
    """A job of ours, the program, a job of ours: all of one tenant. One that follows another comes after it."""
    tenant = f"{plan.program.name}-{plan.mode}"
    first = await _canary(orchestrator, plan, tenant)
    if plan.program.follows is not None:
        leader = next(
            one
            for one in PLANS.values()
            if (one.program.number, one.mode) == (plan.program.follows, plan.mode)
        )
        await orchestrator.execute(leader.spec(), tenant=tenant)
        await _settled(orchestrator)
    result = await orchestrator.execute(plan.spec(), tenant=tenant)
    await _settled(orchestrator)
    assert first.container is not None
    assert result.container is not None
    return Trial(
        judgement=judge(plan.program.expected[plan.mode], observe(result, plan.mode)),
        was_second=result.container.id == first.container.id and result.container.reused,
        following=await _canary(orchestrator, plan, tenant),
        container=result.container.id,
    )


@pytest.fixture(scope="module")
def trials(engine_answers: str | None) -> dict[str, Trial]:
    """One run for all programs, three at a time."""
    return {} if engine_answers is not None else asyncio.run(_try_all())


async def _try_all() -> dict[str, Trial]:
    turns = asyncio.Semaphore(3)
    made: dict[str, Trial] = {}
    settings = load_settings(
        recycle="leak",
        recycle_idle_seconds=120,
        warm_target=2,
        containers_maximum=14,
        queue_seconds=300,
        policy="open",  # the containers are what is attacked: no validator in front of them
    )

    async def one(name: str, orchestrator: Orchestrator) -> None:
        async with turns:
            made[name] = await _try(orchestrator, PLANS[name])

    async with Orchestrator.open(settings) as orchestrator:
        await orchestrator.wait_until_warm(within_seconds=120)
        async with asyncio.TaskGroup() as group:
            for name in PLANS:
                group.create_task(one(name, orchestrator))
    return made


@pytest.mark.parametrize("name", PLANS)
def test_an_attack_on_a_used_container_is_held(trials, name):
    """It ends as its header says, in the very container in which a job of the same tenant ended before."""
    trial = trials[name]
    assert trial.judgement.verdict is Verdict.HELD, trial.judgement.reason
    # One that follows a program which left something gets another container: that is the point of inspecting.
    assert trial.was_second or PLANS[name].program.follows is not None


@pytest.mark.parametrize("name", PLANS)
def test_the_job_after_an_attack_is_not_touched_by_it(trials, name):
    """The right answer, and not one byte of the attack on its streams, wherever it ran."""
    following = trials[name].following
    assert (following.outcome, following.output) == (Outcome.SUCCEEDED, CANARY_OUTPUT)
    assert (following.stdout.text, following.stderr.text) == ("", "")


def test_some_attacks_leave_their_container_fit_to_be_kept(trials):
    """Otherwise the job after them would have been tried on new containers only."""
    kept = [name for name, trial in trials.items() if trial.following.container.id == trial.container]
    assert len(kept) > len(trials) // 4
