"""`scheduler/transcript.py`: head and tail of what a job printed, exactly."""

from __future__ import annotations

import base64
import random

import pytest
from making import stream_frame

from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.outcome import StreamText
from orchestrator.scheduler.transcript import Transcript, decode_files


def transcribe(most: int, *pieces: str | int) -> StreamText:
    """What is kept of these pieces of stdout; a number stands for so many bytes left out by the runner."""
    transcript = Transcript(most_bytes=most)
    skipped = 0
    for piece in pieces:
        if isinstance(piece, int):
            skipped += piece
        else:
            transcript.add(stream_frame("j", piece, skipped=skipped))
            skipped = 0
    return transcript.text_of("stdout")


def naively(most: int, *pieces: str | int) -> StreamText:
    """The same by its definition: all of it at once, cut by hand."""
    total = sum(piece if isinstance(piece, int) else len(piece.encode()) for piece in pieces)
    gaps = [number for number, piece in enumerate(pieces) if isinstance(piece, int)]
    before = "".join(pieces[: gaps[0]]) if gaps else "".join(pieces)
    head = first_bytes(most // 2, before)
    after = "".join(pieces[gaps[-1] + 1 :]) if gaps else before[len(head) :]
    tail = last_bytes(most - len(head.encode()), after)
    left_out = total - len((head + tail).encode())
    mark = f"\n… {left_out} bytes left out …\n" if left_out else ""
    return StreamText(text=head + mark + tail, bytes_total=total, truncated=bool(left_out))


def first_bytes(most: int, text: str) -> str:
    """As many whole characters as fit."""
    return text.encode()[:most].decode("utf-8", "ignore")


def last_bytes(most: int, text: str) -> str:
    """As many whole characters as fit, from the end."""
    return text.encode()[-most:].decode("utf-8", "ignore") if most else ""


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("length", range(12))
def test_all_of_it_or_head_and_tail(most, length):
    """Up to the bound everything is kept, above it the first and the last half, in pieces of any size."""
    text = "abcdefghijklmno"[:length]
    for size in (1, 2, 5, 20):
        pieces = [text[at : at + size] for at in range(0, length, size)]
        assert transcribe(most, *pieces) == naively(most, *pieces)
    assert transcribe(most, text).truncated is (length > most)


def test_a_thousand_random_streams_agree_with_the_naive_model():
    """Whatever the pieces, gaps and bound, what is kept is what cutting the whole by hand gives."""
    rng = random.Random(7)
    for _ in range(1000):
        pieces: list[str | int] = []
        for _ in range(rng.randrange(8)):
            if rng.random() < 0.25:
                pieces.append(rng.randrange(1, 500))
            pieces.append("".join(rng.choices("abé\n𝄞", k=rng.randrange(1, 12))))
        most = rng.randrange(1, 40)
        assert transcribe(most, *pieces) == naively(most, *pieces), (most, pieces)


@pytest.mark.parametrize("most", range(1, 12))
@pytest.mark.parametrize("text", ["ééééé", "aé𝄞z", "𝄞𝄞𝄞", "é" * 100])
def test_the_bound_is_in_bytes_whatever_the_characters(most, text):
    """Never more than the bound is kept, nothing is cut inside a character, and what fits is kept whole."""
    kept = transcribe(most, *text)
    head, _, rest = kept.text.partition("\n… ")
    tail = rest.partition(" …\n")[2]
    assert len((head + tail).encode()) <= most
    assert kept.truncated is (len(text.encode()) > most)
    assert text.startswith(head)
    assert text.endswith(tail)


def test_the_tail_has_no_gap_in_it():
    """What came before bytes that the runner left out never stands next to what came after."""
    assert transcribe(8, "abcdefgh", 100, "xy").text == "abcd\n… 104 bytes left out …\nxy"


def test_bytes_are_counted_as_the_runner_counts_them():
    """`bytes_total` is the sum of what pieces stand for and what was left out."""
    transcript = Transcript(most_bytes=100)
    transcript.add({"name": "stderr", "text": "\ufffd", "bytes": 1, "skipped": 0})
    transcript.add({"name": "stderr", "text": "x", "bytes": 1})
    assert transcript.text_of("stderr") == StreamText(text="\ufffdx", bytes_total=2)
    assert transcript.text_of("stdout") == StreamText()


def test_lone_surrogates_do_not_get_out():
    """Text that could be neither printed nor sent is made writable."""
    transcript = Transcript(most_bytes=100)
    transcript.add({"name": "stdout", "text": "a\ud800é", "bytes": 6})
    assert transcript.text_of("stdout").text == "a?é"


@pytest.mark.parametrize(
    "changes",
    [{"name": "stdlog"}, {"name": None}, {"name": ["stdout"]}, {"text": None}, {"text": b"x"}, {"bytes": None},
     {"bytes": -1}, {"bytes": 1.0}, {"skipped": -1}, {"skipped": "1"}, {"skipped": None}],
)  # fmt: skip
def test_a_malformed_stream_frame_is_a_protocol_error(changes):
    """Frames are foreign data: each field is checked before it is used."""
    with pytest.raises(ProtocolError):
        Transcript(most_bytes=10).add({**stream_frame("j", "x"), **changes})


def test_files_are_decoded():
    """The files of a result are their bytes again; none are no files."""
    files = {"a.txt": base64.b64encode(b"\0\xff").decode(), "b": ""}
    assert decode_files(files) == {"a.txt": b"\0\xff", "b": b""}
    assert decode_files(None) == {}


@pytest.mark.parametrize("files", [[], "x", 7, {"a": 7}, {"a": None}, {"a": "*"}, {"a": "é"}, {"a": "abc"}])
def test_malformed_files_are_a_protocol_error(files):
    """What is no base64 is not guessed at."""
    with pytest.raises(ProtocolError):
        decode_files(files)
