import probe

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Stall(Resource):
    """Seconds that the loop stood still at the longest, since this was asked last."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return str(probe.started().take())


resource = Stall()
