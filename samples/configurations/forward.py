"""A proxy for clients that are told to use one; it leads where it is allowed to, and nowhere else.

``curl --proxy http://127.0.0.1:8080 http://deb.debian.org/``
"""

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.forwardproxy import ForwardProxy
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

root = ForwardProxy(["deb.debian.org:80", "pypi.org:443", "*.pythonhosted.org:443"])

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("forward", services=ServiceCollection([web]))
