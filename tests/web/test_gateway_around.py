"""What stands around a page stands around an application as well."""

import zlib

import httpx2
import pytest

from perdure.app.web.replies.compression import Compressed
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
