"""One of two servers that have a site each, and show both: the other is ``ping.py``."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import DEFAULT_PROCESSORS, File

weather = File(
    Path(__file__).resolve().parents[1] / "hosts/weather.example",
    processors=DEFAULT_PROCESSORS,
    index_names=["now.rpy"],
)

root = VirtualHosts(default=ReverseProxy("unix:ping.sock"))
root.add_host("weather.example", weather)

public = WebService(Site(root), [parse_endpoint("tcp:8081:interface=127.0.0.1")], name="public")
shared = WebService(Site(weather), [parse_endpoint("unix:pong.sock:mode=600")], name="shared")
application = Application("pong", services=ServiceCollection([public, shared]))
