"""`cli/keys.py`, `cli/tenants.py` and `cli/config.py`, as a user types them."""

from __future__ import annotations

import asyncio
import json
import os
import time
import tomllib

import pytest

from orchestrator.cli.main import main
from orchestrator.config import load_settings
from orchestrator.domain.tenant import Priority, Scope, Tenant
from orchestrator.serving import _open_store, data_folder
from orchestrator.store.store import open_store


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """No settings of this host, and a data folder of the test's own."""
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SANDBOX_ORCH_DATA_FOLDER", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def run(capsys):
    """Runs the command line; answers (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return caught.value.code, out, err

    return run


def authenticate(folder, secret: str):
    """Who a secret speaks for, asked of the store that the service opens."""

    async def ask():
        settings = load_settings(authentication=False)
        async with _open_store(settings, data_folder(settings), print) as store:
            return await store.authenticate(secret, time.time())

    return asyncio.run(ask())


# -- keys -----------------------------------------------------------------------------------------------


def test_a_created_key_opens_the_service(run, folder):
    """The secret alone is on standard output; the service's own store knows it."""
    code, out, err = run("keys", "create", "--tenant", "acme", "--scope", "read", "--note", "for ci")
    assert code == 0
    secret = out.strip()
    principal = authenticate(folder, secret)
    assert (principal.tenant, principal.scopes) == (Tenant(name="acme"), frozenset({Scope.READ}))
    assert secret not in err
    assert principal.key_id in err


def test_a_secret_is_shown_once(run):
    """The list has everything but that."""
    _, out, _ = run("keys", "create", "--tenant", "acme", "--json")
    made = json.loads(out)
    _, out, err = run("keys", "list", "--json")
    (listed,) = json.loads(out)
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert made["secret"].split("_", 2)[2] not in out + err


def test_a_key_may_expire(run, folder):
    """Days, hours or minutes from now."""
    _, out, _ = run("keys", "create", "--tenant", "acme", "--expires-in", "2h", "--json")
    assert json.loads(out)["expires_at"] == pytest.approx(time.time() + 7200, abs=60)


@pytest.mark.parametrize("text", ["", "0d", "1", "d", "1.5h", "-1d", "1w", "9" * 9 + "d", "1d\n"])
def test_what_is_no_duration_is_refused(run, text):
    """Click's own message, exit code 2."""
    code, out, err = run("keys", "create", "--tenant", "acme", "--expires-in", text)
    assert (code, out) == (2, "")
    assert "30d, 12h or 15m" in err


def test_a_revoked_key_opens_nothing(run, folder):
    """By its id, or by the secret itself where only that is at hand; the list says when."""
    secrets = [run("keys", "create", "--tenant", "acme")[1].strip() for _ in range(2)]
    assert run("keys", "revoke", secrets[0].split("_")[1])[0] == 0
    assert run("keys", "revoke", secrets[1])[0] == 0
    assert [authenticate(folder, secret) for secret in secrets] == [None, None]
    assert run("keys", "list")[1].count("revoked") == 2


def test_an_unknown_key_is_told(run):
    """Exit code 2, and where to look."""
    code, out, err = run("keys", "revoke", "0123456789ab")
    assert (code, out) == (2, "")
    assert err.startswith("error: ID: no key '0123456789ab'")


def test_a_list_is_of_one_tenant_where_asked(run):
    """By name."""
    for name in ("acme", "other"):
        run("keys", "create", "--tenant", name, "--note", f"of {name}")
    _, out, _ = run("keys", "list", "--tenant", "other")
    assert "of other" in out
    assert "acme" not in out


def test_a_key_of_an_impossible_tenant_is_refused(run):
    """Before anything is written."""
    code, _, err = run("keys", "create", "--tenant", "No Such")
    assert (code, err.startswith("error: name:")) == (2, True)
    assert run("keys", "list", "--json")[1].strip() == "[]"


def test_a_note_that_is_no_text_is_refused(run):
    """Bytes of another encoding, as a terminal may send them."""
    code, out, err = run("keys", "create", "--tenant", "acme", "--note", "caf\udce9")
    assert (code, out) == (2, "")
    assert err.startswith("error: note:")


def test_a_new_key_changes_no_tenant(run, folder):
    """Who is known keeps its settings."""
    run("tenants", "set", "acme", "--weight", "3")
    _, out, _ = run("keys", "create", "--tenant", "acme")
    assert authenticate(folder, out.strip()).tenant.weight == 3.0


