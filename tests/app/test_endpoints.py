"""The text of an endpoint: its grammar, its mistakes, and its one canonical form."""

import os

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from perdure.app.endpoints import (
    Endpoint,
    EndpointError,
    TCPEndpoint,
    TLSEndpoint,
    UNIXEndpoint,
    parse_endpoint,
)
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

ports = st.integers(0, 65535)
backlogs = st.none() | st.integers(1, 65535)
texts = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    | st.sampled_from(":=\\")
)
paths = texts.filter(bool)
endpoints: st.SearchStrategy[Endpoint] = st.one_of(
    st.builds(TCPEndpoint, ports, texts, backlogs),
    st.builds(
        TLSEndpoint,
        ports,
        st.none() | paths,
        st.none() | paths,
        texts,
        backlogs,
        st.none() | paths,
    ),
    st.builds(UNIXEndpoint, paths, st.none() | st.integers(0, 0o777), backlogs),
)


@given(endpoints)
def test_the_text_of_an_endpoint_is_that_endpoint(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint
    assert str(parse_endpoint(str(endpoint))) == str(endpoint)


@example("\n:0")
@given(st.text(st.sampled_from("tcpunixls:=\\089abc ./é\n")) | st.text())
def test_any_other_text_is_an_endpoint_or_one_clear_mistake(text: str) -> None:
    error = mistake_in(text)
    if error is None:
        assert parse_endpoint(str(parse_endpoint(text))) == parse_endpoint(text)
    else:
        assert error.text == text
        assert error.position is not None
        assert 1 <= error.position <= len(text) + 1
        assert len(str(error).splitlines()) == 1


def mistake_in(text: str) -> EndpointError | None:
    try:
        parse_endpoint(text)
    except EndpointError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:8080", TCPEndpoint(8080)),
        ("tcp:port=8080", TCPEndpoint(8080)),
        ("tcp:8080:127.0.0.1:5", TCPEndpoint(8080, "127.0.0.1", 5)),
        ("tcp:backlog=5:8080", TCPEndpoint(8080, backlog=5)),
        (r"tcp:8080:interface=\:\:1", TCPEndpoint(8080, "::1")),
        ("tcp:8080:interface=", TCPEndpoint(8080)),
        ("tls:443", TLSEndpoint(443)),
        ("tls:443:certs=/etc/certs", TLSEndpoint(443, certs="/etc/certs")),
        ("tls:443:cert=a.pem:certs=b", TLSEndpoint(443, "a.pem", certs="b")),
        ("tls:443:a.pem:b.pem:localhost:7", TLSEndpoint(443, "a.pem", "b.pem", "localhost", 7)),
        ("unix:/run/web.sock", UNIXEndpoint("/run/web.sock")),
        ("unix:web.sock:mode=0666", UNIXEndpoint("web.sock", 0o666)),
        ("unix:web.sock:0o600", UNIXEndpoint("web.sock", 0o600)),
        (r"unix:a\=b\\c\:d", UNIXEndpoint(r"a=b\c:d")),
    ],
)
def test_arguments_stand_in_their_place_or_have_a_name(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "no type ''; there are tcp, tls, unix"),
        ("8080", 1, "the type is missing; say tcp:8080"),
        ("udp:53", 1, "no type 'udp'; there are tcp, tls, unix"),
        ("127.0.0.1:8080", 1, "say tcp:8080:interface=127.0.0.1"),
        ("ssl:443", 1, "is tls"),
        ("tcp", 4, "port is missing"),
        ("tcp:", 5, "port is ''; a port number from 0 to 65535 was expected"),
        ("tcp:http", 5, "port is 'http'"),
        ("tcp:65536", 5, "port is '65536'"),
        ("tcp:-1", 5, "port is '-1'"),
        ("tcp:٨٠", 5, "port is"),
        ("tcp:" + "9" * 5000, 5, "a port number"),
        ("tcp:80:backlog=0", 8, "from 1 to 65535 was expected"),
        ("tcp:80:depth=3", 8, "no argument 'depth'; there are port, interface, backlog"),
        ("tcp:80:port=81", 8, "port is given a second time"),
        ("tcp:port=80:81", 13, "port is given a second time"),
        ("tcp:80:a:5:6", 12, "'6' is one argument too many for tcp"),
        ("tcp:80:::1", 9, "backlog is ''"),
        ("tcp:80\\", 7, "a backslash stands before"),
        ("tcp:80:interface=C\\x", 19, "a backslash stands before"),
        ("tcp:80:interface=a=b", 19, "a second '='"),
        ("unix:", 6, "address is ''; the path of a file was expected"),
        ("unix:a\0b", 6, "the path of a file was expected"),
        ("unix:a:mode=888", 8, "octal permissions from 0 to 777 was expected"),
        ("unix:a:mode=1777", 8, "octal permissions"),
        ("tls:443:cert=", 9, "cert is ''"),
        ("tls:443:certs=", 9, "certs is ''; the path of a folder was expected"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(text)
    assert caught.value.position == position
    assert said in str(caught.value)
    assert f"at character {position}" in str(caught.value)
    assert caught.value.exit_status == os.EX_USAGE


@pytest.mark.parametrize(
    "make",
    [
        lambda: TCPEndpoint(70000),
        lambda: TCPEndpoint(True),
        lambda: TCPEndpoint("80"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        lambda: UNIXEndpoint(""),
        lambda: UNIXEndpoint("x", 0o1777),
        lambda: TLSEndpoint(443, key=""),
    ],
)
def test_an_endpoint_made_by_hand_is_checked_as_well(make: "type[Endpoint]") -> None:
    with pytest.raises(EndpointError, match="was expected"):
        make()


def test_an_endpoint_can_be_saved_and_says_nothing_of_defaults() -> None:
    endpoint = TCPEndpoint(8080, "127.0.0.1")
    assert restore(capture(endpoint).stream, Policy.everything()) == endpoint
    assert endpoint.backlog is None
    assert str(endpoint) == "tcp:8080:interface=127.0.0.1"
