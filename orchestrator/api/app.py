"""HTTP floor: the application, put together."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from orchestrator import __version__
from orchestrator.api.bodies import BoundedBodies, RequestIds
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
    app = FastAPI(title="sandbox-orch", version=__version__, description=_ABOUT, redoc_url=None)
    app.state.api = state
    app.include_router(jobs_router)
    app.include_router(host_router)
    install_problems(app)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, which the answers of all routes refer to."""
    make_document = app.openapi

    def document() -> dict[str, object]:
        if app.openapi_schema is None:
            made = make_document()
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            template = "#/components/schemas/{model}"
            problem = ProblemOut.model_json_schema(ref_template=template)
            schemas.update(problem.pop("$defs", {}))
            schemas[ProblemOut.__name__] = problem
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI says to extend it
