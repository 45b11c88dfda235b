"""`backends/frames.py`: bytes of a runner become frames or one ProtocolError."""

from __future__ import annotations

import json
import struct

import pytest

from orchestrator.backends import frames
from orchestrator.backends.frames import FrameDecoder, encode_frame, parse_object
from orchestrator.domain.errors import ProtocolError

READY = {"type": "ready", "runtime": "python"}


def raw(body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + body


def test_what_is_encoded_decodes_to_the_same():
    """A frame survives the way there and back, whatever text is in it."""
    frame = {"type": "job", "code": "é\n\0\u2028", "args": [], "limits": {"a": 1}, "entrypoint": None}
    assert FrameDecoder().feed(encode_frame(frame)) == [frame]


def test_a_frame_is_length_and_utf8_json():
    """Four bytes big-endian, then JSON in UTF-8, as docs/protocol.md says."""
    frame = encode_frame({"type": "é"})
    assert frame == b"\0\0\0\x0d" + '{"type":"é"}'.encode()


def test_a_frame_above_the_limit_is_not_made(monkeypatch):
    """encode_frame raises ValueError rather than send what a runner refuses."""
    monkeypatch.setattr(frames, "MAX_FRAME_TO_RUNNER", 20)
    assert encode_frame({"type": "ping"})
    with pytest.raises(ValueError, match="above the limit of 20"):
        encode_frame({"type": "ping", "nonce": "too long"})


def test_frames_come_as_soon_as_they_are_whole():
    """Half a frame gives nothing, its second half gives it, with what follows."""
    data = encode_frame(READY)
    decoder = FrameDecoder()
    assert decoder.feed(data[:3]) == []
    assert decoder.feed(data[3:9]) == []
    assert decoder.feed(data[9:] + data + data[:5]) == [READY, READY]
    assert decoder.feed(data[5:]) == [READY]


def test_length_is_refused_before_anything_is_buffered():
    """Four bytes that announce too much are enough to end it."""
    with pytest.raises(ProtocolError, match="above the limit of 100"):
        FrameDecoder(max_frame_bytes=100).feed(struct.pack(">L", 101))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"{}",
        b'{"type":7}',
        b'{"type":"a"',
        b'\xff{"type":"a"}',
        b'{"type":"\xed\xa0\x80"}',
        json.dumps(READY).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(READY).encode(),
        b'{"type":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"type":"a","n":' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_object_in_utf8_is_a_protocol_error(body):
    """No JSON, no object, no type, no UTF-8 or too deep: each is a ProtocolError."""
    with pytest.raises(ProtocolError):
        parse_object(body)


def test_an_error_is_repeated_for_ever():
    """After one bad frame nothing can be believed any more, however good it looks."""
    decoder = FrameDecoder()
    for data in (raw(b"nonsense"), encode_frame(READY), b""):
        with pytest.raises(ProtocolError, match="no JSON"):
            decoder.feed(data)


def test_good_frames_before_a_bad_one_are_passed_on_first():
    """What came whole before the error is not lost with it."""
    decoder = FrameDecoder()
    assert decoder.feed(encode_frame(READY) + raw(b"nonsense")) == [READY]
    with pytest.raises(ProtocolError):
        decoder.feed(b"")
