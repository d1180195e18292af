"""Hello as a resource of Perdure: what `--class hello.Hello` names."""

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Hello(Resource):
    """Answers every path alike."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return "Hello, world!\n"
