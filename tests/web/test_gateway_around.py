"""What stands around a page stands around an application as well."""

import zlib

import httpx2
import pytest

from perdure.app.web.replies.compression import Compressed
from perdure.app.web.replies.replyfields import FieldRule, ReplyFields
from perdure.app.web.resource import Resource

from ..paper import Paper
from . import asgiapps, wsgiapps
from .conftest import Serve

TEXT = b"many words and more " * 1000
PIECES = (TEXT, b"", TEXT)


def tree() -> Resource:
    root = Resource()
    for name, pieces in (("whole", (TEXT,)), ("pieces", PIECES)):
        plain = [(b"content-type", b"text/plain"), (b"etag", b'"a"')]
        root.put_child(f"asgi-{name}", asgiapps.gateway(asgiapps.says(*pieces, fields=plain)))
        fields = [("Content-Type", "text/plain"), ("ETag", '"a"')]
        root.put_child(f"wsgi-{name}", wsgiapps.gateway(wsgiapps.says(*pieces, fields=fields)))
    return root


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("name", ["whole", "pieces"])
def test_replies_are_compressed(serve: Serve, kind: str, name: str) -> None:
    served = serve(Compressed(tree(), codings=("gzip",)), journal=Paper())
    with httpx2.Client() as client:
        for _ in range(2):
            reply = client.get(served.url(f"/{kind}-{name}"), headers={"Accept-Encoding": "gzip"})
            assert reply.headers["content-encoding"] == "gzip"
            assert reply.content == TEXT * (1 if name == "whole" else 2)
    raw = served.get(f"/{kind}-{name}", "Accept-Encoding: gzip").body
    assert zlib.decompress(raw, wbits=31).count(TEXT) == (1 if name == "whole" else 2)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("name", ["whole", "pieces"])
def test_a_head_has_no_body_and_frees_whoever_made_one(serve: Serve, kind: str, name: str) -> None:
    served = serve(Compressed(tree(), codings=("gzip",)), journal=Paper())
    for _ in range(10):
        reply = served.get(f"/{kind}-{name}", "Accept-Encoding: gzip", method="HEAD")
        assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_an_application_tells_no_type_of_is_not_guessed_to_be_a_page(
    serve: Serve, kind: str, method: str
) -> None:
    root = Resource()
    root.put_child("asgi", asgiapps.gateway(asgiapps.says(TEXT, fields=[])))
    root.put_child("wsgi", wsgiapps.gateway(wsgiapps.says(TEXT, fields=[])))
    guess = FieldRule("X-Html", "yes", ["text/html"])
    for around in (ReplyFields(root, [guess]), Compressed(root, types=["*"])):
        reply = serve(around).get(f"/{kind}", "Accept-Encoding: gzip", method=method)
        assert (reply.get("content-type"), reply.get("x-html")) == (None, None)
