"""Names of hosts, as clients and operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.hostname import HostError, host_name, readable_name, written_name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org:8080", "example.org"),
        ("example.org.", "example.org"),
        ("example.org.:80", "example.org"),
        ("example.org:", "example.org"),
        ("localhost", "localhost"),
        ("my_host.local", "my_host.local"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "[::1]"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_the_name_is_what_is_left_without_port_case_and_dot(sent: str, name: str) -> None:
    assert host_name(sent) == name
    assert host_name(name) == name


HOSTILE = (
    "",
    ".",
    "..",
    ".org",
    "a..b",
    "a b",
    "a/b",
    "../etc",
    "a\\b",
    "a:80:80",
    "a:65536",
    "a:-1",
    "a:\uff18\uff10",
    "user@example.org",
    "[::1",
    "::1",
    "[::1]x",
    "[1.2.3.4]",
    "[fe80::1%eth0]",
    "<script>",
    "a\0b",
    "a%2eb",
    "bücher.example",
    "a" * 254,
    "a:" + "0" * 70_000,
)


@pytest.mark.parametrize("sent", HOSTILE)
def test_what_is_no_host_has_no_name(sent: str) -> None:
    assert host_name(sent) is None


@given(st.text(max_size=40))
def test_a_name_is_safe_as_the_name_of_a_folder_and_is_its_own_name(sent: str) -> None:
    name = host_name(sent)
    if name is not None:
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert host_name(name) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_operator_may_write_a_name_in_any_alphabet(written: str, name: str) -> None:
    assert written_name(written) == name


@pytest.mark.parametrize("written", ["", "example.org:80", "[::1]:80", "a b", "-ü", "a/ü", "a:"])
def test_what_an_operator_writes_that_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(HostError, match="host "):
        written_name(written)


def test_a_name_is_read_in_its_own_letters() -> None:
    assert readable_name("xn--bcher-kva.example") == "bücher.example"
    assert readable_name("xn--garbage-.example") == "xn--garbage-.example"
    assert readable_name("example.org") == "example.org"
