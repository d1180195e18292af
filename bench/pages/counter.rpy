from tally import Tally

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

tally = registry.get_component(Tally, default=Tally)


class Counter(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        tally.value += 1
        return f"<p>You are visitor {tally.value}.</p>\n"


resource = Counter()
