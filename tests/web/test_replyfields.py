"""Fields that replies get if they have none of that name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from perdure.app.web.filebody import FileBody
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.replies.compression import Compressed
from perdure.app.web.replies.replyfields import FieldRule, FieldRuleError, ReplyFields
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import HeaderError, Response

from .behind import Behind
from .conftest import Serve


class Page(Resource):
    def __init__(self, *fields: tuple[str, str], status: int = 200) -> None:
        self.fields = fields
        self.status = status

    def render_GET(self, request: Request) -> Rendered:
        return Response("text", self.status, self.fields)


RULES = (
    FieldRule("Cache-Control", "max-age=60", ("image/*", "text/css")),
    FieldRule("Cache-Control", "no-cache"),
    FieldRule("X-Html", "yes", ("text/html",)),
)


@pytest.mark.parametrize(
    ("kind", "cached", "html"),
    [
        (None, "no-cache", "yes"),
        ("text/html; charset=utf-8", "no-cache", "yes"),
        ("Image/PNG", "max-age=60", None),
        ("text/css", "max-age=60", None),
        ("application/json", "no-cache", None),
    ],
)
def test_the_first_rule_of_a_name_that_fits_the_type_counts(
    kind: str | None, cached: str, html: str | None, serve: Serve
) -> None:
    page = Page() if kind is None else Page(("Content-Type", kind))
    reply = serve(ReplyFields(page, RULES)).get()
    assert (reply.get("cache-control"), reply.get("x-html")) == (cached, html)


def test_a_page_knows_better(serve: Serve) -> None:
    page = Page(("cache-control", "private"))
    assert serve(ReplyFields(page, RULES)).get().get("cache-control") == "private"


def test_a_reply_without_a_body_has_what_is_for_all(serve: Serve) -> None:
    reply = serve(ReplyFields(Page(status=304), RULES)).get()
    assert (reply.get("cache-control"), reply.get("x-html")) == ("no-cache", None)


@pytest.mark.parametrize(
    "wrap", [partial(ReplyFields, rules=RULES), partial(Compressed, types=["*"])]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_a_server_behind_tells_no_type_of_is_not_guessed_to_be_a_page(
    wrap: Callable[[Resource], Resource], method: str, serve: Serve
) -> None:
    with Behind() as behind:
        served = serve(wrap(ReverseProxy(behind.endpoint)))
        with served.connect() as client:
            fields = "Host: x\r\nAccept-Encoding: gzip"
            client.send(f"{method} / HTTP/1.1\r\n{fields}\r\n\r\n".encode())
            server = behind.accept()
            server.request()
            server.answer(b"" if method == "HEAD" else b"<script>" * 1000)
            reply = client.reply(head_only=method == "HEAD")
    assert (reply.get("content-type"), reply.get("x-html")) == (None, None)


def test_nor_is_a_file_that_a_page_says_no_type_of(serve: Serve, tmp_path: Path) -> None:
    class Upload(Resource):
        def render_GET(self, request: Request) -> Rendered:
            return Response(FileBody.open(tmp_path / "file"))

    (tmp_path / "file").write_bytes(b"<script>" * 1000)
    for resource in (ReplyFields(Upload(), RULES), Compressed(Upload(), types=["*"])):
        reply = serve(resource).get("/", "Accept-Encoding: gzip")
        assert (reply.get("content-type"), reply.get("x-html")) == (None, None)


def test_errors_have_them_too(serve: Serve) -> None:
    reply = serve(ReplyFields(Page(), RULES)).get("/none")
    assert (reply.status, reply.get("x-html")) == (404, "yes")


@pytest.mark.parametrize(
    ("text", "types", "value"),
    [
        ("no-cache", ("*",), "no-cache"),
        ("max-age=60, public", ("*",), "max-age=60, public"),
        ("text/css=max-age=60", ("text/css",), "max-age=60"),
        ("image/*, font/*=max-age=60", ("image/*", "font/*"), "max-age=60"),
        ("*=no-store", ("*",), "no-store"),
        ("img-src a=b/c", ("*",), "img-src a=b/c"),
    ],
)
def test_a_rule_is_read_from_a_text(text: str, types: tuple[str, ...], value: str) -> None:
    assert FieldRule.parse("X-Rule", text) == FieldRule("X-Rule", value, types)


def test_a_rule_that_could_not_be_sent_is_refused() -> None:
    with pytest.raises(HeaderError):
        FieldRule("X-Bad", "a\r\nb")
    with pytest.raises(HeaderError):
        FieldRule("Content-Length", "7")
    with pytest.raises(FieldRuleError, match="a content type was expected"):
        FieldRule("X-Rule", "a", ("css",))
    with pytest.raises(FieldRuleError, match="a list of types was expected"):
        FieldRule("X-Rule", "a", "text/css")
