"""The smallest site: one page at every address. ``rundaemon -y samples/configurations/hello.py``."""

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site


class Simple(Resource):
    """Answers at its own place, and below."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return "<!doctype html>\n<title>Ahoy</title>\n<p>Ahoy!</p>\n"


web = WebService(Site(Simple()), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("hello", services=ServiceCollection([web]))
