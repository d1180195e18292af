import pickle
import time

from archive import Archive

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource


class Library(Resource):
    """`?make=N` makes the state; `?pickle=1` takes it as bytes, here and now; both tell seconds."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        begun = time.perf_counter()
        if "make" in request.args:
            count = int(request.args["make"])
            registry.set_component(Archive, Archive(count))
        elif "pickle" in request.args:
            pickle.dumps(registry.get_component(Archive), 5)
        return str(time.perf_counter() - begun)


resource = Library()
