"""`domain/bounds.py`: foreign JSON is refused or read, in bounded time."""

from __future__ import annotations

import json
import time

import pytest

from orchestrator.domain import bounds
from orchestrator.domain.bounds import (
    MAX_JSON_DEPTH,
    ForeignJsonError,
    cut,
    is_deeper_than,
    parse_foreign_json,
)


@pytest.mark.parametrize(
    "text", ["null", "0", '"é"', "[1, 2]", '{"a": {"b": []}}', '"\\ud83d\\ude00"', "1e2"]
)
def test_json_is_read_as_the_standard_library_reads_it(text):
    """What every client can read comes out as json.loads has it."""
    assert parse_foreign_json(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON"),
        ("[1,", "no JSON"),
        ("'a'", "no JSON"),
        ("NaN", "NaN"),
        ("[Infinity]", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "too large"),
        ("[-1E+999]", "too large"),
        ("9" * 400 + ".0", "too large"),
        ("9" * 5000, "digits"),
        ('"\\ud800"', "lone surrogate"),
        ('{"\\uDC00": 1}', "lone surrogate"),
        ('"\ud800"', "lone surrogate at character 1"),
        ("[" * (MAX_JSON_DEPTH + 1) + "]" * (MAX_JSON_DEPTH + 1), "deeper"),
        ("[" * 100_000, "deeper"),
    ],
)
def test_what_not_every_client_can_read_is_refused_with_a_reason(text, problem):
    """Text that is no JSON, or none that all clients read, raises ForeignJsonError saying what is wrong."""
    with pytest.raises(ForeignJsonError, match=problem):
        parse_foreign_json(text)


def test_a_parser_that_gives_up_on_depth_is_a_refusal(monkeypatch):
    """Should the standard library run out of stack all the same, that is a ForeignJsonError too."""

    def give_up(*_args, **_options):
        raise RecursionError

    monkeypatch.setattr(bounds, "_decode", give_up)
    with pytest.raises(ForeignJsonError, match="deeper"):
        parse_foreign_json("[]")


def test_the_deepest_allowed_value_is_read():
    """MAX_JSON_DEPTH levels are allowed, exactly."""
    text = "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH
    assert json.dumps(parse_foreign_json(text)) == text


@pytest.mark.parametrize("large", ["1e2", "9" * 400, '"1e999"', "0." + "0" * 400 + "1"])
def test_large_looking_numbers_that_are_finite_are_read(large):
    """A number is refused for its value, not for its looks."""
    assert parse_foreign_json(large) == json.loads(large)


@pytest.mark.parametrize(
    ("text", "depth"),
    [(b"0", 0), (b"[]", 1), (b'{"a":[{}]}', 3), (b'["[[[["]', 1), (b'["\\"[[[["]', 1), (b"[][][]", 1)],
)
def test_depth_is_counted_outside_of_strings_only(text, depth):
    """is_deeper_than agrees with the eye on where the deepest level is."""
    assert not is_deeper_than(text, depth)
    assert depth == 0 or is_deeper_than(text, depth - 1)


@pytest.mark.parametrize(
    "text",
    [b"[" * 200 + b'\\"' * 500_000, b'"' + b'\\"' * 500_000, b"[" * 1_000_000, b"[]" * 500_000],
    ids=["escaped quotes", "string without end", "brackets", "pairs"],
)
def test_hostile_text_is_judged_in_linear_time(text):
    """A megabyte made to be slow is judged in well under a second (quadratic time would be an hour)."""
    began = time.process_time()
    is_deeper_than(text, MAX_JSON_DEPTH)
    assert time.process_time() - began < 5.0


def test_cut_keeps_short_text_and_marks_what_it_cuts():
    """cut never gives more than it was allowed, ellipsis included."""
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
