"""`backends/streams.py`: the engine's multiplexed stream, taken apart."""

from __future__ import annotations

import struct

import pytest

from orchestrator.backends.streams import StreamDemultiplexer, StreamName
from orchestrator.domain.errors import ProtocolError

OUT, ERR = StreamName.STDOUT, StreamName.STDERR


def chunk(name: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", name, len(data)) + data


def test_chunks_keep_their_stream_and_order():
    """Each piece comes out with the stream it was sent on."""
    data = chunk(OUT, b"a") + chunk(ERR, b"b") + chunk(OUT, b"c")
    assert StreamDemultiplexer().feed(data) == [(OUT, b"a"), (ERR, b"b"), (OUT, b"c")]


def test_pieces_are_passed_on_as_they_come():
    """Nothing but an incomplete header is held back."""
    data = chunk(OUT, b"hello")
    demultiplexer = StreamDemultiplexer()
    assert demultiplexer.feed(data[:5]) == []
    assert demultiplexer.feed(data[5:10]) == [(OUT, b"he")]
    assert demultiplexer.feed(data[10:]) == [(OUT, b"llo")]


def test_empty_chunks_say_nothing():
    """A header of length zero is followed by the next header."""
    assert StreamDemultiplexer().feed(chunk(OUT, b"") + chunk(ERR, b"x")) == [(ERR, b"x")]


@pytest.mark.parametrize("header", [b"\x03\0\0\0\0\0\0\1", b"\1\0\1\0\0\0\0\1", b"HTTP/1.1"])
def test_a_header_of_another_kind_is_a_protocol_error_for_ever(header):
    """An unknown stream or a padding that is not zero ends it; so does everything after."""
    demultiplexer = StreamDemultiplexer()
    for data in (header, chunk(OUT, b"a"), b""):
        with pytest.raises(ProtocolError, match="no stream header"):
            demultiplexer.feed(data)


def test_chunks_before_a_bad_header_are_passed_on_first():
    """What was good before the error is not lost with it."""
    demultiplexer = StreamDemultiplexer()
    assert demultiplexer.feed(chunk(OUT, b"a") + b"nonsense") == [(OUT, b"a")]
    with pytest.raises(ProtocolError):
        demultiplexer.feed(b"")
