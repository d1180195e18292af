"""A server of nothing but banners: ``rundaemon -y samples/banners/standalone.py``."""

from banners import BannerSite

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

site = Site(BannerSite())
web = WebService(site, [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("banners", services=ServiceCollection([web]))
