"""Responses: what can be said in them, and what cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.resource import Resource
from perdure.app.web.response import (
    HeaderError,
    PreparedResponse,
    Response,
    StatusError,
    header_line,
)
from perdure.app.web.site import Site

UNFIT = ["a\r\nX: y", "a\nb", "a\rb", "a\0", "\x7f", "\u20ac"]


@pytest.mark.parametrize("value", UNFIT)
def test_values_that_would_break_out_are_refused(value: str) -> None:
    with pytest.raises(HeaderError) as caught:
        Response(headers=[("X-A", value)])
    assert (caught.value.name, caught.value.value) == ("X-A", value)
    with pytest.raises(HeaderError):
        Response().add_header("X-A", value)
    with pytest.raises(HeaderError):
        Site(Resource(), headers=[("X-A", value)])


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "\u00e9", "a\0"])
def test_names_that_are_no_tokens_are_refused(name: str) -> None:
    with pytest.raises(HeaderError):
        Response(headers=[(name, "value")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "3"),
        ("date", "today"),
        ("Connection", "keep-alive"),
        ("Upgrade", "h2c"),
    ],
)
def test_the_framing_is_the_servers(name: str, value: str) -> None:
    with pytest.raises(HeaderError):
        Response("abc", headers=[(name, value)])


@pytest.mark.parametrize("status", [0, 100, 199, 600, "200", None])
def test_a_status_that_cannot_be_sent_is_refused(status: int) -> None:
    with pytest.raises(StatusError) as caught:
        Response(status=status)
    assert caught.value.status == status


@given(st.text(), st.text())
def test_a_field_is_one_line_or_refused(name: str, value: str) -> None:
    try:
        line = header_line(name, value)
    except HeaderError:
        return
    assert line.endswith(b"\r\n")
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert line == f"{name}: {value}\r\n".encode("latin-1")


def test_a_response_shows_the_fields_it_was_given() -> None:
    response = Response("a", 404, [("X-A", "1")])
    response.add_header("X-A", "2")

    assert response.headers == (("X-A", "1"), ("X-A", "2"))


def test_a_prepared_response_has_the_head_of_the_response() -> None:
    prepared = PreparedResponse.of(Response("a", 299, [("X-A", "1")]))

    assert prepared.status == 299
    assert prepared.body == b"a"
    assert prepared.head == (
        b"HTTP/1.1 299 \r\nX-A: 1\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 1\r\n"
    )
