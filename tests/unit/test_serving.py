"""`serving.py` and what it puts together: addresses, first key, settings, logs, traces."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import sys
import time

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orchestrator import logs, serving
from orchestrator.config import load_settings
from orchestrator.domain.errors import ConfigurationError, UnknownJob
from orchestrator.domain.job import JobState
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobResult, Outcome, Timing
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority, Scope
from orchestrator.monitoring import Monitor
from orchestrator.store.store import open_store
from orchestrator.tracing import JobTracer, open_tracing


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("SANDBOX_ORCH_", "OTEL_"))]:
        monkeypatch.delenv(name)


# -- the door -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_beyond_loopback_there_is_no_serving_without_authentication(host):
    """Refused before anything is started; the words that allow it are in the message."""
    settings = load_settings(serve_host=host, authentication=False)
    with pytest.raises(ConfigurationError, match="--insecure-no-authentication"):
        serving.run_server(settings, print)
    serving.require_safe_address(load_settings(serve_host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_authentication_may_be_off(host):
    """Only this host's own users reach it."""
    serving.require_safe_address(load_settings(serve_host=host, authentication=False))


async def test_the_first_start_makes_a_key_and_says_where(tmp_path):
    """A file for this user only, with a key of all scopes; the second start makes none."""
    told = []
    settings = load_settings()
    for _ in range(2):
        async with serving._open_store(settings, tmp_path, told.append) as store:
            secret = (tmp_path / "admin.key").read_text().strip()
            principal = await store.authenticate(secret, time.time())
            assert principal.scopes == frozenset(Scope)
            assert len(await store.keys()) == 1
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600
    assert told == [f"first start: the administrator's key is in {tmp_path / 'admin.key'}"]


async def test_a_key_that_cannot_be_written_is_revoked(tmp_path):
    """No valid key exists that nobody knows."""
    (tmp_path / "admin.key.d").mkdir()
    async with open_store(f"sqlite:///{tmp_path / 's'}") as store:
        with pytest.raises(ConfigurationError, match="cannot write"):
            await serving._have_an_admin_key(store, tmp_path / "nowhere" / "admin.key", print)
        (key,) = await store.keys()
        assert not key.is_valid(time.time() + 1)


def test_the_data_folder_is_made_for_this_user_only(tmp_path):
    """Nobody else reads the store or the key."""
    folder = serving.data_folder(load_settings(data_folder=tmp_path / "a" / "b"))
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot make"):
        serving.data_folder(load_settings(data_folder=tmp_path / "file"))


@pytest.mark.parametrize(("target", "asked", "kept"), [(4, 1, 1), (4, 9, 2), (2, 1, 0), (0, 1, 0)])
def test_the_reserve_leaves_hands_to_make_containers_with(target, asked, kept):
    """With fewer warm containers than can be made at once a reserve would cost speed."""
    settings = load_settings(warm_target=target, reserved_warm=asked, creates_at_once=2)
    assert serving.jobs_settings(settings).dispatcher.reserved_warm == kept


def test_the_loops_clock_is_exact():
    """uvloop's own stands still while a step runs; ours does not."""
    with asyncio.Runner(loop_factory=serving.MeasuringLoop) as runner:

        async def look() -> float:
            loop = asyncio.get_running_loop()
            first = loop.time()
            while (second := loop.time()) == first:
                pass
            return second - first

        assert 0 < runner.run(look()) < 0.001


async def test_the_first_signal_drains_and_the_second_waits_for_nothing():
    """Between them running jobs may finish."""
    done = []

    class Service:
        def drain(self):
            done.append("drain")

        def abandon(self):
            done.append("abandon")

    class Server:
        should_exit = force_exit = False

    server = Server()
    with serving._signals(lambda: serving._stop(server, Service(), 1e6, lambda _text: None)):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.01)
        assert (done, server.should_exit, server.force_exit) == (["drain"], True, False)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
    assert (done, server.force_exit) == (["drain", "abandon"], True)


# -- settings from a file -------------------------------------------------------------------------------------


