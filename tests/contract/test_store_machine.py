"""`store/store.py` as a state machine: whatever is done in whatever order, it remembers what a dict would."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from records import NOW, finished_record, make_record, make_result

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import DAY_SECONDS
from orchestrator.store.claims import ClaimKind
from orchestrator.store.store import open_store

TENANTS = st.sampled_from(["acme", "other"])
WEEK = 7 * DAY_SECONDS


class StoreMachine(RuleBasedStateMachine):
    """The store beside a dict of jobs and a dict of claims."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.runner = asyncio.Runner()
        self.jobs = {}
        self.claims = {}
        self.numbers = count(1)
        self.now = NOW
        self.open()

    def open(self) -> None:
        self.stack = AsyncExitStack()
        self.store = self.run(self.stack.enter_async_context(open_store(self.url, alone=True)))

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()

    def some(self, data, *states: JobState):
        """One of the jobs in these states."""
        ids = sorted(each.id for each in self.jobs.values() if each.state in states)
        return self.jobs[data.draw(st.sampled_from(ids))]

    def has(self, *states: JobState) -> bool:
        return any(each.state in states for each in self.jobs.values())

    # -- what can happen --------------------------------------------------------------------------------

    @rule(tenant=TENANTS, size=st.integers(1, 3))
    def accept(self, tenant, size):
        batch = [
            make_record(id=f"m{next(self.numbers)}", tenant=tenant, accepted_at=self.now) for _ in range(size)
        ]
        self.run(self.store.add(batch))
        self.jobs.update({each.id: each for each in batch})

    @rule(tenant=TENANTS, outcome=st.sampled_from(Outcome))
    def remember(self, tenant, outcome):
        record = finished_record(
            id=f"m{next(self.numbers)}",
            tenant=tenant,
            outcome=outcome,
            accepted_at=self.now,
            finished_at=self.now,
        )
        self.run(self._now(self.store.record_finished, record))
        self.jobs[record.id] = record

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def start(self, data):
        job = self.some(data, *JobState)
        self.run(self._now(self.store.start, job.id, self.now))
        if job.state is not JobState.FINISHED:
            self.jobs[job.id] = replace(
                job, state=JobState.RUNNING, started_at=self.now, attempts=job.attempts + 1
            )

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome), keep=st.booleans())
    def finish(self, data, outcome, keep):
        job, result = self.some(data, *JobState), make_result()
        end = self.store.finish(job.id, outcome=outcome, result=result, at=self.now, keep_request=keep)
        assert self.run(end) == (job.state is not JobState.FINISHED)
        if job.state is not JobState.FINISHED:
            self.jobs[job.id] = replace(
                job,
                state=JobState.FINISHED,
                outcome=outcome,
                result=result,
                finished_at=self.now,
                request=job.request if keep else None,
            )

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), tenant=TENANTS, key=st.sampled_from("kl"), body=st.sampled_from("bc"))
    def claim(self, data, tenant, key, body):
        job = self.some(data, *JobState)
        found = self.run(self.store.claim(tenant, key, body, job.id, now=self.now))
        held = self.claims.get((tenant, key))
        if held is None or held[2] <= self.now - DAY_SECONDS:
            assert (found.kind, found.job_id) == (ClaimKind.NEW, job.id)
            self.claims[tenant, key] = (body, job.id, self.now)
        else:
            assert found.kind is (ClaimKind.SAME if held[0] == body else ClaimKind.OTHER_BODY)
            assert found.job_id == held[1]

    @rule(tenant=TENANTS, key=st.sampled_from("kl"))
    def release(self, tenant, key):
        self.run(self.store.release_claim(tenant, key))
        self.claims.pop((tenant, key), None)

    @rule(seconds=st.sampled_from([1, 3600, DAY_SECONDS, WEEK]))
    def let_time_pass(self, seconds):
        self.now += seconds

    @rule()
    def prune(self):
        gone = {
            each.id
            for each in self.jobs.values()
            if each.state is JobState.FINISHED and each.finished_at < self.now - WEEK
        }
        assert self.run(self.store.prune(self.now)) == len(gone)
        self.jobs = {job_id: job for job_id, job in self.jobs.items() if job_id not in gone}
        self.claims = {
            key: held
            for key, held in self.claims.items()
            if held[1] not in gone and held[2] > self.now - DAY_SECONDS
        }

    @rule()
    def restart(self):
        self.run(self.stack.aclose())
        self.open()
        assert self.run(self.store.release_orphaned_claims()) == sum(
            held[1] not in self.jobs for held in self.claims.values()
        )
        self.claims = {key: held for key, held in self.claims.items() if held[1] in self.jobs}

    async def _now(self, act, *args):
        act(*args)

    # -- what is always true ----------------------------------------------------------------------------

    @invariant()
    def every_list_is_of_the_jobs_there_are(self):
        for tenant in ("acme", "other", None):
            found = self.run(self.store.list(tenant=tenant, limit=500)).records
            wanted = [each for each in self.jobs.values() if tenant in (None, each.tenant)]
            wanted.sort(key=lambda each: (each.accepted_at, each.id), reverse=True)
            assert list(found) == [replace(each, request=None, result=None) for each in wanted]

    @invariant()
    def what_is_unfinished_waits_for_a_restart(self):
        found = {each.id for each in self.run(self.store.unfinished())}
        assert found == {each.id for each in self.jobs.values() if each.state is not JobState.FINISHED}

    @invariant()
    def the_statistics_count_what_has_finished(self):
        finished = [each for each in self.jobs.values() if each.state is JobState.FINISHED]
        found = self.run(self.store.statistics(tenant=None))
        assert found.total == len(finished)
        assert found.succeeded == sum(each.outcome is Outcome.SUCCEEDED for each in finished)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def look(self, data):
        job = self.some(data, *JobState)
        assert self.run(self.store.get(job.id, tenant=job.tenant)) == job
        other = "other" if job.tenant == "acme" else "acme"
        assert self.run(self.store.get(job.id, tenant=other)) is None


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request, tmp_path):
    """Makes the URL of an empty store, again and again."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql").empty_database
    files = count(1)
    return lambda: f"sqlite:///{tmp_path}/store{next(files)}.db"


def test_the_store_remembers_what_a_dict_would(new_url):
    """Jobs, claims, retention and restarts in any order, on either database."""
    run_state_machine_as_test(
        lambda: StoreMachine(new_url()),
        settings=settings(max_examples=15, stateful_step_count=20, deadline=None),
    )
