"""HTTP floor: the application, put together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from orchestrator import __version__
from orchestrator.api.bodies import BoundedBodies, RequestIds
from orchestrator.api.dashboard_routes import dashboard_router
from orchestrator.api.host_routes import host_router
from orchestrator.api.problems import install_problems
from orchestrator.api.routes import jobs_router
from orchestrator.api.schemas import ProblemOut
from orchestrator.api.state import ApiState

__all__ = ("api_of", "make_app")

_ABOUT = "Runs untrusted code, one never-used, hardened, already-warm container per job."


def make_app(state: ApiState) -> ASGIApp:
    """Everything that serves HTTP: the API behind request ids and bounds on bodies."""
    bounded = BoundedBodies(
        api_of(state),
        most_bytes=state.settings.most_body_bytes,
        most_bytes_at_once=state.settings.most_body_bytes_at_once,
    )
    return RequestIds(bounded)


def api_of(state: ApiState) -> FastAPI:
    """The API alone: its routes, its problems, its description at /openapi.json."""
    # Without FastAPI's own pages: a browser would fetch their scripts from outside.
    app = FastAPI(
        title="sandbox-orch", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None
    )
    app.state.api = state
    app.include_router(jobs_router)
    app.include_router(host_router)
    app.include_router(dashboard_router)
    install_problems(app)
    _complete_document(app)
    return app


def _complete_document(app: FastAPI) -> None:
    """Add to the OpenAPI document what FastAPI leaves out: the schema of problems, and nulls in examples."""
    make_document = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = make_document()
            made["components"]["schemas"] |= _problem_schemas()
            for route in (*jobs_router.routes, *host_router.routes, *dashboard_router.routes):
                if isinstance(route, APIRoute) and route.include_in_schema:
                    _put_examples_back(made, route)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI says to extend it


def _problem_schemas() -> dict[str, Any]:
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**problem.pop("$defs", {}), ProblemOut.__name__: problem}


def _put_examples_back(document: dict[str, Any], route: APIRoute) -> None:
    for method in route.methods or ():
        answers = document["paths"][route.path][method.lower()]["responses"]
        for status, answer in route.responses.items():
            for kind, content in answer["content"].items():
                answers[str(status)]["content"][kind]["example"] = content["example"]
