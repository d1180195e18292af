# A tree of pages that each know where they stand: /tree.rpy/, /tree.rpy/north, /tree.rpy/any/other.
from html import escape

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Place(Resource):
    def get_child(self, segment: str, request: Request) -> Resource:
        # A trailing slash names the place itself; anything else is a place as well.
        return Place() if segment else self

    def render_GET(self, request: Request) -> str:
        return f"<p>You are at {escape('/' + '/'.join(request.prepath))}.</p>\n"


class Mast(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return f"<p>The mast does not look at {escape('/'.join(request.postpath))}.</p>\n"


resource = Place()
resource.put_child("north", Mast())
