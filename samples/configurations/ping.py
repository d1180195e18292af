"""One of two servers that have a site each, and show both: the other is ``pong.py``."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

harbour = File(Path(__file__).resolve().parents[1] / "hosts/harbour.example")

root = VirtualHosts(default=harbour)
root.add_host("harbour.example", harbour)
root.add_host("weather.example", ReverseProxy("unix:pong.sock"))

public = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="public")
# The other server asks for this site alone: not for the hosts, or each could ask the other for ever.
shared = WebService(Site(harbour), [parse_endpoint("unix:ping.sock:mode=600")], name="shared")
application = Application("ping", services=ServiceCollection([public, shared]))
