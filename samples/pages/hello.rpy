from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Hello(Resource):
    def render_GET(self, request: Request) -> str:
        return "<!doctype html>\n<title>Ahoy</title>\n<p>Ahoy from the skerry!</p>\n"


resource = Hello()
