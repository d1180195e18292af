from remembered import Left, Right

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

left = registry.get_component(Left, default=Left)
right = registry.get_component(Right, default=Right)


class Pair(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        left.value += 1
        right.value += 1
        return f"{left.value} {right.value}"


resource = Pair()
