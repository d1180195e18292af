"""The head of a request, as a pure function of its bytes."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.head import CHUNKED, Head, RequestError, check_beginning, parse_head


def parsed(*fields: str, line: str = "GET / HTTP/1.1") -> Head:
    return parse_head("\r\n".join([line, *fields, "", ""]).encode("latin-1"), 100)


def test_a_head_says_how_its_body_is_framed() -> None:
    assert parsed("Host: x").length == 0
    assert parsed("Host: x", "Content-Length: 12").length == 12
    assert parsed("Host: x", "Transfer-Encoding: chunked").length == CHUNKED


@pytest.mark.parametrize("place", ["a.example:443", "192.0.2.1:1", "[2001:db8::1]:65535"])
def test_connect_has_a_place_and_no_path(place: str) -> None:
    head = parsed(f"Host: {place}", line=f"CONNECT {place} HTTP/1.1")
    assert (head.method, head.authority, head.target) == ("CONNECT", place, place)
    assert (head.path, head.query, head.segments()) == ("", "", [])


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("a.example", "X: y"),
        ("a.example:", "X: y"),
        ("/", "X: y"),
        ("*", "X: y"),
        ("http://a.example:443/", "X: y"),
        ("a.example:443?x", "X: y"),
        ("a.example:443", "Content-Length: 1"),
        ("a.example:443", "Transfer-Encoding: chunked"),
    ],
)
def test_connect_to_no_place_or_with_a_body_is_refused(place: str, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        parsed("Host: x", field, line=f"CONNECT {place} HTTP/1.1")
    assert caught.value.status == 400


NAMES = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True).filter(
    lambda name: (
        name.lower()
        not in ("host", "content-length", "transfer-encoding", "expect", "connection", "upgrade")
    )
)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(
    lambda value: value.strip(" \t\u00a0\u0085")
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_every_field_that_is_sent_is_found(fields: list[tuple[str, str]]) -> None:
    head = parsed("Host: x", *(f"{name}: {value} \t" for name, value in fields))

    assert list(head.headers)[1:] == [(name.lower(), value) for name, value in fields]
    for name, _ in fields:
        values = [value for each, value in fields if each.lower() == name.lower()]
        assert head.headers.get_all(name.upper()) == values
        assert head.headers.get(name) == ", ".join(values)
        assert name in head.headers


SEGMENTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8))


@given(SEGMENTS.filter(bool))
def test_every_path_of_texts_can_be_asked_for(segments: list[str]) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)

    assert parsed("Host: x", line=f"GET {path} HTTP/1.1").segments() == segments


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for raw in (data + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + data + b"\r\n\r\n"):
        try:
            head = parse_head(raw, 100)
        except RequestError:
            continue
        assert head.method
        assert head.length >= CHUNKED


@given(st.integers(0, 60))
def test_the_beginning_of_a_good_head_is_never_refused(length: int) -> None:
    check_beginning(b"GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n"[:length])


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01", b"hello", b"GET / HTTP/1.1\r\nA b", b"GET /\x00"]
)
def test_a_hopeless_beginning_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(RequestError):
        check_beginning(data)


@pytest.mark.parametrize(
    ("target", "path", "query", "authority"),
    [
        ("/", "/", "", None),
        ("/a?b?c", "/a", "b?c", None),
        ("/?", "/", "", None),
        ("http://h:1/a?b", "/a", "b", "h:1"),
        ("HTTPS://h", "/", "", "h"),
        ("http://h?q", "/", "q", "h"),
        ("//h/a", "//h/a", "", None),
    ],
)
def test_forms_of_the_target(target: str, path: str, query: str, authority: str | None) -> None:
    head = parsed("Host: x", line=f"GET {target} HTTP/1.1")

    assert (head.target, head.path, head.query, head.authority) == (target, path, query, authority)
