from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Total(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        values = (each.value for each in registry.components.values() if hasattr(each, "value"))
        return f"<p>{sum(values)}</p>\n"


resource = Total()
