import json

import harbour
import neutral

from perdure.app.web.resource import Resource


class Page(Resource):
    def render_GET(self, request):
        step = request.query
        if step:
            getattr(harbour, step)(registry, request)
            return "done"
        return json.dumps(neutral.registry(registry))


resource = Page()