def test_a_store_that_cannot_be_opened_is_one_line(run, monkeypatch):
    """Exit code 3: the host's fault, not the request's."""
    monkeypatch.setenv(
        "SANDBOX_ORCH_STORE_URL", "postgresql://nobody@/none?host=/nonexistent&connect_timeout=1"
    )
    code, out, err = run("keys", "list")
    assert (code, out) == (3, "")
    assert err.startswith("error: cannot migrate the store")
    assert err.count("\n") == 1


# -- tenants --------------------------------------------------------------------------------------------


def test_a_tenant_is_set_and_listed(run):
    """Every setting, and those that are not named stay as they were."""
    code, out, _ = run(
        "tenants", "set", "acme", "--policy", "strict", "--runtimes", "node, python", "--ceiling", "wall_time_ms=9",
        "--weight", "2", "--priority-ceiling", "batch", "--concurrency", "3", "--rate-per-second", "1.5",
        "--burst", "4", "--queue-share", "0.25", "--retention-seconds", "60", "--recycle", "leak", "--keep-code", "--debug",
    )  # fmt: skip
    assert code == 0
    assert "wall_time_ms=9\n" in out
    run("tenants", "set", "acme", "--burst", "5")
    (tenant,) = json.loads(run("tenants", "list", "--json")[1])
    assert tenant.pop("ceiling")["wall_time_ms"] == 9
    assert tenant == {
        "name": "acme",
        "policy": "strict",
        "runtimes": ["node", "python"],
        "weight": 2.0,
        "priority_ceiling": Priority.BATCH,
        "concurrency": 3,
        "rate_per_second": 1.5,
        "burst": 5,
        "queue_share": 0.25,
        "retention_seconds": 60,
        "recycle": "leak",
        "keep_code": True,
        "debug": True,
    }


def test_a_tenants_ceilings_are_set_one_by_one_and_taken_back(run):
    """A second ceiling leaves the first; an empty one is the host's again, as with policy and runtimes."""
    run(
        "tenants",
        "set",
        "acme",
        "--ceiling",
        "wall_time_ms=9",
        "--policy",
        "open",
        "--runtimes",
        "node",
        "--recycle",
        "job",
    )
    run("tenants", "set", "acme", "--ceiling", "processes=2")
    (tenant,) = json.loads(run("tenants", "list", "--json")[1])
    assert (tenant["ceiling"]["wall_time_ms"], tenant["ceiling"]["processes"]) == (9, 2)
    run("tenants", "set", "acme", "--ceiling", "", "--policy", "", "--runtimes", "", "--recycle", "")
    (tenant,) = json.loads(run("tenants", "list", "--json")[1])
    assert [tenant[name] for name in ("ceiling", "policy", "runtimes", "recycle")] == [None] * 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weight", "0"], "weight"),
        (["--weight", "nan"], "weight"),
        (["--queue-share", "1.1"], "queue_share"),
        (["--concurrency", "-1"], "concurrency"),
        (["--ceiling", "speed=1"], "limits.speed"),
        (["--ceiling", "wall_time_ms"], "NAME=NUMBER"),
        (["--ceiling", "wall_time_ms=0"], "above 0"),
        (["--ceiling", "wall_time_ms=" + "9" * 50], "NAME=NUMBER"),
        (["--ceiling", "wall_time_ms=²"], "NAME=NUMBER"),
    ],
)
def test_an_impossible_setting_changes_nothing(run, options, words):
    """One line that names it; the tenant is not made."""
    code, out, err = run("tenants", "set", "acme", *options)
    assert (code, out) == (2, "")
    assert words in err
    assert run("tenants", "list", "--json")[1].strip() == "[]"


# -- config ---------------------------------------------------------------------------------------------


def test_what_config_shows_is_a_config_file(run, tmp_path, monkeypatch):
    """Read back, it is the same settings: also tuples, paths, and what is not set."""
    monkeypatch.setenv("SANDBOX_ORCH_RUNTIMES", "python")
    monkeypatch.setenv("SANDBOX_ORCH_CPUS_PER_CONTAINER", "0.5")
    code, out, _ = run("config", "show")
    assert code == 0
    before = load_settings()
    (tmp_path / "c.toml").write_text(out, encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)
    assert load_settings(tmp_path / "c.toml").model_dump() == before.model_dump()
    assert set(tomllib.loads(out)) <= set(type(before).model_fields)


