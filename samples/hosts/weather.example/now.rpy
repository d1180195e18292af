from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Weather(Resource):
    def render_GET(self, request: Request) -> str:
        return "<p>Wind from the west, light.</p>\n"


resource = Weather()
