"""Banners for another server, which asks for them at a socket; ``shown.rpy`` is how."""

from banners import BannerSite

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

site = Site(BannerSite(), trusted_proxies=["unix"])
web = WebService(site, [parse_endpoint("unix:banners.sock:mode=600")], name="web")
application = Application("published", services=ServiceCollection([web]))
