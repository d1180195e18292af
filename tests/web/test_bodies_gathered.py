"""Many who send large bodies, and do not come to an end: what is kept of them all is bounded."""

import pytest

from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Connection, Serve, Served
from .test_forms import part

LIMITS = Limits(body=200_000, bodies=300_000, buffer=10_000, form_text=200_000)
SENT = part("a", bytes(119_900))
REST = b"--B--\r\n"


class Reading(Resource):
    is_leaf = True

    async def render_POST(self, request: Request) -> str:
        if request.path == "/form":
            return f"{len((await request.form()).fields)} fields"
        return f"{len(await request.read())} bytes"


def begun(served: Served, path: str) -> Connection:
    """One who sends all but the end."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: multipart/form-data; boundary=B"]
    lines += [f"Content-Length: {len(SENT) + len(REST)}", "", ""]
    client = served.connect()
    client.send("\r\n".join(lines).encode() + SENT)
    return client


def gathers(served: Served, size: int) -> None:
    """Returns when the server has gathered that much, but for what may be under way."""
    served.arrive(lambda: size - 10_000 < served.server.gathered <= size)


@pytest.mark.parametrize("path", ["/form", "/read"])
def test_bodies_that_are_too_much_together_are_refused(serve: Serve, path: str) -> None:
    served = serve(Reading(), limits=LIMITS)
    each = len(SENT) - LIMITS.buffer
    with begun(served, path) as first:
        gathers(served, each)
        with begun(served, path):
            gathers(served, 2 * each)
            with begun(served, path) as third:
                reply = third.reply()
            assert (reply.status, reply.get("retry-after")) == (503, "1")
            # A body of the usual size is none of it.
            with served.connect() as client:
                small = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
                assert client.ask(small + bytes(9000)).body == b"9000 bytes"
        gathers(served, each)
        with begun(served, path) as fourth:
            gathers(served, 2 * each)
            for client in (first, fourth):
                client.send(REST)
                assert client.reply().status == 200
    served.arrive(lambda: served.server.gathered == 0)


def test_one_may_have_as_much_as_a_body_may(serve: Serve) -> None:
    served = serve(Reading(), limits=Limits(body=200_000, bodies=0))
    with served.connect() as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
        assert client.ask(head + bytes(200_000)).body == b"200000 bytes"
    assert served.call(lambda: served.server.gathered) == 0
