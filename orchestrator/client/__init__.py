"""Client floor: a program's way to a running `sandbox-orch serve`. Knows HTTP and the domain's values, nothing else.

with Client("https://sandbox.example", key="so_…") as client:
    result = client.execute(JobRequest(runtime="python", code="output = input * 2", input=21))
"""

from __future__ import annotations

from orchestrator.client.asynchronous import AsyncClient
from orchestrator.client.problems import (
    ApiProblem,
    Conflict,
    NotAllowed,
    NotFound,
    RequestRefused,
    ServiceBusy,
    ServiceFailed,
    ServiceUnreachable,
)
from orchestrator.client.retrying import RetryPolicy
from orchestrator.client.synchronous import Client
from orchestrator.client.values import Event, Job, JobRequest, JobsPage
from orchestrator.domain.job import JobState, Mode
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.domain.tenant import Priority

__all__ = (
    "ApiProblem",
    "AsyncClient",
    "Client",
    "Conflict",
    "Event",
    "Job",
    "JobRequest",
    "JobResult",
    "JobState",
    "JobsPage",
    "Mode",
    "NotAllowed",
    "NotFound",
    "Outcome",
    "Priority",
    "RequestRefused",
    "RetryPolicy",
    "ServiceBusy",
    "ServiceFailed",
    "ServiceUnreachable",
)
