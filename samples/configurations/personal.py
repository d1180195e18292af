"""The servers of people: at /servers/ada/, and at ada.people.example."""

from pathlib import Path

from people import PersonalServers, UserHosts

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

servers = PersonalServers()
default = File(Path(__file__).resolve().parents[1] / "site")
default.put_child("servers", servers)
root = UserHosts(default, "people.example", servers)

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("personal", services=ServiceCollection([web]))
