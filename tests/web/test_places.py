"""Resources at paths of a site."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.registry import Registry
from perdure.app.web.head import parse_head
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.routing.places import Below, FromRoot, PlaceError, Places
from perdure.app.web.sessions import Sessions

from .conftest import Serve


def requested(path: str) -> Request:
    head = parse_head(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 100)
    return Request(head, "unix", False, Registry(), cast(Sessions, None))


class Told(Resource):
    is_leaf = True

    def __init__(self, name: str) -> None:
        self.name = name

    def render_GET(self, request: Request) -> str:
        return f"{self.name} {request.prepath} {request.postpath}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", "root [] ['']"),
        ("/api", "api ['api'] []"),
        ("/api/", "api ['api'] ['']"),
        ("/api/v1", "v1 ['api', 'v1'] []"),
        ("/api/v1/x", "v1 ['api', 'v1'] ['x']"),
        ("/api/v2", "api ['api'] ['v2']"),
        ("/apis", "root [] ['apis']"),
        ("/api%2Fv1", "root [] ['api/v1']"),
        ("//api", "root [] ['', 'api']"),
        ("/a%20b/c", "spaced ['a b'] ['c']"),
    ],
)
def test_the_longest_place_answers_and_else_what_is_wrapped(
    serve: Serve, path: str, told: str
) -> None:
    places = {name: Told(name) for name in ("api", "v1", "spaced")}
    paths = {"/api/": places["api"], "/api/v1": places["v1"], "/a b": places["spaced"]}
    assert serve(Places(Told("root"), paths)).get(path).body.decode() == told


@pytest.mark.parametrize("path", ["api", "", "//a", "/a//b", "/../a", "/a/.", "/a\0"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(PlaceError):
        Places(Told("root"), {path: Told("x")})
    with pytest.raises(PlaceError):
        Below(path, Told("x"), Told("root"))


INSIDE = {
    "/private": ("['private'] []"),
    "/private/": ("['private'] ['']"),
    "/private/a/b": ("['private'] ['a', 'b']"),
    "//private": ("['', 'private'] []"),
    "/./private/a": ("['.', 'private'] ['a']"),
    "/x/../private/a": ("['x', '..', 'private'] ['a']"),
    "/x/%2e%2e/private": ("['x', '..', 'private'] []"),
    "/%2e/private": ("['.', 'private'] []"),
    "/%70rivate": ("['private'] []"),
    "/PRIVATE/A": ("['PRIVATE'] ['A']"),
    "/private;a=b/c": ("['private;a=b'] ['c']"),
    "/;x/private": ("[';x', 'private'] []"),
    "/%2fprivate%2fa": ("['/private/a'] []"),
    "/x%2f..%2fprivate": ("['x/../private'] []"),
    "/..%5cprivate": ("['..\\\\private'] []"),
    "/private%20": ("['private '] []"),
    "/../private": ("['..', 'private'] []"),
    "/private/..": ("['private'] ['..']"),
    "/private/../x": ("['private'] ['..', 'x']"),
}


@pytest.mark.parametrize(("path", "told"), INSIDE.items())
def test_no_way_of_writing_a_path_leads_around_a_guard(serve: Serve, path: str, told: str) -> None:
    served = serve(Below("/private", Told("inside"), Told("outside")))
    assert served.get(path).body.decode() == f"inside {told}"


@pytest.mark.parametrize("path", INSIDE)
def test_what_is_entered_from_below_sees_the_whole_path(serve: Serve, path: str) -> None:
    site = Told("site")
    guarded, bare = serve(Below("/private", FromRoot(site), site)), serve(site)
    assert guarded.get(path).body == bare.get(path).body


@pytest.mark.parametrize(
    "path", ["/", "/privately", "/x/private", "/x/../y/private", "/%2570rivate"]
)
def test_other_paths_are_outside(serve: Serve, path: str) -> None:
    served = serve(Below("/private", Told("inside"), Told("outside")))
    assert served.get(path).body.startswith(b"outside [] ")


def test_everything_is_below_the_root(serve: Serve) -> None:
    assert serve(Below("/", Told("inside"), Told("outside"))).get("/x").body.startswith(b"inside")


@given(st.lists(st.sampled_from(["", ".", "x/..", "/", ";a"]), max_size=6))
def test_what_a_merging_server_would_find_below_is_below(noise: list[str]) -> None:
    path = "/" + "/".join([*noise, "private", "page"])
    request = requested(path)
    inside, outside = Resource(), Resource()
    assert Below("/private", inside, outside).enter(request) is inside
    assert request.postpath == ["page"]
