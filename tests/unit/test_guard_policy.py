"""`guard/policy.py`: presets are complete, and an operator's file is refused by key."""

from __future__ import annotations

import pytest

from orchestrator.bootstrap import load_policies, load_policy
from orchestrator.config import load_settings
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.finding import Severity
from orchestrator.domain.job import Mode
from orchestrator.guard.policy import PRESETS, load_preset, parse_policy, policy_from_wire, policy_to_wire
from orchestrator.guard.rules import RULES


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_every_rule(name):
    """A new rule is a decision in every preset."""
    assert set(load_preset(name).rules) == set(RULES)


def test_presets_differ_as_their_names_say():
    """Strict rejects everything, open nothing, standard lies between."""
    assert set(load_preset("strict").rules.values()) == {Severity.REJECT}
    assert set(load_preset("open").rules.values()) == {Severity.OFF}
    assert set(load_preset("standard").rules.values()) == set(Severity)


def test_a_file_overrides_by_rule():
    """For both modes, unless it says otherwise for programs."""
    policy = parse_policy(
        """
        extends = "standard"
        more_modules = ["numpy"]
        [rules]
        js-eval = "warn"
        js-require = "reject"
        [program]
        js-eval = "reject"
        """,
        where="test",
    )
    assert policy.severity("js-eval", Mode.FUNCTION) is Severity.WARN
    assert policy.severity("js-eval", Mode.PROGRAM) is Severity.REJECT
    assert policy.severity("js-require", Mode.PROGRAM) is Severity.REJECT
    assert {"numpy", "json"} <= policy.allowed_modules


def test_an_empty_list_allows_nothing():
    """It is no missing list."""
    assert parse_policy("allowed_modules = []", where="test").allowed_modules == frozenset()
    assert parse_policy("allowed_globals = []", where="test").allowed_globals == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules = 1", "x.toml: rules: must be a table"),
        ("[rules]\nnope = 'warn'", "x.toml: rules.nope: there is no such rule"),
        ("[rules]\njs-eval = 'maybe'", "x.toml: rules.js-eval: must be reject, warn, off"),
        ("colour = 'red'", "x.toml: colour: unknown key"),
        ("extends = 'lax'", "no preset 'lax'"),
        ("extends = 1", "x.toml: extends: must be text"),
        ("allowed_modules = 'json'", "x.toml: allowed_modules: must be a list of names"),
        ("normalise = 'yes'", "x.toml: normalise: must be true or false"),
        ("[rules", "x.toml: "),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(text, says):
    """At the start, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(text, where="x.toml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_name_a_preset_and_a_file(tmp_path):
    """The file stands on the preset that the settings name."""
    path = tmp_path / "policy.toml"
    path.write_text("[rules]\njs-eval = 'off'\n", encoding="utf-8")
    policy = load_policy(load_settings(policy="strict", policy_file=path))
    assert policy.rules["js-eval"] is Severity.OFF
    assert policy.rules["py-open"] is Severity.REJECT
    with pytest.raises(ConfigurationError, match="policy_file"):
        load_policy(load_settings(policy_file=tmp_path / "missing.toml"))
    with pytest.raises(ConfigurationError, match="no preset"):
        load_policy(load_settings(policy="lax"))


def test_a_policy_survives_the_way_to_a_checking_process():
    """What is sent is what is meant."""
    policy = load_preset("strict")
    assert policy_from_wire(policy_to_wire(policy)) == policy
    assert policy.digest != load_preset("standard").digest


class TestNamedPolicies:
    def test_a_folder_of_policies_is_read_at_the_start(self, tmp_path):
        """Each file is a policy by its name, beside the presets."""
        (tmp_path / "gentle.toml").write_text('extends = "open"\n[rules]\njs-eval = "warn"\n')
        named = load_policies(load_settings(policies_folder=tmp_path))
        assert set(named) == {"open", "standard", "strict", "gentle"}
        assert named["gentle"].rules["js-eval"] is Severity.WARN

    @pytest.mark.parametrize(
        ("file", "text", "said"),
        [
            ("gentle.toml", "colour = 1", "gentle.toml"),
            ("strict.toml", "", "name of a preset"),
            ("gentle.toml", '[rules]\nno-such-rule = "warn"', "no-such-rule"),
        ],
    )
    def test_a_wrong_one_is_refused_with_its_file(self, tmp_path, file, text, said):
        """At the start, not at a tenant's first job."""
        (tmp_path / file).write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            load_policies(load_settings(policies_folder=tmp_path))

    def test_a_folder_that_is_none_is_refused(self, tmp_path):
        """By the name of the setting."""
        with pytest.raises(ConfigurationError, match="policies_folder"):
            load_policies(load_settings(policies_folder=tmp_path / "none"))