def test_a_file_goes_behind_the_environment_and_before_the_defaults(tmp_path, monkeypatch):
    """What is said nearest to the process wins."""
    file = tmp_path / "s.toml"
    file.write_text('warm_target = 3\nqueue_places = 7\nserve_port = 1\nruntimes = ["python"]\n')
    monkeypatch.setenv("SANDBOX_ORCH_QUEUE_PLACES", "8")
    settings = load_settings(file, serve_port=2)
    assert (settings.warm_target, settings.queue_places, settings.serve_port) == (3, 8, 2)
    assert settings.runtimes == ("python",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("warm_targets = 3", "warm_targets"),
        ("queue_places = 0", "queue_places"),
        ("=", "is no TOML"),
        (None, "cannot read"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, text, says):
    """The setting, or the file, is named."""
    file = tmp_path / "s.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_settings(file)
    assert "\n" not in str(caught.value)
    assert "s.toml" in str(caught.value)


# -- logs and traces ------------------------------------------------------------------------------------------

RECORD = JobRecord(
    id="j1", tenant="t", runtime="python", priority=Priority.NORMAL, state=JobState.FINISHED, accepted_at=1000.0,
    expires_at=1010.0, finished_at=1001.0, outcome=Outcome.SUCCEEDED, code_sha256="c", input_sha256="i",
)  # fmt: skip
RESULT = JobResult(
    id="j1", outcome=Outcome.SUCCEEDED, usage=Usage(wall_ms=2.0), output="a tenant's secret",
    timing=Timing(validated_ms=1.0, queued_ms=3.0, leased_ms=4.0, executed_ms=9.0, collected_ms=10.0),
)  # fmt: skip


@pytest.fixture
def json_lines():
    """JSON logs, and everything as it was afterwards."""
    written, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.open_json_logs(logging.INFO, written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_job_is_one_json_line_without_a_tenants_bytes(json_lines):
    """Ids, names of ours and figures; libraries' lines are JSON as well."""
    Monitor().job_done(RECORD, RESULT, queue_seconds=0.002)
    logging.getLogger("some.library").warning("odd %s", "thing")
    job, library = json_lines()
    assert (job["event"], job["id"], job["tenant"], job["outcome"], job["queue_ms"]) == (
        "job",
        "j1",
        "t",
        "succeeded",
        2.0,
    )
    assert "secret" not in str(job)
    assert (library["event"], library["level"]) == ("odd thing", "warning")


def test_what_happens_below_is_told_and_counted(json_lines):
    """Engine and store errors each have a line and a count."""
    monitor = Monitor()
    monitor.create_failed("python", UnknownJob(), retry_in_seconds=1.0)
    monitor.remove_failed("c" * 64, UnknownJob())
    monitor.job_rerun("j", 1, UnknownJob())
    monitor.store_failed("", UnknownJob())
    monitor.reaped("c" * 64, "i")
    monitor.container_warm("python", 0.1)
    events = [line["event"] for line in json_lines()]
    assert events == ["create failed", "remove failed", "job rerun", "store failed", "reaped"]
    text = monitor.exposition().decode()
    for step in ("create", "remove", "job"):
        assert f'sandbox_orch_engine_errors_total{{step="{step}"}} 1.0' in text
    assert "sandbox_orch_store_errors_total 1.0" in text


def test_a_job_is_a_trace_and_its_waterfall_the_spans():
    """Each step from the end of the one before; steps that were not reached have none."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = JobTracer(provider)
    Monitor(tracer).job_done(RECORD, RESULT, queue_seconds=None)
    tracer.close()
    *steps, job = exporter.get_finished_spans()
    assert [span.name for span in steps] == ["validated", "queued", "leased", "executed", "collected"]
    assert {span.parent.span_id for span in steps} == {job.context.span_id}
    assert [span.end_time for span in steps][:-1] == [span.start_time for span in steps][1:]
    assert (job.end_time - job.start_time) == pytest.approx(10e6, abs=1)
    assert job.attributes["job.outcome"] == "succeeded"


def test_without_an_endpoint_nothing_is_traced():
    """No endpoint, no exporter, no thread."""
    assert open_tracing() is None


def test_an_endpoint_without_the_extra_is_refused(monkeypatch):
    """The operator asked for traces; silence would be a lie."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"sandbox-orch\[otel\]"):
        open_tracing()


def test_an_endpoint_with_the_extra_opens_a_tracer(monkeypatch):
    """And closing it sends what is left."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracer = open_tracing()
    assert tracer is not None
    tracer.close()
