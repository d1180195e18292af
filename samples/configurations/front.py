"""A server in front, which tells the one behind by the address what it was asked for.

The one behind: ``rundaemon web --path samples/pages --listen unix:inner.sock``. Two servers that are
both Perdure have a better way: ``--trusted-proxy unix`` there, and no ``vhost.rpy``.
"""

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

NAME = "harbour.example"

root = VirtualHosts()
root.add_host(NAME, ReverseProxy("unix:inner.sock", f"/vhost.rpy/https/{NAME}:443/"))

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("front", services=ServiceCollection([web]))
