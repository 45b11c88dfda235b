"""The served OpenAPI document: it describes every endpoint with examples, and no request makes it a liar."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Self

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
import uvicorn
from apis import document_of, open_house
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestrator.api import examples
from orchestrator.domain.tenant import Scope, Tenant

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
PATIENT = Tenant(name="alice", rate_per_second=1e6, burst=1_000_000)


class Served:
    """A house behind uvicorn on a thread of its own, for a client that is not asynchronous."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    async def _serve(self) -> None:
        async with open_house(self._folder, maximum=16, stream_seconds=0.01) as house:
            self.key = await house.key(PATIENT, Scope.ADMIN)
            self._server = uvicorn.Server(
                uvicorn.Config(house.app, port=0, lifespan="off", log_config=None, access_log=False)
            )
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
            self._listening.set()
            await serving
            house.service.abandon()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    async def made() -> dict:
        async with open_house(tmp_path_factory.mktemp("house")) as house:
            return document_of(house)

    return asyncio.run(made())


def test_every_answer_has_an_example_that_fits_its_schema(document):
    """Each endpoint, each status: an example, and the schema takes it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer["content"].items():
                    if (
                        kind == "application/json"
                        and status == "422"
                        and "HTTPValidationError" in str(content)
                    ):
                        raise AssertionError(f"{method} {path} describes FastAPI's own 422")
                    schema = {**content["schema"], "components": document["components"]}
                    jsonschema_rs.validate(schema, content["example"])


def test_it_is_openapi_3_1_and_every_body_has_an_example(document):
    """What a client sends is shown, too."""
    assert document["openapi"].startswith("3.1")
    for name in ("SourceIn", "JobIn", "_ManyInputsIn", "_ManyJobsIn"):
        assert document["components"]["schemas"][name]["examples"], name


def test_every_example_is_used(document):
    """No example without an endpoint."""
    assert all(str(getattr(examples, name)) for name in examples.__all__)
    assert len(document["paths"]) == 14


def test_no_request_finds_a_5xx_or_an_answer_that_is_not_described(tmp_path):
    """schemathesis, over HTTP and every operation, with requests good and bad: status, type and schema hold."""
    with Served(tmp_path) as served:
        schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        for operation in operations:
            for mode in GenerationMode:
                _send_many(operation, mode, served)
    assert len(operations) == 16


def _send_many(operation, mode: GenerationMode, served: Served) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)
    except Unsatisfiable:
        return  # nothing can be wrong in a request without parameters

    @hypothesis.given(case=cases)
    @hypothesis.settings(
        max_examples=20, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), database=None
    )
    def send(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {served.key}"}
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=10)

    with contextlib.suppress(Unsatisfiable):
        send()
