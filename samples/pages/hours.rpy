# A whole site: mkapp web --resource-script samples/pages/hours.rpy. Without put_child only its root
# would answer.
from datetime import UTC, datetime

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response


class Hours(Resource):
    def render_GET(self, request: Request) -> Response:
        place = "/" + "/".join(request.prepath)
        text = f"It is {datetime.now(UTC):%H:%M} (UTC) at {place}\n"
        headers = [("Content-Type", "text/plain"), ("Cache-Control", "no-cache")]
        return Response(text, headers=headers)


resource = Hours()
resource.put_child("tower", Hours())
