"""Hello as a resource of Twisted."""

from twisted.web.http import Request
from twisted.web.resource import Resource


class Hello(Resource):
    """Answers every path alike."""

    isLeaf = True  # noqa: N815 - Twisted's own name

    def render_GET(self, request: Request) -> bytes:
        return b"Hello, world!\n"
