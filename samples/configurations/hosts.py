"""Several sites at one address, told apart by the host that is asked for."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.script import ResourceScript
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

samples = Path(__file__).resolve().parents[1]

root = VirtualHosts(default=File(samples / "site"))
root.add_host("harbour.example", File(samples / "hosts/harbour.example"))

# The people of this one want scripts, and addresses that do not tell.
weather = File(
    samples / "hosts/weather.example",
    processors={".rpy": ResourceScript},
    ignored_extensions=[".rpy"],
    index_names=["now.rpy"],
)
root.add_host("weather.example", weather)

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("hosts", services=ServiceCollection([web]))
