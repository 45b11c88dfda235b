"""`sandbox-orch submit` and `sandbox-orch jobs`, as typed, against the service on a real port. No engine."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest
from live import live_service

from orchestrator.cli import progress
from orchestrator.cli.main import main
from orchestrator.domain.tenant import Tenant


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with live_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def run(live, monkeypatch, capsys, tmp_path):
    """Runs the command line as a new tenant; answers (exit code, stdout, stderr)."""
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SANDBOX_ORCH_SERVER", live.url)
    monkeypatch.setenv("SANDBOX_ORCH_KEY", live.key(Tenant(name=f"tenant{time.monotonic_ns()}")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.py").write_text("output = input", encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return caught.value.code, out, err

    return run


def submit(run, *options: str) -> str:
    """The id of a job that was handed in."""
    code, out, _ = run("submit", "job.py", "--detach", *options)
    assert code == 0
    return out.strip()


def test_submit_waits_for_the_result(run):
    """It is shown as `run` shows one, and the exit code is the outcome's."""
    code, out, err = run("submit", "job.py", "--input", "1")
    assert (code, err) == (0, "")
    assert out.startswith("✓ succeeded")
    code, out, _ = run("submit", "job.py", "--input", "1", "--json")
    assert json.loads(out)["outcome"] == "succeeded"


def test_what_a_job_prints_moves_no_terminal(run):
    """Escape sequences are shown, not obeyed."""
    _, out, _ = run("submit", "job.py", "--input", "1")
    assert "oh\\x1b[2J" in out
    assert "\x1b" not in out


def test_every_option_arrives(run):
    """Priority, metadata, limits; a key makes the second submission the same job."""
    options = ("--input", "1", "--priority", "batch", "-m", "order=7", "-l", "wall_time_ms=900")
    job_id = submit(run, *options, "--idempotency-key", "k1")
    assert submit(run, *options, "--idempotency-key", "k1") == job_id
    code, out, _ = run("jobs", "show", job_id, "--wait", "--json")
    shown = json.loads(out)
    assert (code, shown["priority"], shown["metadata"]) == (0, "batch", {"order": "7"})
    assert shown["result"]["outcome"] == "succeeded"


def test_jobs_are_listed_newest_first(run):
    """Over as many pages as it takes, and only as many as were asked for."""
    made = [submit(run, "--input", "1") for _ in range(4)]
    _, out, _ = run("jobs", "list")
    assert [line.split()[0] for line in out.splitlines()] == made[::-1]
    _, out, _ = run("jobs", "list", "-n", "2", "--json", "--within", "1h")
    assert [job["id"] for job in json.loads(out)] == made[:1:-1]
    assert run("jobs", "list", "--outcome", "cancelled")[:2] == (0, "")


def test_pages_are_put_together(run, monkeypatch):
    """A list longer than a page has every job once."""
    monkeypatch.setattr("orchestrator.cli.jobs.MOST_PER_PAGE", 2)
    made = [submit(run, "--input", "1") for _ in range(5)]
    _, out, _ = run("jobs", "list", "--json")
    assert [job["id"] for job in json.loads(out)] == made[::-1]


def test_a_job_is_cancelled(run):
    """The line says what became of it."""
    job_id = submit(run, "--input", "60000")
    assert run("jobs", "cancel", job_id) == (0, f"{job_id} cancelled\n", "")
    code, out, _ = run("jobs", "show", job_id)
    assert code == 0
    assert "✗ cancelled" in out


@pytest.mark.parametrize("milliseconds", ["1", "700"])
@pytest.mark.parametrize(("options", "err"), [([], "oh\\x1b[2J\n"), (["--raw"], "oh\x1b[2J\n")])
def test_logs_are_what_the_job_prints(run, milliseconds, options, err):
    """Each stream to ours of that name, while the job runs and long after; the exit code is the job's."""
    job_id = submit(run, "--input", milliseconds)
    if milliseconds == "1":
        run("jobs", "show", job_id, "--wait")
    assert run("jobs", "logs", job_id, *options) == (0, "hello\n", err)


def test_the_exit_code_of_logs_is_the_jobs(run):
    """1 for one that was cancelled, and why on standard error."""
    job_id = submit(run, "--input", "60000")
    run("jobs", "cancel", job_id)
    code, _, err = run("jobs", "logs", job_id)
    assert (code, "cancelled" in err) == (1, True)


def test_a_line_tells_how_it_goes_where_somebody_watches(run, monkeypatch):
    """State and time, in place, and gone in the end."""
    told = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.sys.stderr, "write", told.append)
    code, _, _ = run("submit", "job.py", "--input", "1200")
    assert code == 0
    lines = [text.removeprefix("\r\x1b[K") for text in told]
    assert [line for line in lines if " running · 1 s" in line]
    assert lines[-1] == ""


