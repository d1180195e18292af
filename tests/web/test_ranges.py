"""Which bytes a Range field asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.filebody import FileRange
from perdure.app.web.files.ranges import (
    MOST_RANGES,
    Multipart,
    UnsatisfiableError,
    content_range,
    parse_ranges,
)


def spans(field: str, size: int = 100) -> list[tuple[int, int]] | None:
    """The parts that `field` asks for, as offset and length."""
    found = parse_ranges(field, size)
    return None if found is None else [(part.offset, part.length) for part in found]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=10-19", [(10, 10)]),
        ("bytes=90-", [(90, 10)]),
        ("bytes=-1", [(99, 1)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=50-1000", [(50, 50)]),
        ("bytes=0-99999999999999999999999", [(0, 100)]),
        ("BYTES=0-0", [(0, 1)]),
        ("bytes= 0-1 , 5-6 ", [(0, 2), (5, 2)]),
        ("bytes=,0-1,,5-6,", [(0, 2), (5, 2)]),
        ("bytes=90-99,0-9", [(90, 10), (0, 10)]),
        ("bytes=0-0,-1", [(0, 1), (99, 1)]),
        ("bytes=0-9,500-600", [(0, 10)]),
    ],
)
def test_ranges_are_read_as_rfc_9110_says(field: str, expected: list[tuple[int, int]]) -> None:
    assert spans(field) == expected


@pytest.mark.parametrize(
    "field",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=0x1-0x2",
        "bytes=1 -2",
        "bytes=٣-٤",
        "bytes=0-1;5-6",
        "items=0-1",
        "bytes=0-1,x",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_a_field_that_cannot_be_read_is_ignored(field: str) -> None:
    assert spans(field) is None


@pytest.mark.parametrize("field", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-,300-"])
def test_ranges_beyond_the_end_cannot_be_satisfied(field: str) -> None:
    with pytest.raises(UnsatisfiableError, match="100 bytes"):
        parse_ranges(field, 100)


def test_nothing_of_an_empty_file_can_be_had() -> None:
    for field in ("bytes=0-", "bytes=-5"):
        with pytest.raises(UnsatisfiableError):
            parse_ranges(field, 0)


@pytest.mark.parametrize(
    "field",
    [
        "bytes=0-50,50-60",
        "bytes=0-,0-,0-",
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST_RANGES + 2, 2)),
    ],
)
def test_a_field_made_to_cost_much_gets_the_whole_file(field: str) -> None:
    assert spans(field) is None


def test_as_many_parts_as_allowed_are_given() -> None:
    field = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST_RANGES, 2))
    assert len(spans(field) or ()) == MOST_RANGES


_SPECS = st.one_of(
    st.builds("{}-{}".format, st.integers(0, 40), st.integers(0, 40)),
    st.builds("{}-".format, st.integers(0, 40)),
    st.builds("-{}".format, st.integers(0, 40)),
    st.text("0123456789-, =", max_size=6),
)


@given(
    st.lists(_SPECS, max_size=6).map(lambda specs: "bytes=" + ",".join(specs)), st.integers(0, 30)
)
def test_what_is_found_lies_in_the_file_and_never_overlaps(field: str, size: int) -> None:
    try:
        found = parse_ranges(field, size)
    except UnsatisfiableError:
        return
    wanted = [set(range(part.offset, part.offset + part.length)) for part in found or ()]
    assert all(part and part <= set(range(size)) for part in wanted)
    assert len({number for part in wanted for number in part}) == sum(map(len, wanted))


@given(st.text())
def test_no_text_makes_the_parser_fail(field: str) -> None:
    try:
        parse_ranges(field, 10)
        parse_ranges("bytes=" + field, 10)
    except UnsatisfiableError:
        return


def test_several_parts_are_framed_by_the_boundary() -> None:
    body = Multipart([FileRange(0, 2), FileRange(5, 1)], 9, [("Content-Type", "text/plain")], "B")
    assert body.content_type == "multipart/byteranges; boundary=B"
    pieces = [piece if isinstance(piece, bytes) else b"<%d>" % piece.length for piece in body]
    assert b"".join(pieces) == (
        b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\n<2>"
        b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-5/9\r\n\r\n<1>"
        b"\r\n--B--\r\n"
    )


def test_content_range_counts_from_nought_to_the_last_byte() -> None:
    assert content_range(FileRange(3, 4), 10) == "bytes 3-6/10"
