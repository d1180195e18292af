"""A WSGI application, as the root of a site."""

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.gateways.wsgi import WSGIApplication
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

# It is named and not given: a function of this file could not be found again by the next run. Its
# threads are begun with the server, and end with it.
root = WSGIApplication("almanac:application", threads=4)

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("wsgi", services=ServiceCollection([web]))
