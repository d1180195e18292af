"""The sample site, put together by hand: ``rundaemon -n -y samples/config.py``.

What `mkapp` builds from its options is here made of objects, with two that it does not know: a
service that is no web server, and a page that is no file.
"""

import asyncio
from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.service import Service
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import DEFAULT_PROCESSORS, File


class Blasts:
    """How often the foghorn has sounded, in all its runs."""

    def __init__(self) -> None:
        self.count = 0


class Foghorn(Service):
    """Sounds every so many seconds.

    What it remembers is a component, found in the registry when it runs: this file is
    run again at every start, but the registry has the newest state.
    """

    def __init__(self, pause: float) -> None:
        super().__init__(name="foghorn")
        self.pause = pause

    async def run(self) -> None:
        blasts = self.application.registry.get_component(Blasts, default=Blasts)
        while True:
            blasts.count += 1
            await asyncio.sleep(self.pause)


class FoghornPage(Resource):
    """Says how often the foghorn has sounded."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        blasts = request.registry.get_component(Blasts, default=Blasts)
        return f"<p>The foghorn has sounded {blasts.count} times.</p>\n"


root = File(Path(__file__).resolve().parent / "site", processors=DEFAULT_PROCESSORS)
root.put_child("foghorn", FoghornPage())
web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("lighthouse", services=ServiceCollection([web, Foghorn(pause=15.0)]))
