"""Wrappers: resources in the place of others; and what changes replies before they leave."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perdure.app.web.errors import HTTPError
from perdure.app.web.request import Request
from perdure.app.web.resource import ErrorPage, Rendered, Resource, Wrapper
from perdure.app.web.response import PreparedResponse, Response
from perdure.app.web.script import ResourceScript
from perdure.app.web.static import File

from ..paper import Paper
from .conftest import Serve


class Place(Resource):
    """Tells where it is."""

    def get_child(self, segment: str, request: Request) -> Resource:
        return self

    def render_GET(self, request: Request) -> str:
        return f"{request.prepath} {request.postpath}"


class Around(Wrapper):
    """Leads to what it wraps, and counts."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped
        self.entered = 0

    def enter(self, request: Request) -> Resource:
        self.entered += 1
        return self.wrapped


class Signing(Around):
    """Adds a field to each reply."""

    name = "X-Seen"

    def enter(self, request: Request) -> Resource:
        request.transform(self.sign)
        return super().enter(request)

    def sign(self, request: Request, response: Response) -> Response:
        seen = response.get_header(self.name)
        return response.replaced(headers=[*response.headers, (self.name, f"after {seen}")])


@pytest.mark.parametrize("path", ["/", "/a", "/a/b", "/a/b/"])
def test_what_is_wrapped_answers_as_if_nothing_were_around_it(path: str, serve: Serve) -> None:
    inner = Place()
    plain = serve(inner).get(path)
    for root in (Around(inner), Around(Around(inner))):
        assert serve(root).get(path).body == plain.body
        assert root.entered == 1


def test_a_wrapper_may_stand_anywhere(serve: Serve) -> None:
    root, leaf = Resource(), Place()
    leaf.is_leaf = True
    root.put_child("in", Around(Place()))
    root.put_child("leaf", Around(leaf))
    served = serve(root)
    assert served.get("/in/a").body == b"['in', 'a'] []"
    assert served.get("/leaf/a/b").body == b"['leaf'] ['a', 'b']"
    assert served.get("/leaf").body == b"['leaf'] []"


class Guard(Around):
    def enter(self, request: Request) -> Resource:
        if "x-word" not in request.headers:
            return ErrorPage(401)
        return super().enter(request)


class Moving(Around):
    def enter(self, request: Request) -> Resource:
        request.postpath[:] = ["moved", *request.postpath]
        return super().enter(request)


def test_it_may_answer_instead(serve: Serve) -> None:
    served = serve(Guard(Place()))
    assert served.get("/a").status == 401
    assert served.get("/a", "X-Word: yes").body == b"['a'] []"


def test_it_may_change_the_way_that_is_left(serve: Serve) -> None:
    assert serve(Moving(Place())).get("/a").body == b"['moved', 'a'] []"


