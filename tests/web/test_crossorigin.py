"""Pages that scripts of other sites may read."""

from typing import Any

import pytest

from perdure.app.web.replies.crossorigin import CrossOrigin, CrossOriginError
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response

from .conftest import Serve

APP = "https://app.example.org"


class Page(Resource):
    def __init__(self, *fields: tuple[str, str]) -> None:
        self.fields = fields
        self.asked = 0

    def render_GET(self, request: Request) -> Rendered:
        self.asked += 1
        return Response("text", headers=self.fields)

    def render_OPTIONS(self, request: Request) -> Rendered:
        return "options"


def test_a_site_that_may_is_told_so_and_another_is_not(serve: Serve) -> None:
    page = Page()
    served = serve(CrossOrigin(page, [APP], exposed=["X-Total"]))
    reply = served.get("/", f"Origin: {APP}")
    assert reply.get("access-control-allow-origin") == APP
    assert reply.get("access-control-expose-headers") == "X-Total"
    assert reply.get("vary") == "Origin"
    for origin in ("https://other.example.org", "http://app.example.org", f"{APP}:8443", "null"):
        reply = served.get("/", f"Origin: {origin}")
        assert (reply.status, reply.get("access-control-allow-origin")) == (200, None)
        assert reply.get("vary") == "Origin"
    assert served.get().get("access-control-allow-origin") is None
    assert page.asked == 6


def test_all_sites_may_where_that_is_said(serve: Serve) -> None:
    reply = serve(CrossOrigin(Page(), ["*"])).get("/", "Origin: https://any.example")
    assert (reply.get("access-control-allow-origin"), reply.get("vary")) == ("*", None)


def test_what_a_browser_asks_before_is_answered_without_the_page(serve: Serve) -> None:
    page = Page()
    rules = CrossOrigin(
        page, [APP], methods=["GET", "PUT"], headers=["X-Token"], credentials=True, max_age=60
    )
    served = serve(rules)
    ask = "Access-Control-Request-Method: PUT"
    reply = served.get("/deep/path", f"Origin: {APP}", ask, method="OPTIONS")
    assert reply.status == 204
    assert reply.get("access-control-allow-origin") == APP
    assert reply.get("access-control-allow-credentials") == "true"
    assert reply.get("access-control-allow-methods") == "GET, PUT"
    assert reply.get("access-control-allow-headers") == "X-Token"
    assert reply.get("access-control-max-age") == "60"
    reply = served.get("/", "Origin: https://other.example", ask, method="OPTIONS")
    assert (reply.status, reply.get("access-control-allow-methods")) == (204, None)
    assert page.asked == 0
    assert served.get("/", method="OPTIONS").body == b"options"


def test_there_is_one_word_on_it_also_where_the_page_has_its_own(serve: Serve) -> None:
    page = Page(("Access-Control-Allow-Origin", "*"), ("Vary", "Cookie"))
    reply = serve(CrossOrigin(page, [APP])).get("/", "Origin: https://other.example")
    assert reply.get("access-control-allow-origin") is None
    assert reply.get_all("vary") == ["Cookie", "Origin"]


@pytest.mark.parametrize(
    ("origins", "settings", "said"),
    [
        (["app.example.org"], {}, "expected as browsers send it"),
        ([f"{APP}/"], {}, "expected as browsers send it"),
        ([f"{APP}\r\nX: y"], {}, "expected as browsers send it"),
        (["*"], {"credentials": True}, "the sites have to be named"),
        (APP, {}, "a list is expected"),
        ([APP], {"methods": ["GET POST"]}, "letters, digits"),
        ([APP], {"headers": "X-Token"}, "a list is expected"),
    ],
)
def test_what_makes_no_sense_is_told(origins: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(CrossOriginError, match=said):
        CrossOrigin(Page(), origins, **settings)