def test_config_says_where_a_value_comes_from(run, tmp_path, monkeypatch):
    """The environment goes before the file; what is in neither is the default."""
    file = tmp_path / "c.toml"
    file.write_text("warm_target = 2\ncreates_at_once = 3\n", encoding="utf-8")
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TARGET", "5")
    _, out, _ = run("--config", str(file), "--docker-url", "unix:///x", "config", "show")
    assert "warm_target = 5  # SANDBOX_ORCH_WARM_TARGET\n" in out
    assert f"creates_at_once = 3  # {file}\n" in out
    assert "containers_maximum = 32  # default\n" in out
    assert 'docker_url = "unix:///x"  # --docker-url\n' in out
    _, out, _ = run("--config", str(file), "config", "show", "--changed", "--json")
    assert json.loads(out).keys() == {"warm_target", "creates_at_once", "data_folder"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_config_shows_no_password(run, monkeypatch, options):
    """Of the store's URL, or any other."""
    monkeypatch.setenv("SANDBOX_ORCH_STORE_URL", "postgresql://me:hunter2@host/db")
    _, out, _ = run("config", "show", *options)
    assert "hunter2" not in out
    assert "postgresql://me:***@host/db" in out


def test_sound_settings_are_sound(run):
    """Exit code 0 and one line."""
    assert run("config", "check") == (0, "✓ the settings are sound\n", "")


def test_check_names_everything_that_is_wrong(run, monkeypatch, tmp_path):
    """A misspelled variable with the right one, and what the values name: all in one go."""
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TAGET", "3")
    monkeypatch.setenv("SANDBOX_ORCH_RUNTIMES", "cobol")
    monkeypatch.setenv("SANDBOX_ORCH_STORE_URL", "mysql://me:hunter2@host/db")
    monkeypatch.setenv("SANDBOX_ORCH_AUTHENTICATION", "false")
    monkeypatch.setenv("SANDBOX_ORCH_SERVE_HOST", "0.0.0.0")
    monkeypatch.setenv("SANDBOX_ORCH_DATA_FOLDER", str(tmp_path / "file" / "data"))
    (tmp_path / "file").write_text("")
    code, out, err = run("config", "check")
    assert (code, err) == (2, "")
    lines = out.splitlines()
    assert lines[0] == "✗ SANDBOX_ORCH_WARM_TAGET: no such setting; did you mean SANDBOX_ORCH_WARM_TARGET?"
    for words in ("cobol", "store: must be", "authentication", "data_folder: cannot write"):
        assert sum(words in line for line in lines) == 1, words
    assert "hunter2" not in out


def test_variables_of_the_commands_are_no_mistakes(run, monkeypatch):
    """The client's, and the one that names the file."""
    for name in ("SERVER", "KEY", "KEY_FILE", "TESTS_WITHOUT_ENGINE"):
        monkeypatch.setenv(f"SANDBOX_ORCH_{name}", "x")
    assert run("config", "check")[0] == 0


def test_a_value_that_is_absurd_never_gets_that_far(run, monkeypatch, tmp_path):
    """One line that names the setting and its places."""
    file = tmp_path / "c.toml"
    file.write_text("warm_target = -1\n", encoding="utf-8")
    code, out, err = run("--config", str(file), "config", "check")
    assert (code, out) == (2, "")
    assert err.startswith("error: warm_target: ")
    assert str(file) in err


def test_a_store_elsewhere_is_used(run, monkeypatch, tmp_path):
    """`store_url` goes before the data folder, for the service and for these commands alike."""
    url = f"sqlite:///{tmp_path}/other.db"
    monkeypatch.setenv("SANDBOX_ORCH_STORE_URL", url)
    run("tenants", "set", "acme")

    async def names():
        async with open_store(url) as store:
            return [tenant.name for tenant in await store.tenants()]

    assert asyncio.run(names()) == ["acme"]


def test_the_folder_may_be_named_as_for_serve(run, folder, tmp_path):
    """`--data` comes before the setting; a folder that is not there is an error, not a new store."""
    named = tmp_path / "named"
    named.mkdir()
    code, _, _ = run("keys", "create", "--tenant", "acme", "--data", str(named))
    assert (code, (named / "store.sqlite3").exists(), folder.exists()) == (0, True, False)
    _, listed, _ = run("tenants", "list", "--data", str(named), "--json")
    assert [each["name"] for each in json.loads(listed)] == ["acme"]
    code, _, problem = run("keys", "list", "--data", str(tmp_path / "missing"))
    assert (code, (tmp_path / "missing").exists()) == (2, False)
    assert "does not exist" in problem
