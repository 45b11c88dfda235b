"""Client floor: the client that awaits. `synchronous.py` is the same with waits, method by method."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import EventSource, SSEError
from tenacity import AsyncRetrying

from orchestrator.client import calls
from orchestrator.client.calls import Call, read_value
from orchestrator.client.connection import Connection, transport_errors
from orchestrator.client.problems import ApiProblem, Conflict, problem_of
from orchestrator.client.retrying import RetryPolicy
from orchestrator.client.values import Event, Job, JobRequest, JobsPage, metrics_from_wire, result_from_wire
from orchestrator.client.watching import Watch
from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.policies.statistics import ExecutionMetrics

__all__ = ("AsyncClient",)

_T = TypeVar("_T")


class AsyncClient:
    """Talks to one service; safe for concurrent tasks. Every method may raise ApiProblem or ServiceUnreachable.

    A busy service is asked again when it says; a lost connection only where that cannot run a job twice.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retry: RetryPolicy | None = None,
        timeout_seconds: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        connection = Connection(url=url, key=key, timeout_seconds=timeout_seconds)
        self._connection = connection
        self._http = httpx.AsyncClient(transport=transport, **connection.options())
        self._retry = retry or RetryPolicy()
        self._sleep: Callable[[float], Any] = asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def execute(
        self, request: JobRequest, *, idempotency_key: str | None = None, wait_seconds: float = 120.0
    ) -> JobResult:
        """Run a job and wait for its result, whatever its outcome.

        With an idempotency key, a lost connection is no second run, and a request that is under way already
        is waited for.
        """
        call = calls.execute_job(request, idempotency_key, wait_seconds)
        try:
            return await self._ask(call, result_from_wire)
        except Conflict as conflict:
            job_id = calls.job_id_of(conflict.location or "")
            if job_id is None:
                raise
            finished = await self.wait(job_id, within_seconds=wait_seconds)
            if finished.result is None:
                raise
            return finished.result

    async def submit(self, request: JobRequest, *, idempotency_key: str | None = None) -> Job:
        """Hand in a job; it is durable once this returns."""
        return await self._ask(calls.submit_job(request, idempotency_key), Job.from_wire)

    async def submit_batch(
        self, requests: Sequence[JobRequest], *, idempotency_key: str | None = None
    ) -> Sequence[Job | ApiProblem]:
        """Hand in up to a hundred jobs; for each, the job, or why it was refused."""
        return await self._ask(calls.submit_batch(requests, idempotency_key), calls.read_batch)

    async def submit_inputs(
        self, request: JobRequest, inputs: Sequence[Any], *, idempotency_key: str | None = None
    ) -> Sequence[Job | ApiProblem]:
        """Hand in one code with up to a hundred inputs, a job each; `request` has none of its own."""
        return await self._ask(calls.submit_inputs(request, inputs, idempotency_key), calls.read_batch)

    async def get(self, job_id: str, *, wait_seconds: float = 0) -> Job:
        """One job; where it has not finished, after `wait_seconds` (LONGEST_POLL_SECONDS at most)."""
        return await self._ask(calls.get_job(job_id, wait_seconds), Job.from_wire)

    async def wait(self, job_id: str, *, within_seconds: float | None = None) -> Job:
        """A job once it has finished, or as it is after `within_seconds`; None waits as long as it takes."""
        loop = asyncio.get_running_loop()
        until = None if within_seconds is None else loop.time() + within_seconds
        while True:
            left = calls.LONGEST_POLL_SECONDS if until is None else until - loop.time()
            job = await self.get(job_id, wait_seconds=max(0.0, left))
            if job.has_finished or left <= 0:
                return job
            await self._sleep(calls.BETWEEN_POLLS_SECONDS)

    async def cancel(self, job_id: str) -> Job:
        """End a job, queued or running."""
        return await self._ask(calls.cancel_job(job_id), Job.from_wire)

    async def list(
        self,
        *,
        state: JobState | None = None,
        outcome: Outcome | None = None,
        runtime: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobsPage:
        """One page of jobs, newest first."""
        call = calls.list_jobs(
            state=state,
            outcome=outcome,
            runtime=runtime,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )
        return await self._ask(call, calls.read_page)

    async def events(self, job_id: str, *, last_event_id: int | None = None) -> AsyncIterator[Event]:
        """What happens to a job, as it happens, up to its `result`; goes on where a connection was lost."""
        watch = Watch(job_id, last_event_id, attempts=self._retry.attempts)
        while True:
            response: httpx.Response = await self._retrying(watch.call())(self._open, watch.call())
            try:
                async for received in EventSource(response).aiter_sse():
                    if (event := watch.take(received)) is not None:
                        yield event
                    if watch.has_ended:
                        return
            except httpx.ReadTimeout:
                watch.was_merely_quiet()
            except (httpx.TransportError, SSEError):
                pass  # what was missed comes over the next connection
            finally:
                await response.aclose()
            await self._sleep(watch.pause_seconds())

    async def statistics(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        runtime: str | None = None,
        tenant: str | None = None,
    ) -> ExecutionMetrics:
        """The figures of all executions that finished from `since` on and before `until` (Unix seconds)."""
        call = calls.look_at("stats", since=since, until=until, runtime=runtime, tenant=tenant)
        return await self._ask(call, metrics_from_wire)

    async def look_at(self, what: str, **params: object) -> dict[str, Any]:
        """One of the read-only pages, as JSON: `runtimes`, `pool`."""
        return await self._ask(calls.look_at(what, **params), dict)

    # -- inside -----------------------------------------------------------------------------------------

    async def _ask(self, call: Call, read: Callable[[Any], _T]) -> _T:
        async def once() -> _T:
            response = await self._send(call)
            return read_value(response, read)

        return await self._retrying(call)(once)

    async def _open(self, call: Call) -> httpx.Response:
        response = await self._send(call, stream=True)
        if response.is_success:
            return response
        with transport_errors(self._connection.url):
            await response.aread()
        raise problem_of(response)

    async def _send(self, call: Call, *, stream: bool = False) -> httpx.Response:
        request = self._http.build_request(**self._connection.request_of(call))
        with transport_errors(self._connection.url):
            return await self._http.send(request, stream=stream)

    def _retrying(self, call: Call) -> AsyncRetrying:
        return AsyncRetrying(sleep=self._sleep, **self._retry.options(call))
