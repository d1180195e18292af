"""What a `File` answers where there is no file: pages of one's own, and that of an application."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from perdure.app.web.data import Data
from perdure.app.web.errors import HTTPError
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource, Wrapper
from perdure.app.web.response import Response
from perdure.app.web.site import Site
from perdure.app.web.static import File, StaticError

from .conftest import Reply, Serve, Served

HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "index.html").write_text("the application")
    (site / "app.js").write_text("script")
    (site / ".secret").write_text("the secret")
    (site / "404.html").write_text("<b>{{ status }} {{ reason }}</b> {{ path }}|{{ detail }}")
    return site


# An application of one page.


@pytest.fixture
def application(serve: Serve, folder: Path) -> Served:
    return serve(File(folder, fallback="index.html", listing=False))


@pytest.mark.parametrize("path", ["/users", "/users/7", "/users/", "/a%20b/c?d=e.js"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_goes_to_a_page_gets_the_application(
    application: Served, path: str, method: str
) -> None:
    reply = application.get(path, HTML, method=method)
    assert (reply.status, reply.get("content-type")) == (200, "text/html; charset=utf-8")
    assert reply.get("vary") == "Accept"
    assert reply.get("content-length") == "15"
    assert reply.body == (b"the application" if method == "GET" else b"")


@pytest.mark.parametrize(
    ("path", "field", "method"),
    [
        ("/missing.js", HTML, "GET"),
        ("/users", "Accept: */*", "GET"),
        ("/users", "Accept: application/json", "GET"),
        ("/users", "Accept: text/html;q=0", "GET"),
        ("/users", "Accept:", "GET"),
        ("/users", HTML, "POST"),
        ("/.env", HTML, "GET"),
        ("/a//b", HTML, "GET"),
        ("/sub/..%2f..", HTML, "GET"),
        ("/..%5cwindows", HTML, "GET"),
        ("/app.js/x", HTML, "DELETE"),
    ],
)
def test_everything_else_that_is_not_there_stays_404(
    application: Served, path: str, field: str, method: str
) -> None:
    reply = application.get(path, field, method=method)
    assert reply.status == 404
    assert reply.get("vary") == "Accept"


def test_what_is_there_is_answered_as_ever(application: Served) -> None:
    assert application.get("/app.js", HTML).body == b"script"
    assert application.get("/sub", HTML).status == 301
    assert application.get("/sub/", HTML).status == 403
    assert application.get("/", HTML).get("vary") is None


def test_the_page_is_answered_by_its_tag_at_every_address(application: Served) -> None:
    tag = application.get("/one", HTML).get("etag")
    reply = application.get("/two", HTML, f"If-None-Match: {tag}")
    assert (reply.status, reply.body, reply.get("vary")) == (304, b"", "Accept")


def test_an_application_without_its_page_says_so(serve: Serve, folder: Path) -> None:
    file = File(folder, fallback="gone.html")
    with pytest.raises(StaticError, match=r"fallback .*gone\.html.*no such file"):
        Site(file).check()
    assert serve(file).get("/users", HTML).status == 404
    for name in ("/etc/passwd", "../index.html", "a/../../b", "", "a//b"):
        with pytest.raises(StaticError, match="a file in the folder"):
            File(folder, fallback=name)


# Pages of one's own.


def test_a_template_says_what_is_not_there(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, not_found="404.html"))
    reply = served.get("/a/%3Cscript%3E")
    assert reply.status == 404
    assert reply.get("content-type") == "text/html; charset=utf-8"
    assert reply.body == b"<b>404 Not Found</b> /a/&lt;script&gt;|"
    assert served.get("/app.js").body == b"script"
    head = served.get("/a", method="HEAD")
    assert (head.status, head.get("content-length")) == (404, "24")
    assert served.get("/a", method="POST").status == 404


def test_a_template_is_read_again_when_it_has_changed(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, not_found="404.html"))
    assert served.get("/a").body.startswith(b"<b>404")
    (folder / "404.html").write_text("nothing at {{ path }}")
    assert served.get("/a").body == b"nothing at /a"
    (folder / "part.html").write_text("a part")
    (folder / "404.html").write_text("{% include 'part.html' %}")
    assert served.get("/a").body == b"a part"


@pytest.mark.parametrize(
    "text",
    [
        "{% if %}",
        "{{ nothing.there }}",
        "{% include '../secret.html' %}",
        "{{ ''.__class__.__mro__ }}{{ [].__class__.__base__.__subclasses__()[0]() }}",
    ],
)
def test_a_template_that_fails_costs_its_own_page_alone(
    serve: Serve, folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it would have got at more than it was given."""
    (folder.parent / "secret.html").write_text("the secret")
    (folder / "404.html").write_text(text)
    served = serve(File(folder, not_found="404.html"))
    with caplog.at_level(logging.ERROR, "perdure.web"):
        reply = served.get("/a")
    assert reply.status == 404
    assert b"There is nothing at this address." in reply.body
    assert "404.html cannot be shown" in caplog.text


def test_what_may_not_be_seen_has_a_page_too(serve: Serve, folder: Path) -> None:
    (folder / "403.html").write_text("{{ status }}: {{ detail }}")
    served = serve(File(folder, forbidden="403.html", listing=False))
    reply = served.get("/sub/")
    assert (reply.status, reply.body) == (403, b"403: This folder may not be listed.")
    assert served.get("/gone").status == 404


class Lost(Resource):
    """A page that tells where it was asked for."""

    def render_GET(self, request: Request) -> Rendered:
        return f"lost: {request.path} {request.postpath}"


class Odd(Resource):
    """Pages of all kinds that a resource may answer with."""

    async def render_GET(self, request: Request) -> Rendered:
        match request.args.get("as"):
            case "gone":
                return Response("gone", 410)
            case "error":
                raise HTTPError(451, "not here")
            case "stream":
                return self.pieces()
            case _:
                return b"odd"

    async def pieces(self) -> AsyncIterator[str]:
        yield "piece by "
        yield "piece"


class Around(Wrapper):
    """Stands in front of a page."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: Request) -> Resource:
        return self.wrapped


def test_a_resource_says_what_is_not_there(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, not_found=Around(Lost())))
    reply = served.get("/a/b?c")
    assert (reply.status, reply.body) == (404, b"lost: /a/b []")
    assert served.get("/a", method="POST").status == 404


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("", 404, b"odd"),
        ("?as=stream", 404, b"piece by piece"),
        ("?as=gone", 410, b"gone"),
        ("?as=error", 451, b"not here"),
    ],
)
def test_whatever_a_resource_answers_it_is_404_unless_it_says_otherwise(
    serve: Serve, folder: Path, query: str, status: int, body: bytes
) -> None:
    reply: Reply = serve(File(folder, not_found=Odd())).get(f"/a{query}")
    assert reply.status == status
    assert body in reply.body


def test_pages_are_checked_when_the_site_starts(folder: Path) -> None:
    with pytest.raises(StaticError, match=r"not_found .*none\.html"):
        Site(File(folder, not_found="none.html")).check()
    with pytest.raises(StaticError, match=r"path .*none"):
        Site(File(folder, forbidden=File(folder / "none"))).check()
    with pytest.raises(StaticError, match="a resource or the name of a template"):
        File(folder, not_found=cast(Any, 404))
    Site(File(folder, not_found="404.html", forbidden=Data("no"))).check()
