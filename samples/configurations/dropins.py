"""A site that is changed by files put into a folder, and not by editing this one.

Each file in ``dropins``, in the order of their names, defines a function ``add``.
"""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.script import load_module
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

here = Path(__file__).resolve().parent

default = File(here.parent / "pages")
hosts = VirtualHosts(default)
for path in sorted((here / "dropins").glob("*.py")):
    load_module(path).add(hosts, default)

web = WebService(Site(hosts), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("dropins", services=ServiceCollection([web]))
