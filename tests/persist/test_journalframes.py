"""The bytes of a segment: what was written is read, and nothing else is taken for it."""

import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perdure.persist.frames import (
    MAGIC,
    MARK,
    Header,
    HeaderError,
    encode,
    encode_void,
    read_frames,
    tagger,
)

from .journals import KEY


@given(st.binary(max_size=400))
@example(MAGIC + b"1\n{}\n")
@example(MAGIC + b"1\n" + b"[" * 3000)
@example(MAGIC + "²\n".encode())
@example(MAGIC + b"9" * 4000)
def test_any_bytes_are_a_header_or_an_error(start: bytes) -> None:
    for content in (start, MAGIC + b"1\n" + start):
        try:
            header = Header.from_bytes(content)
        except HeaderError:
            continue
        assert Header.from_bytes(header.to_bytes()) == header


@given(st.text(max_size=100), st.integers(1, 2**63 - 1), st.booleans())
def test_a_header_is_read_as_it_was_written(application: str, first: int, fresh: bool) -> None:
    header = Header(application=application, first=first, written="", writer="x", fresh=fresh)
    assert Header.from_bytes(header.to_bytes() + b"frames") == header


frames = st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=5)


@given(frames, st.binary(max_size=60))
def test_frames_are_read_as_they_were_written(batches: list[list[bytes]], rest: bytes) -> None:
    tags = tagger(KEY, "web", 1)
    content, number = b"", 1
    for batch in batches:
        content += b"".join(encode(tags, number, batch, number - 1))
        number += len(batch)
    content += b"".join(encode_void(tags, number, 3, number - 1))
    found = list(read_frames(content + b"\0" + rest, 0, tags))
    assert [frame.records for frame in found] == [*batches, None]
    assert found[-1].end == len(content)


def whole_frame(first: int, synced: int, count: int, body: bytes) -> bytes:
    checked = struct.pack("<IIQQ", len(body), count, first, synced) + bytes(16)
    return MARK + zlib.crc32(checked + body).to_bytes(4, "little") + checked + body


@pytest.mark.parametrize(
    ("first", "synced", "count", "body"),
    [
        (5, 5, 1, struct.pack("<I", 1) + b"x"),
        (5, 2**62, 1, struct.pack("<I", 1) + b"x"),
        (2**63, 0, 1, struct.pack("<I", 1) + b"x"),
        (2**63 - 1, 0, 2, b""),
        (5, 4, 1, struct.pack("<I", 2) + b"x"),
        (5, 4, 2, struct.pack("<II", 1, 100) + b"xy"),
        (5, 4, 2, struct.pack("<II", 1, 0) + b"xy"),
        (5, 4, 1000, b"x"),
    ],
)
def test_a_frame_that_contradicts_itself_is_none(
    first: int, synced: int, count: int, body: bytes
) -> None:
    assert len(list(read_frames(whole_frame(5, 4, 1, b"\1\0\0\0x"), 0, None))) == 1
    assert list(read_frames(whole_frame(first, synced, count, body), 0, None)) == []