def test_the_key_may_be_in_a_file(run, monkeypatch, tmp_path):
    """As `serve` writes the first one; the file goes before the environment."""
    (tmp_path / "admin.key").write_text(os.environ["SANDBOX_ORCH_KEY"] + "\n", encoding="ascii")
    monkeypatch.setenv("SANDBOX_ORCH_KEY", "wrong")
    assert run("jobs", "list")[0] == 2
    assert run("jobs", "list", "--key-file", str(tmp_path / "admin.key"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["jobs", "show", "0123"], 2, "404"),
        (["jobs", "show", "../../etc"], 2, "4"),
        (["jobs", "list", "--key-file", "/nonexistent"], 2, "--key-file: cannot read /nonexistent"),
        (["jobs", "list", "--key-file", "/bin/ls"], 2, "--key-file: cannot read /bin/ls"),
        (["jobs", "list", "--server", "ftp://x"], 2, "server: "),
        (["submit", "job.py", "--input", "1", "-r", "cobol"], 2, "cobol"),
        (["submit", "missing.py"], 2, "FILE: cannot read"),
        (["submit", "job.txt"], 2, "--runtime"),
        (["submit", "job.py", "-m", "x"], 2, "NAME=TEXT"),
        (["submit", "job.py", "-l", "wall_time_ms=-1"], 2, "limits.wall_time_ms"),
    ],
)
def test_what_cannot_be_is_one_line(run, arguments, code, words):
    """On standard error, with exit code 2: the request is wrong, here or by the service's word."""
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_no_service_is_one_line(run):
    """Exit code 3, and who did not answer; the patience of a list is that of a person."""
    began = time.monotonic()
    code, out, err = run("jobs", "list", "--server", "http://127.0.0.1:1")
    assert (code, out) == (3, "")
    assert err.startswith("error: no answer from http://127.0.0.1:1")
    assert time.monotonic() - began < 60


def test_events_and_cancellations_are_told_in_json(run):
    """A line for each, the result last; the exit code is the job's all the same."""
    job_id = submit(run, "--input", "1")
    code, out, err = run("jobs", "logs", job_id, "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, err, events[-1]["event"]) == (0, "", "result")
    assert events[-1]["data"]["outcome"] == "succeeded"
    code, out, _ = run("jobs", "cancel", submit(run, "--input", "60000"), "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "cancelled")


@pytest.fixture
def run_in_debug(run, live, monkeypatch):
    """The same, as a tenant that may ask for debug mode."""
    tenant = Tenant(name=f"tenant{time.monotonic_ns()}", debug=True)
    monkeypatch.setenv("SANDBOX_ORCH_KEY", live.key(tenant))
    return run


def test_debug_mode_is_asked_for(run_in_debug):
    """What is recorded comes back with the job, now or later."""
    code, out, _ = run_in_debug("submit", "job.py", "--input", "1", "--debug", "--json")
    assert (code, json.loads(out)["debug"]["profile"]) == (0, None)
    code, out, _ = run_in_debug("submit", "job.py", "--input", "1", "--debug")
    assert code == 0
    assert "console (0 calls)" in out
    job_id = submit(run_in_debug, "--input", "1", "--debug")
    code, out, _ = run_in_debug("jobs", "show", job_id, "--wait")
    assert code == 0
    assert "console (0 calls)" in out


def test_a_profile_that_was_not_recorded_is_said_to_be_missing(run_in_debug, tmp_path):
    """The fake records none; the job's own exit code stays."""
    code, _, err = run_in_debug("submit", "job.py", "--input", "1", "--profile", "job.speedscope.json")
    assert (code, "no profile" in err) == (0, True)
    job_id = submit(run_in_debug, "--input", "1")
    code, _, err = run_in_debug("jobs", "show", job_id, "--wait", "--profile", "job.speedscope.json")
    assert (code, "no profile" in err) == (0, True)
    assert not (tmp_path / "job.speedscope.json").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--debug"], "debug"),
        (["--profile", "job.cpuprofile"], "must end in .speedscope.json"),
        (["--profile", "job.speedscope.json", "--detach"], "jobs show ID --profile FILE"),
        (["--profile", "job.json", "-r", "mine"], "must end in .cpuprofile or .speedscope.json"),
    ],
)
def test_debug_mode_that_cannot_be_had_is_refused(run, options, told):
    """By the service where the tenant may not ask for it, before anything is sent where it makes no sense."""
    code, _, err = run("submit", "job.py", "--input", "1", *options)
    assert code == 2
    assert told in err
