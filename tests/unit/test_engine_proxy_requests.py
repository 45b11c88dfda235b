"""`engine_proxy/requests.py`: the head of a request, read in one way or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine_proxy.requests import MOST_BODY_BYTES, Refused, Request, read_head


def head(line: str = "GET /_ping HTTP/1.1", *headers: str) -> bytes:
    return "\r\n".join((line, "Host: docker", *headers)).encode("latin-1")


def refusal(*parts: str) -> Refused:
    with pytest.raises(Refused) as caught:
        read_head(head(*parts))
    return caught.value


class TestReading:
    def test_what_the_sdk_sends_is_read(self):
        """Method, path, query and the length of the body; nothing else is kept."""
        line = "POST /v1.41/containers/create?name=sandbox-orch-1-2 HTTP/1.1"
        more = ("User-Agent: docker-sdk-python/7.1.0", "Accept: */*", "Content-Length: 12")
        assert read_head(head(line, *more)) == Request(
            method="POST",
            path="/v1.41/containers/create",
            query={"name": "sandbox-orch-1-2"},
            body_bytes=12,
            wants_upgrade=False,
        )

    def test_an_upgrade_is_to_tcp(self):
        """As whoever starts an exec asks for it."""
        line = "POST /v1.41/exec/a/start HTTP/1.1"
        assert read_head(head(line, "Connection: Upgrade", "Upgrade: tcp")).wants_upgrade
        assert refusal(line, "Connection: Upgrade", "Upgrade: h2c").status == 400
        assert refusal(line, "Upgrade: tcp").status == 400

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "GET",
            "GET /_ping",
            "GET /_ping HTTP/1.0",
            "GET /_ping HTTP/2",
            "get /_ping HTTP/1.1",
            "GET  /_ping HTTP/1.1",
            "GET /_ping  HTTP/1.1",
            " GET /_ping HTTP/1.1",
            "GET http://docker/_ping HTTP/1.1",
            "GET _ping HTTP/1.1",
            "GET /_ping\x00 HTTP/1.1",
            "GET /_p\ting HTTP/1.1",
            "GET /_ping\nX: y HTTP/1.1",
            "GET /\xe9 HTTP/1.1",
            "CONNECT docker:80 HTTP/1.1",
            "TRACE /_ping HTTP/1.1",
            "PRI * HTTP/2.0",
        ],
    )
    def test_another_request_line_is_refused(self, line):
        """HTTP/1.1, an absolute path of visible letters, one space between."""
        assert refusal(line).status == 400

    @pytest.mark.parametrize(
        "path",
        [
            "/v1.41/containers/../info",
            "/v1.41/containers/./json",
            "/v1.41/containers/%2e%2e/info",
            "/v1.41/containers/a%2Fjson",
            "/v1.41//containers/json",
            "//containers/json",
            "/v1.41/containers\\json",
            "/..",
            "/v1.41/containers/a/..",
        ],
    )
    def test_a_path_that_could_mean_another_is_refused(self, path):
        """No escape, no dot segment, no empty segment."""
        assert refusal(f"GET {path} HTTP/1.1").status == 400

    @pytest.mark.parametrize("query", ["a=1&a=2", "a", "a=%ff%fe", "&".join(f"a{n}=1" for n in range(17))])
    def test_a_query_that_could_mean_two_things_is_refused(self, query):
        """No name twice, no name without a value, text only, few."""
        assert refusal(f"GET /info?{query} HTTP/1.1").status == 400


class TestSmuggling:
    @pytest.mark.parametrize(
        "headers",
        [
            ("Content-Length: 3", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked",),
            ("Transfer-Encoding: identity",),
            ("transfer-encoding: chunked, gzip",),
            ("Transfer-Encoding : chunked",),
            ("Content-Length: 3", "Content-Length: 4"),
            ("Content-Length: 3", "content-length: 3"),
            ("Content-Length: 3, 3",),
            ("Content-Length: +3",),
            ("Content-Length: -1",),
            ("Content-Length: 0x3",),
            ("Content-Length: 03",),
            ("Content-Length: 3 3",),
            ("Content-Length:",),
            ("Content-Length: \u00b2",),
            ("Content-Length: 99999999999999999999",),
            ("Host: other",),
            (" folded: yes",),
            ("Name: a", "\tb"),
            ("No colon",),
            (": no name",),
            ("Na me: x",),
            ("Name: \x00",),
            ("Name: a\rb",),
            ("Name: a\nContent-Length: 4",),
            ("Expect: 100-continue",),
            *((f"X-{n}: 1",) * 1 for n in ()),
        ],
    )
    def test_what_front_and_back_might_read_differently_is_refused(self, headers):
        """One length, one way to say it, no header twice, none malformed."""
        assert refusal("POST /v1.41/containers/create HTTP/1.1", *headers).status in (400, 411, 413, 417)

    def test_a_request_without_a_host_is_refused(self):
        """HTTP/1.1 has one."""
        with pytest.raises(Refused):
            read_head(b"GET /_ping HTTP/1.1")

    def test_what_is_too_much_is_refused_before_it_is_read(self):
        """Of headers, and of a body by its own word."""
        assert refusal("GET /_ping HTTP/1.1", *(f"X-{n}: 1" for n in range(50))).status == 431
        assert refusal("POST /_ping HTTP/1.1", f"Content-Length: {MOST_BODY_BYTES + 1}").status == 413


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_refusal(data):
    """Nothing else comes out."""
    try:
        request = read_head(data)
    except Refused:
        return
    assert request.path.startswith("/")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_a_path_that_is_let_through_is_as_it_was_written(text):
    """Whoever tidied it would find nothing to do."""
    import posixpath

    try:
        request = read_head(head(f"GET /{text} HTTP/1.1"))
    except Refused:
        return
    path = request.path
    assert "%" not in path
    assert posixpath.normpath(path) == (path.rstrip("/") or "/")
