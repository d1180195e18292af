from time import time

from remembered import Bell

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

bell = registry.get_component(Bell, default=Bell)


class Page(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        if number := request.args.get("number"):
            registry.alarms.at(time() + float(request.args["in"]), bell, "ring", number)
            return "set"
        if request.args.get("forget"):
            bell.rung.clear()
        rung = " ".join(f"{number}:{times}" for number, times in bell.rung.items())
        return f"{len(registry.alarms)} {rung}"


resource = Page()