def test_nothing_that_is_no_resource_is_entered(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    around = Around(Place())
    vars(around)["wrapped"] = "a page"
    assert serve(around).get().status == 500
    assert "enter() returned 'a page', not a Resource" in caplog.text


def test_a_circle_of_wrappers_is_an_error_and_no_endless_loop(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    around = Around(Place())
    around.wrapped = Around(around)
    assert serve(around).get("/a").status == 500
    assert "in a circle" in caplog.text


class Pages(Resource):
    """Every shape that a reply can have."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_child(self, segment: str, request: Request) -> Resource:
        page = Resource()
        vars(page)["render_GET"] = getattr(self, segment)
        return page

    def text(self, request: Request) -> Rendered:
        return "all"

    def bytes(self, request: Request) -> Rendered:
        return b"all"

    def response(self, request: Request) -> Rendered:
        return Response("all", 203, [("X-Own", "1"), ("Content-Type", "text/plain")])

    def prepared(self, request: Request) -> Rendered:
        return PreparedResponse.of(Response("all", 200, [("X-Own", "1")]))

    def file(self, request: Request) -> Rendered:
        return File(self.path).render(request)

    async def later(self, request: Request) -> str:
        return "all"

    async def stream(self, request: Request) -> AsyncIterator[str]:
        yield "a"
        yield "ll"

    async def stream_later(self, request: Request) -> Response:
        return Response(self.stream(request), headers=[("Content-Length", "3")])

    def error(self, request: Request) -> Rendered:
        raise HTTPError(410, "all")


SHAPES = ["text", "bytes", "response", "prepared", "file", "later", "stream", "stream_later"]


@pytest.mark.parametrize("shape", [*SHAPES, "error"])
@pytest.mark.parametrize("journaled", [True, False])
def test_a_reply_of_whatever_shape_is_changed_once_innermost_first(
    shape: str, journaled: bool, tmp_path: Path, serve: Serve
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("all")
    pages = Pages(path)
    options = {"journal": Paper()} if journaled else {}
    plain = serve(pages, **options).get(f"/{shape}")
    served = serve(Signing(Signing(pages)), **options)
    reply = served.get(f"/{shape}")
    assert (reply.status, reply.body) == (plain.status, plain.body)
    assert reply.get_all("x-seen") == ["after None", "after after None"]
    for name in ("content-type", "content-length", "x-own", "etag"):
        assert reply.get(name) == plain.get(name)
    if shape != "error":
        head = served.get(f"/{shape}", method="HEAD")
        assert head.get_all("x-seen") == ["after None", "after after None"]


class Packing(Around):
    """Sends the text of replies in another form."""

    def enter(self, request: Request) -> Resource:
        request.transform(self.pack)
        return self.wrapped

    def pack(self, request: Request, response: Response) -> Response:
        assert isinstance(response.body, str)
        return response.replaced(body=gzip.compress(response.body.encode()), status=201)


def test_a_body_that_is_replaced_keeps_the_type_of_the_former(serve: Serve) -> None:
    reply = serve(Packing(Place())).get("/a")
    assert reply.status == 201
    assert reply.get("content-type") == "text/html; charset=utf-8"
    assert reply.get("content-length") == str(len(reply.body))
    assert gzip.decompress(reply.body) == b"['a'] []"


class Failing(Around):
    def enter(self, request: Request) -> Resource:
        request.transform(self.fail)
        return self.wrapped

    def fail(self, request: Request, response: Response) -> Response:
        raise ZeroDivisionError("on the way out")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_change_that_fails_is_answered_as_an_error(
    shape: str, tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("all")
    assert serve(Failing(Pages(path))).get(f"/{shape}").status == 500
    assert "on the way out" in caplog.text


def test_a_site_checks_what_is_wrapped_and_put_below(serve: Serve) -> None:
    class Checked(Resource):
        checked = False

        def check(self) -> None:
            self.checked = True

    root, inner, below = Resource(), Checked(), Checked()
    root.put_child("a", Around(inner))
    inner.put_child("b", below)
    served = serve(root)
    served.site.check()
    assert (inner.checked, below.checked) == (True, True)


class Tally:
    def __init__(self) -> None:
        self.value = 0


class Tallying(Around):
    def __init__(self, wrapped: Resource, tally: Tally) -> None:
        super().__init__(wrapped)
        self.tally = tally

    def enter(self, request: Request) -> Resource:
        self.tally.value += 1
        return self.wrapped


def test_the_components_that_a_wrapper_holds_are_used_by_each_request(serve: Serve) -> None:
    """A wrapper made in a configuration file has them in its fields, and never asks a registry."""

    tally, journal = Tally(), Paper()
    served = serve(Tallying(Place(), tally), journal=journal)
    served.call(lambda: served.registry.set_component(Tally, tally))
    with served.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.reply().status == 200


def test_a_script_is_a_wrapper_around_what_it_defines(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "deep.rpy"
    path.write_text(
        "from perdure.app.web.resource import ErrorPage, Resource\n"
        "resource = Resource()\n"
        "resource.put_child('below', ErrorPage(410))\n"
    )
    path.chmod(0o644)
    served = serve(File(tmp_path, processors={".rpy": ResourceScript}))
    assert served.get("/deep.rpy/below").status == 410
    assert served.get("/deep.rpy/other").status == 404
