"""Dashboard floor: the page's own files, read once, and what a browser is told to allow them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ("SECURITY_HEADERS", "PageFile", "page_files")

_FOLDER = Path(__file__).parent / "pages"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# SECURITY: the page shows what strangers wrote. Nothing inline runs, nothing is fetched from elsewhere, nobody may
# frame it, and with trusted types no text can become markup. tests/browser/test_hostile_text.py
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One file as it is sent."""

    data: bytes
    media_type: str
    tag: str
    """Changes when the file does."""


@cache
def page_files() -> dict[str, PageFile]:
    """All files by name; nothing else is ever served."""
    return {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def _read(path: Path) -> PageFile:
    data = path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    return PageFile(data=data, media_type=_TYPES[path.suffix], tag=tag)
