"""The codecs and bounds against all that Hypothesis can think of."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.backends.frames import FrameDecoder, encode_frame
from orchestrator.backends.streams import StreamDemultiplexer, StreamName
from orchestrator.domain.bounds import ForeignJsonError, is_deeper_than, parse_foreign_json
from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.outcome import Outcome
from orchestrator.policies.payload import parse_payload

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)
frames = st.dictionaries(text, json_values, max_size=4).map(lambda fields: {**fields, "type": "t"})
cuts = st.lists(st.integers(0, 400), max_size=8)
streams = st.lists(st.tuples(st.sampled_from(StreamName), st.binary(max_size=20)), max_size=6)
hostile_json = st.text(st.sampled_from('[]{}",:\\ue01dD8-+.naN \ud800é'), max_size=60)


def pieces_of(data: bytes, at: list[int]) -> list[bytes]:
    """`data`, cut at these places."""
    edges = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def multiplex(chunks: list[tuple[StreamName, bytes]]) -> bytes:
    return b"".join(struct.pack(">BxxxL", name, len(data)) + data for name, data in chunks)


def joined(chunks: list[tuple[StreamName, bytes]]) -> list[tuple[StreamName, int]]:
    """Chunks byte by byte: what is left when it does not matter where they were cut."""
    return [(name, byte) for name, data in chunks for byte in data]


def feed_all(codec, pieces: list[bytes]) -> tuple[list[object], str | None]:
    """All that a codec gives for these pieces, and its error, which it must repeat for ever."""
    given_out: list[object] = []
    try:
        for piece in [*pieces, b""]:
            given_out += codec.feed(piece)
    except ProtocolError as error:
        for again in (b"", b"x"):
            with pytest.raises(ProtocolError) as repeated:
                codec.feed(again)
            assert str(repeated.value) == str(error)  # noqa: PT017 - both are looked at
        return given_out, str(error)
    return given_out, None


@given(st.lists(frames, max_size=4), cuts)
def test_frames_come_out_as_they_went_in_however_they_are_cut(sent, at):
    """Encoding and decoding are inverse, and chunking changes nothing."""
    data = b"".join(map(encode_frame, sent))
    assert feed_all(FrameDecoder(), pieces_of(data, at)) == (sent, None)


@given(
    st.binary(max_size=80)
    | st.lists(frames, max_size=2).map(lambda f: b"".join(map(encode_frame, f)) + b"\0\0\0\1x"),
    cuts,
)
def test_any_bytes_are_frames_or_one_protocol_error(data, at):
    """Nothing else is ever raised, and where the bytes are cut does not matter."""
    whole = feed_all(FrameDecoder(max_frame_bytes=1000), [data])
    assert feed_all(FrameDecoder(max_frame_bytes=1000), pieces_of(data, at)) == whole
    assert all(isinstance(frame, dict) and isinstance(frame["type"], str) for frame in whole[0])


@given(st.binary(max_size=60))
def test_any_body_of_a_frame_is_an_object_or_a_protocol_error(body):
    """The same for whatever stands behind an honest length."""
    frames_out, error = feed_all(FrameDecoder(), [struct.pack(">L", len(body)) + body])
    assert bool(frames_out) != bool(error)


@given(streams, cuts)
def test_streams_come_out_as_they_went_in_however_they_are_cut(sent, at):
    """Every byte keeps its stream and its place."""
    chunks, error = feed_all(StreamDemultiplexer(), pieces_of(multiplex(sent), at))
    assert error is None
    assert joined(chunks) == joined(sent)


@given(
    st.binary(max_size=80) | st.tuples(streams, st.binary(max_size=9)).map(lambda s: multiplex(s[0]) + s[1]),
    cuts,
)
def test_any_bytes_are_chunks_or_one_protocol_error(data, at):
    """Nothing else is ever raised, and where the bytes are cut does not matter."""
    whole, error = feed_all(StreamDemultiplexer(), [data])
    chunks, same_error = feed_all(StreamDemultiplexer(), pieces_of(data, at))
    assert (joined(chunks), same_error) == (joined(whole), error)


def depth_of(value: object) -> int:
    """The naive reference: by walking the parsed value."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(json_values, st.integers(0, 6), st.booleans())
@example(['"[[[['], 1, True)
@example({"\\": ['\\"']}, 1, True)
def test_depth_is_what_walking_the_value_says(value, most, ascii_only):
    """For JSON, is_deeper_than agrees with the parsed value."""
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert is_deeper_than(raw, most) == (depth_of(value) > most)


@given(
    st.binary(max_size=200) | hostile_json.map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.integers(0, 5),
)
def test_depth_of_what_is_no_json_is_never_more_than_a_parser_would_meet(raw, most):
    """A text that is judged not deeper cannot take a parser deeper before it gives up."""
    if is_deeper_than(raw, most):
        return
    deepest = depth = 0
    inside = False
    escaped = False
    for byte in raw:
        if inside:
            inside = escaped or byte != ord('"')
            escaped = byte == ord("\\") and not escaped
        elif byte == ord('"'):
            inside = True
        else:
            depth += (byte in b"[{") - (byte in b"]}")
            deepest = max(deepest, depth)
    assert deepest <= most


@given(json_values)
def test_json_is_read_as_the_standard_library_reads_it(value):
    """What is fine for every client is read without loss."""
    assert parse_foreign_json(json.dumps(value)) == value


@given(hostile_json | st.text(max_size=60) | json_values.map(json.dumps))
def test_any_text_is_a_value_or_a_foreign_json_error(foreign):
    """Nothing else is raised, and a value can always be written as UTF-8 JSON again."""
    try:
        value = parse_foreign_json(foreign)
    except ForeignJsonError:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(hostile_json | st.text() | json_values.map(json.dumps) | json_values)
def test_any_payload_is_one_of_three_outcomes(foreign):
    """Hostile payloads are values, never exceptions."""
    assert parse_payload(foreign).outcome in {Outcome.SUCCEEDED, Outcome.ERROR, Outcome.INVALID_OUTPUT}
