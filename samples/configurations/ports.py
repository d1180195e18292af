"""A site at every address that a file names: it can be changed by who knows no Python."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

here = Path(__file__).resolve().parent

endpoints = [parse_endpoint(line) for line in (here / "ports.txt").read_text().split()]
site = Site(File(here.parent / "site"))
application = Application("ports", services=ServiceCollection([WebService(site, endpoints)]))
