"""A site's own pages in place of the server's."""

import os
from pathlib import Path

import pytest

from perdure.app.web.errors import HTTPError, error_page
from perdure.app.web.replies.errorpages import ErrorPages, ErrorPagesError
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response

from .conftest import Serve

TEMPLATE = "<h1>{{ status }} {{ reason }}</h1>{{ detail }} {{ path }}"


class Page(Resource):
    def render_GET(self, request: Request) -> Rendered:
        match request.query:
            case "own":
                return Response("its own", 404)
            case "raise":
                raise HTTPError(404, "<no> & never", [("X-Kept", "1")])
            case "fail":
                raise ZeroDivisionError
            case _:
                return "fine"


@pytest.fixture(name="pages")
def pages_fixture(tmp_path: Path) -> dict[int, str | os.PathLike[str]]:
    path = tmp_path / "404.html"
    path.write_text(TEMPLATE)
    return {404: path, 500: path}


def test_the_page_for_a_status_takes_the_place_of_ours(
    pages: dict[int, str | os.PathLike[str]], serve: Serve
) -> None:
    served = serve(ErrorPages(Page(), pages))
    reply = served.get("/no%3Cne")
    assert (reply.status, reply.body) == (404, b"<h1>404 Not Found</h1> /no&lt;ne")
    reply = served.get("/?raise")
    assert reply.body == b"<h1>404 Not Found</h1>&lt;no&gt; &amp; never /"
    assert reply.get("x-kept") == "1"
    assert reply.get("content-security-policy") is None
    assert served.get("/?fail").body.startswith(b"<h1>500 ")
    assert served.get("/").body == b"fine"
    assert served.get("/?own").body == b"its own"
    assert served.get("/", method="PUT").status == 405


def test_a_traceback_is_shown_all_the_same(
    pages: dict[int, str | os.PathLike[str]], serve: Serve
) -> None:
    served = serve(ErrorPages(Page(), pages), display_tracebacks=True)
    assert b"ZeroDivisionError" in served.get("/?fail").body


def test_a_page_that_fails_leaves_the_usual_one(
    pages: dict[int, str | os.PathLike[str]], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    Path(pages[404]).write_text("{{ 1 / 0 }}")
    assert b"There is nothing at this address" in serve(ErrorPages(Page(), pages)).get("/x").body
    assert "cannot be shown: ZeroDivisionError" in caplog.text


def test_a_page_that_is_not_there_is_told_before_a_port_is_open(tmp_path: Path) -> None:
    with pytest.raises(ErrorPagesError, match=r"error page 404=.*: there is no such file"):
        ErrorPages(Page(), {404: tmp_path / "none.html"}).check()
    broken = tmp_path / "broken.html"
    broken.write_text("<h1>\n{% if %}")
    with pytest.raises(ErrorPagesError, match=r"broken.html: line 2: Expected an expression"):
        ErrorPages(Page(), {404: broken}).check()
    with pytest.raises(ErrorPagesError, match="from 400 to 599"):
        ErrorPages(Page(), {200: tmp_path / "none.html"})


def test_our_own_pages_run_no_scripts_and_stand_in_no_frame(serve: Serve) -> None:
    reply = serve(Page()).get("/none")
    policy = reply.get("content-security-policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert reply.get("x-content-type-options") == "nosniff"
    assert reply.get("x-frame-options") == "DENY"
    assert reply.get("referrer-policy") == "same-origin"


def test_a_field_that_is_given_takes_the_place_of_ours() -> None:
    page = error_page(404, headers=[("x-frame-options", "SAMEORIGIN")])
    assert page.get_header("X-Frame-Options") == "SAMEORIGIN"
