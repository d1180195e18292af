"""Resources at paths of a site."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.places import Below, PlaceError, Places
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Serve


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


INSIDE = [
    "/private",
    "/private/",
    "/private/a/b",
    "//private",
    "/./private",
    "/x/../private",
    "/x/%2e%2e/private",
    "/%2e/private",
    "/%70rivate",
    "/PRIVATE",
    "/private;a=b",
    "/;x/private",
    "/%2fprivate",
    "/x%2f..%2fprivate",
    "/%5cprivate",
    "/..%5cprivate",
    "/private%20",
    "/../private",
]


@pytest.mark.parametrize("path", INSIDE)
def test_no_way_of_writing_a_path_leads_around_a_guard(serve: Serve, path: str) -> None:
    served = serve(Below("/private", Told("inside"), Told("outside")))
    assert served.get(path).body.startswith(b"inside [] ")


@pytest.mark.parametrize("path", ["/", "/privately", "/x/private", "/private/..", "/%2570rivate"])
def test_other_paths_are_outside(serve: Serve, path: str) -> None:
    served = serve(Below("/private", Told("inside"), Told("outside")))
    assert served.get(path).body.startswith(b"outside [] ")


def test_everything_is_below_the_root(serve: Serve) -> None:
    assert serve(Below("/", Told("inside"), Told("outside"))).get("/x").body.startswith(b"inside")


@given(st.lists(st.sampled_from(["", ".", "..", "x", "/"]), max_size=6))
def test_what_a_merging_server_would_find_below_is_below(noise: list[str]) -> None:
    def is_below(segments: list[str]) -> bool:
        return Below("/private", Told("a"), Told("b"))._is_below(segments)  # pyright: ignore[reportPrivateUsage]

    flat = [part for part in noise if part not in ("", ".", "/")]
    if not flat or flat == ["x", ".."] * (len(flat) // 2):
        assert is_below([*noise, "private"])
