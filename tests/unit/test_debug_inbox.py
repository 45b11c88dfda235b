"""`images/python/debug_inbox.py`: records and the payload on one pipe, told apart whatever comes."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).parent.parent.parent / "images/python")


@pytest.fixture
def module(monkeypatch):
    """The runner's module, which finds its own kind beside it; nothing of it stays imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(FOLDER)
    import debug_inbox

    yield debug_inbox
    for name in {"debug_inbox", "inbox"} - before:
        sys.modules.pop(name, None)


def payload(text: bytes) -> bytes:
    return struct.pack(">Q", len(text)) + text


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_records_come_before_the_payload_in_pieces_of_any_size(module, size):
    """Both are whole, and what follows the payload is ignored."""
    inbox = module.DebugInbox(100, takes_payload=True)
    sent = (
        module.DebugInbox.of_debug(b"one\n")
        + module.DebugInbox.of_debug(b"")
        + module.DebugInbox.of_debug(b"two\n")
    )
    sent += payload(b'{"status":"ok"}') + b"more"
    taken = b""
    for start in range(0, len(sent), size):
        inbox.feed(sent[start : start + size])
        taken += inbox.take_debug()
    assert (taken, inbox.is_complete, inbox.payload) == (b"one\ntwo\n", True, b'{"status":"ok"}')


def test_a_payload_alone_is_what_it_is_without_debug_mode(module):
    """The very bytes that a child without debug mode writes, and those of one that declares too much."""
    inbox = module.DebugInbox(100, takes_payload=True)
    inbox.feed(payload(b"{}"))
    assert (inbox.payload, inbox.is_settled, inbox.take_debug()) == (b"{}", True, b"")
    for declared in (101, 2**63, 2**64 - 1):
        inbox = module.DebugInbox(100, takes_payload=True)
        inbox.feed(struct.pack(">Q", declared))
        assert (inbox.is_too_large, inbox.declared_bytes) == (True, declared)


def test_a_program_has_no_payload(module):
    """What looks like one is ignored, and so is everything after it."""
    inbox = module.DebugInbox(100, takes_payload=False)
    inbox.feed(module.DebugInbox.of_debug(b"x") + payload(b"{}") + module.DebugInbox.of_debug(b"y"))
    assert (inbox.take_debug(), inbox.is_settled, inbox.declared_bytes) == (b"x", False, None)


def test_a_flood_of_records_is_bounded(module):
    """Beyond the bound they are read and dropped."""
    inbox = module.DebugInbox(100, takes_payload=True)
    piece = module.DebugInbox.of_debug(b"x" * 2**20)
    kept = 0
    for _ in range(6):
        inbox.feed(piece)
        kept += len(inbox.take_debug())
    assert kept == module.MOST_DEBUG_BYTES
    inbox.feed(payload(b"{}"))
    assert inbox.is_complete
