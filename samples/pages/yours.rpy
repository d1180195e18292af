# How often this visitor was here, whoever else was.
from collections import Counter

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Yours(Resource):
    def render_GET(self, request: Request) -> str:
        visits = request.session.get_component(Counter, default=Counter)
        visits["yours"] += 1
        return f"<p>This is your visit number {visits['yours']}.</p>\n"


resource = Yours()
