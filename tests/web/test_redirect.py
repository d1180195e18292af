"""Resources that lead elsewhere, and never to where nobody meant."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from perdure.app.web.data import Data
from perdure.app.web.resource import ErrorPage, Resource
from perdure.app.web.response import HeaderError
from perdure.app.web.routing.redirect import (
    ChildRedirector,
    ParentRedirect,
    Redirect,
    RedirectError,
    redirection,
)

from .conftest import Serve, Served


@pytest.fixture
def served(serve: Serve) -> Served:
    root = Resource()
    for name, child in {
        "one": Redirect("https://example.org/a?b=c&d", 301),
        "here": Redirect("/other"),
        "post": Redirect("/other", 307),
        "old": ChildRedirector("https://example.org/new"),
        "top": ChildRedirector("/"),
        "data": Data(b"\x00\x01", "application/x-bits"),
        "text": Data("grüße", "text/plain; charset=utf-8"),
        "page": Data("<p>hello"),
        "gone": ErrorPage(410, "It <was> here."),
        "up": ParentRedirect(),
    }.items():
        root.put_child(name, child)
    below = Resource()
    below.put_child("", ParentRedirect())
    below.put_child("up", ParentRedirect())
    root.put_child("below", below)
    return serve(root)


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/one", 301, "https://example.org/a?b=c&d"),
        ("/one/more/of/it?x", 301, "https://example.org/a?b=c&d"),
        ("/here", 302, "/other"),
        ("/old", 302, "https://example.org/new"),
        ("/old/", 302, "https://example.org/new/"),
        ("/old/a%20b/c%2Fd?e=f&g=%C3%BC", 302, "https://example.org/new/a%20b/c%2Fd?e=f&g=%C3%BC"),
        ("/old?q", 302, "https://example.org/new?q"),
        ("/old//evil.example", 302, "https://example.org/new/evil.example"),
        ("/old/%5Cevil.example", 302, "https://example.org/new/%5Cevil.example"),
        ("/old/%0d%0aSet-Cookie:a=b", 302, "https://example.org/new/%0D%0ASet-Cookie:a=b"),
        ("/top//evil.example/x", 302, "/evil.example/x"),
        ("/top/%2Fevil.example/x", 302, "/%2Fevil.example/x"),
    ],
)
def test_redirects_lead_where_they_say(
    served: Served, path: str, status: int, location: str
) -> None:
    for method in ("GET", "HEAD"):
        reply = served.get(path, method=method)
        assert (reply.status, reply.get("location")) == (status, location)


def test_a_post_is_led_on_as_one(served: Served) -> None:
    assert served.get("/post", method="POST").status == 307


@pytest.mark.parametrize("path", ["/old/%2e%2e/x", "/old/../x", "/old/a/..", "/old/./x"])
def test_nothing_climbs_out_of_where_it_is_led(served: Served, path: str) -> None:
    assert served.get(path).status == 404


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/below/up", "/below/"),
        ("/below/up/", "/below/"),
        ("/below/up/a/b", "/below/"),
        ("/below/up?q", "/below/"),
        ("/below/", "/"),
        ("/up", "/"),
    ],
)
def test_the_parent_is_the_folder_that_one_is_in(served: Served, path: str, to: str) -> None:
    reply = served.get(path)
    assert reply.status == 302
    assert urljoin(f"http://x{path}", reply.get("location")) == f"http://x{to}"


def test_above_the_root_is_nothing(serve: Serve) -> None:
    served = serve(ParentRedirect())
    assert served.get("/").status == 404


def test_data_is_sent_as_it_is(served: Served) -> None:
    reply = served.get("/data")
    assert (reply.body, reply.get("content-type")) == (b"\x00\x01", "application/x-bits")
    assert served.get("/text").body.decode() == "grüße"
    assert served.get("/page").get("content-type") == "text/html; charset=utf-8"
    assert served.get("/page", method="HEAD").get("content-length") == "8"
    assert served.get("/page", method="POST").get("allow") == "GET, HEAD, OPTIONS"
    assert served.get("/page/below").status == 404
    with pytest.raises(HeaderError):
        Data("", "text/html\r\nSet-Cookie: a=b")


def test_an_error_resource_answers_everything_below_it(served: Served) -> None:
    for path in ("/gone", "/gone/a/b"):
        reply = served.get(path)
        assert reply.status == 410
        assert b"It &lt;was&gt; here." in reply.body


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a\r\nSet-Cookie: b=c",
        "/a\nb",
        "/a b",
        "\t/a",
        "/a\x00",
        "\\\\evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://[broken",
    ],
)
def test_what_is_no_address_is_refused_when_it_is_made(url: str) -> None:
    for kind in (Redirect, ChildRedirector):
        with pytest.raises(RedirectError):
            kind(url)


def test_what_is_no_redirect_is_refused() -> None:
    for status in (200, 300, 304, 404, 0, True):
        with pytest.raises(RedirectError, match="expected is one of 301"):
            Redirect("/", status)
    with pytest.raises(RedirectError, match="below a query"):
        ChildRedirector("/a?b")


@settings(max_examples=200, deadline=None)
@given(url=st.text(max_size=30))
@example("/ü?ß#ẞ")
def test_a_head_with_any_address_has_one_location_and_nothing_more(url: str) -> None:
    try:
        head = redirection(url).head(0)
    except RedirectError:
        return
    lines = head.split(b"\r\n")
    assert lines[1].startswith(b"Location: ")
    assert [line.partition(b":")[0] for line in lines[1:]] == [b"Location", b"Content-Length", b""]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.lists(
        st.sampled_from(["", "..", ".", "%2f", "%5c", "%0d%0a", "evil.example", "@evil", ":80"]),
        max_size=5,
    ).map("/".join)
)
def test_no_path_leads_to_another_host(served: Served, path: str) -> None:
    for name, host in (("old", "example.org"), ("top", "x")):
        reply = served.get(f"/{name}/{path}")
        assert reply.status in (302, 404)
        if reply.status == 302:
            target = urlsplit(
                urljoin("http://x/", (reply.get("location") or "").replace("\\", "/"))
            )
            assert target.netloc == host
