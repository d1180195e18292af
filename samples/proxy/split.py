"""A site of which one part comes from another server, under the same name there as here."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import DEFAULT_PROCESSORS, File

root = File(Path(__file__).parents[1] / "site", processors=DEFAULT_PROCESSORS)
root.put_child("foo", ReverseProxy("tcp:81:interface=localhost", "/foo/"))

application = Application("split")
application.services = ServiceCollection(
    [WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")])]
)
