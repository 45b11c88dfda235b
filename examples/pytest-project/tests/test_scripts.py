"""The customers' scripts, each in a sandbox as in production."""

from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.mark.parametrize(("pieces", "total"), [(1, 5.0), (9, 45.0), (10, 45.0), (20, 90.0)])
def test_ten_pieces_are_cheaper(sandbox, pieces, total):
    result = sandbox(SCRIPTS / "price.py", {"pieces": pieces, "each": 5.0})
    assert result.success, result.error
    assert result.output == {"total": total}


def test_names_are_shouted(sandbox):
    assert sandbox(SCRIPTS / "shout.js", {"names": ["b", "a"]}).output == ["A", "B"]


def test_a_mistake_is_told_with_its_line(sandbox):
    result = sandbox("a = 1\noutput = a / 0")
    assert result.outcome == "error"
    assert result.error.name == "ZeroDivisionError"
    assert result.error.line == 2


@pytest.mark.sandbox_limits(wall_time_ms=300)
def test_a_script_that_never_ends_is_ended(sandbox):
    result = sandbox("while True: pass")
    assert result.outcome == "wall_time_limit"
    assert result.limit.configured == 300


@pytest.mark.sandbox_limits(wall_time_ms=5000, output_bytes=1024)
class TestLargeResults:
    def test_too_large_a_result_is_no_result(self, sandbox):
        assert sandbox("output = 'x' * 10_000").outcome == "output_limit"

    @pytest.mark.sandbox_limits(output_bytes=65_536)
    def test_the_nearest_limit_counts(self, sandbox):
        assert len(sandbox("output = 'x' * 10_000").output) == 10_000


def test_a_script_reaches_nothing(sandbox):
    result = sandbox("import socket\noutput = socket.gethostname()")
    assert result.outcome == "rejected"


def test_the_service_is_there_for_other_clients_too(sandbox_orch):
    result = sandbox_orch.execute("node", "output = input + 1", 1, {})
    assert result.output == 2
