from collections.abc import AsyncIterator

from remembered import Steps

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

steps = registry.get_component(Steps, default=Steps)


class Stairs(Resource):
    """A reply in three pieces, each of which tells of a change."""

    is_leaf = True

    async def render_GET(self, request: Request) -> AsyncIterator[str]:
        for _ in range(3):
            steps.value += 1
            yield f"{steps.value} "


resource = Stairs()
