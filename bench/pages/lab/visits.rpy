from remembered import Visits

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Page(Resource):
    """Counts for each visitor, who is known by a session."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        visits = request.session.get_component(Visits, default=Visits)
        if not request.args.get("look"):
            visits.value += 1
        return str(visits.value)


resource = Page()
