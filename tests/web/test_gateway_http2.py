"""Applications of other protocols, for a client that speaks HTTP/2."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from perdure.app.web.resource import Resource

from ..paper import Paper
from . import asgiapps, wsgiapps
from .asgiapps import Message, Receive, Send
from .conftest import Serve, contexts
from .http2client import Client, request

PIECES = (b"one " * 5000, b"two " * 5000, b"three")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("place", ["asgi", "wsgi"])
def test_what_comes_in_pieces_is_the_same(
    serve: Serve, tmp_path: Path, place: str, version: str
) -> None:
    root = Resource()
    root.put_child("asgi", asgiapps.gateway(asgiapps.says(*PIECES)))
    root.put_child("wsgi", wsgiapps.gateway(wsgiapps.says(*PIECES)))
    served = serve(root, ssl_context=contexts(tmp_path)[0], journal=Paper())
    command = ["curl", "-sS", "--fail", version, "--cacert", str(tmp_path / "both.pem")]
    url = served.url(f"/{place}").replace("127.0.0.1", "localhost")
    write = ["-w", " %{http_version}"]
    done = subprocess.run([*command, *write, url], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"".join(PIECES) + (b" 2" if version == "--http2" else b" 1.1")


def test_who_reads_on_behind_the_reply_is_told_that_nothing_comes(
    serve: Serve, tmp_path: Path
) -> None:
    notes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await asgiapps.says(b"fine")(scope, receive, send)
        notes.append(await waiting)

    ours, theirs = contexts(tmp_path)
    served = serve(asgiapps.gateway(app), ssl_context=ours)
    with Client(served, theirs) as client:
        number = client.ask(request("POST"), ends=False)
        assert client.answer(number).body == b"fine"
        served.arrive(lambda: notes == [{"type": "http.disconnect"}])
        client.upload(number, b"the rest")
        assert client.get(request()).body == b"fine"
