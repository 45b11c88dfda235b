"""Engine proxy floor: the head of one HTTP/1.1 request, from hostile bytes. No I/O.

It reads less than HTTP allows, so that nothing can be read in two ways: one request per connection, no chunks, no
folded lines, no header twice, no escape in a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

__all__ = ("MOST_BODY_BYTES", "MOST_HEAD_BYTES", "Refused", "Request", "read_head")

MOST_HEAD_BYTES = 16 * 1024
MOST_HEADERS = 40
MOST_BODY_BYTES = 512 * 1024
"""A recipe of ours is below 64 KiB; most of it is the seccomp profile."""
MOST_QUERY_FIELDS = 16

_REQUEST_LINE = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) (/[!-~]*) HTTP/1\.1")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~]*)")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,9}")


class Refused(Exception):
    """Raised when a request is not let through. `status` and the message are the whole answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks, before its body."""

    method: str
    path: str
    query: dict[str, str]
    body_bytes: int
    wants_upgrade: bool
    """Whether it asks for `Upgrade: tcp`, as whoever starts an exec does."""


def read_head(head: bytes) -> Request:
    """The request whose head, without the empty line at its end, is `head`. Raises Refused."""
    request_line, *lines = head.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise Refused(400, "the request line is not that of an HTTP/1.1 request")
    headers = _read_headers(lines)
    path, _, query = match[2].decode("ascii").partition("?")
    return Request(
        method=match[1].decode("ascii"),
        path=_plain_path(path),
        query=_read_query(query),
        body_bytes=_body_bytes(headers),
        wants_upgrade=_wants_upgrade(headers),
    )


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MOST_HEADERS:
        raise Refused(431, f"more than {MOST_HEADERS} header lines")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Refused(400, "a header line is malformed")
        name = match[1].decode("ascii").lower()
        if name in headers:
            raise Refused(400, f"the header {name} comes twice")
        headers[name] = match[2].decode("ascii").strip()
    if "host" not in headers:
        raise Refused(400, "the header host is missing")
    if "expect" in headers:
        raise Refused(417, "no expectation is met here")
    return headers


def _plain_path(path: str) -> str:
    # SECURITY: whoever unescapes or tidies a path later than this check would see another one
    # (tests/unit/test_engine_proxy_rules.py::TestPaths).
    if "%" in path or "//" in path or "\\" in path or {".", ".."} & set(path.split("/")):
        raise Refused(400, "a path here has no escape, no dot segment and no empty segment")
    return path


def _read_query(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        fields = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_QUERY_FIELDS,
        )
    except ValueError:
        raise Refused(400, "the query is malformed") from None
    query = dict(fields)
    if len(query) != len(fields):
        raise Refused(400, "a field of the query comes twice")
    return query


def _body_bytes(headers: dict[str, str]) -> int:
    # SECURITY: one way to say how long a body is; of two, front and back might each believe another
    # (tests/unit/test_engine_proxy_requests.py::TestSmuggling).
    if "transfer-encoding" in headers:
        raise Refused(411, "a body here has a Content-Length, and no Transfer-Encoding")
    length = headers.get("content-length", "0")
    if _LENGTH.fullmatch(length) is None:
        raise Refused(400, "the Content-Length is not a number")
    if int(length) > MOST_BODY_BYTES:
        raise Refused(413, f"the body has {length} bytes, above {MOST_BODY_BYTES}")
    return int(length)


def _wants_upgrade(headers: dict[str, str]) -> bool:
    if "upgrade" not in headers:
        return False
    if headers["upgrade"].lower() != "tcp" or headers.get("connection", "").lower() != "upgrade":
        raise Refused(400, "the only upgrade here is to tcp")
    return True
