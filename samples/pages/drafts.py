"""A page that is still being written."""

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Draft(Resource):
    def render_GET(self, request: Request) -> str:
        return "<p>The first draft.</p>\n"
