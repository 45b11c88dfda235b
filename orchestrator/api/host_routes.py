"""HTTP floor: the endpoints of the host: runtimes, pool, figures, health. Parse, call the service, render."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from orchestrator.api import examples
from orchestrator.api.answers import describe, json_answer
from orchestrator.api.auth import OPERATOR_ONLY, Asker
from orchestrator.api.schemas import HealthOut, PoolOut, ReadyOut, RuntimesOut, StatsOut
from orchestrator.api.state import state_of
from orchestrator.domain.tenant import Scope
from orchestrator.jobs import require_scope
from orchestrator.wire import containers_to_wire, statistics_to_wire

__all__ = ("host_router",)

host_router = APIRouter()
_Time = Annotated[float | None, Query(ge=0, le=1e12, description="Unix seconds.", allow_inf_nan=False)]


@host_router.get("/v1/runtimes", responses=describe(200, RuntimesOut, examples.RUNTIMES, 401, 403))
async def runtimes(request: Request, asker: Asker) -> Response:
    """The runtimes that the tenant may use, and their limits."""
    require_scope(asker, Scope.READ)
    orchestrator, allowed = state_of(request).service.orchestrator, asker.tenant.runtimes
    defaults = asdict(orchestrator.default_limits)
    offered = [
        {
            "name": each.name, "language": each.language, "version": each.version, "modes": each.modes,
            "ceiling": asdict(each.ceiling), "maximum": asdict(each.maximum), "default_limits": defaults,
        }
        for each in orchestrator.runtimes.values()
        if allowed is None or each.name in allowed
    ]  # fmt: skip
    return json_answer({"runtimes": offered})


@host_router.get(
    "/v1/pool", dependencies=[OPERATOR_ONLY], responses=describe(200, PoolOut, examples.POOL, 401, 403)
)
async def pool(request: Request) -> Response:
    """The pool and the queue at this moment: for the operator, since it counts everybody's jobs."""
    service = state_of(request).service
    fields = statistics_to_wire(service.orchestrator.statistics())
    fields["containers"] = containers_to_wire(service.orchestrator.pool.containers())
    fields["queue_depth"] = service.dispatcher.queue.depth()
    fields["running"] = service.dispatcher.running
    return json_answer(fields)


@host_router.get("/v1/stats", responses=describe(200, StatsOut, examples.STATS, 401, 403, 422, 503))
async def stats(
    request: Request,
    asker: Asker,
    *,
    since: _Time = None,
    until: _Time = None,
    runtime: Annotated[str | None, Query(max_length=64)] = None,
    tenant: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The tenant's executions that finished in a time range, exact; an operator may name any tenant."""
    figures = await state_of(request).service.statistics(
        asker, runtime=runtime, since=since, until=until, tenant=tenant
    )
    return json_answer(asdict(figures))


@host_router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[OPERATOR_ONLY],
    responses={
        **describe(200, HealthOut, None, 401, 403),
        200: {
            "description": "Prometheus' text format.",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "sandbox_orch_build_info 1.0"}
            },
        },
    },
)
async def metrics(request: Request) -> Response:
    """Metrics of the whole host, for the operator's Prometheus."""
    return Response(state_of(request).monitor.exposition(), media_type="text/plain; version=0.0.4")


@host_router.get("/healthz", responses=describe(200, HealthOut, {"status": "ok"}))
async def healthz() -> Response:
    """The process answers."""
    return json_answer({"status": "ok"})


@host_router.get(
    "/readyz",
    responses={
        **describe(200, ReadyOut, examples.READY),
        503: {
            "model": ReadyOut,
            "description": "Not now.",
            "content": {"application/json": {"example": {**examples.READY, "ready": False, "pool": False}}},
        },
    },
)
async def readyz(request: Request) -> Response:
    """Whether jobs can be taken now: engine, pool, store, disk, and what checks sources."""
    found = await state_of(request).readiness.ask()
    return json_answer(found.to_wire(), 200 if found.is_ready else 503)
