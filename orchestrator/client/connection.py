"""Client floor: where the service is, who asks, and what a connection's failure is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from orchestrator.client.calls import Call
from orchestrator.client.problems import ServiceUnreachable
from orchestrator.domain.errors import ConfigurationError, InvalidJob

__all__ = ("Connection", "transport_errors")

_KEY = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Making one raises ConfigurationError where the URL or the key cannot be right."""

    url: str
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        try:
            parsed = httpx.URL(self.url)
        except (httpx.InvalidURL, TypeError) as error:
            raise ConfigurationError(f"server: {str(self.url)[:80]!r} is no URL: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigurationError(f"server: {str(self.url)[:80]!r} is not http://… or https://…")
        if self.key is not None and not _KEY.fullmatch(self.key):
            # Never the key itself, not even a wrong one.
            raise ConfigurationError("key: must be one line of plain characters, as `keys create` printed it")

    def options(self) -> dict[str, Any]:
        """What both kinds of httpx's clients are made with."""
        headers = {"Accept": "application/json", "User-Agent": "sandbox-orch"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        return {"base_url": self.url, "headers": headers, "timeout": self._timeout(0)}

    def request_of(self, call: Call) -> dict[str, Any]:
        """What httpx's `build_request` takes. Raises InvalidJob for what JSON cannot carry."""
        body = {} if call.body is None else {"Content-Type": "application/json"}
        return {
            "method": call.method,
            "url": call.path,
            "params": dict(call.params) or None,
            "content": None if call.body is None else _encode(call.body),
            "headers": {**call.headers, **body},
            "timeout": self._timeout(call.wait_seconds),
        }

    def _timeout(self, more_seconds: float) -> httpx.Timeout:
        seconds = self.timeout_seconds
        return httpx.Timeout(seconds, connect=min(10.0, seconds), read=seconds + more_seconds)


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidJob("request", f"JSON cannot carry it: {error}") from None


@contextmanager
def transport_errors(url: str) -> Iterator[None]:
    """What httpx raises inside becomes ServiceUnreachable, naming the service."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        reason = str(error) or type(error).__name__
        raise ServiceUnreachable(f"no answer from {url}: {reason}") from error
