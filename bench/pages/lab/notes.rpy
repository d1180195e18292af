from remembered import Note

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Page(Resource):
    """Named components that come and go."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        name = request.args["client"]
        if serial := request.args.get("make"):
            registry.set_component(Note, Note(serial), name=name)
        elif request.args.get("remove") and registry.get_component(Note, name=name):
            registry.remove_component(Note, name=name)
        note = registry.get_component(Note, name=name)
        return "none" if note is None else note.serial


resource = Page()
