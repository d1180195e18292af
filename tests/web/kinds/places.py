"""The kinds of resource that divide a site by its paths."""

from perdure.app.web.resource import ErrorPage
from perdure.app.web.routing.places import Below, FromRoot, Places

from .case import KindCase

CASES = (
    KindCase(
        Places,
        lambda folder: Places(ErrorPage(403), {"/a/b": ErrorPage(410, "At a place.")}),
        "At a place.",
        ("GET /a/b/c HTTP/1.1",),
        410,
    ),
    KindCase(
        Below,
        lambda folder: Below("/a", FromRoot(ErrorPage(410, "Inside.")), ErrorPage(403)),
        "Inside.",
        ("GET //A;x/b HTTP/1.1",),
        410,
        also=(FromRoot,),
    ),
)
