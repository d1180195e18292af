"""The kinds of resource that change what others reply."""

from pathlib import Path

from perdure.app.web.replies.compression import Compressed
from perdure.app.web.replies.crossorigin import CrossOrigin
from perdure.app.web.replies.errorpages import ErrorPages
from perdure.app.web.replies.replyfields import FieldRule, ReplyFields
from perdure.app.web.resource import ErrorPage, Resource

from .case import KindCase


def _pages(folder: Path) -> Resource:
    page = folder / "gone.html"
    page.write_text("gone with {{ status }}: {{ detail }}")
    return ErrorPages(ErrorPage(410, "the wind"), {410: page})


def _fields(folder: Path) -> Resource:
    return ReplyFields(ErrorPage(410, "the wind"), [FieldRule("X-Rule", "1", ("text/*",))])


CASES = (
    KindCase(Compressed, lambda folder: Compressed(ErrorPage(410, "wind")), "wind", status=410),
    KindCase(CrossOrigin, lambda folder: CrossOrigin(ErrorPage(410, "a"), ["*"]), "", status=410),
    KindCase(ReplyFields, _fields, "the wind", status=410),
    KindCase(ErrorPages, _pages, "gone with 410: the wind", status=410),
)
