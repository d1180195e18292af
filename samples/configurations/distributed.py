"""A site in two parts: one is reached by everybody, the other by the first, at a socket.

Both are in one process here. The second can be taken out of it, into one of another user or on another
machine, and nothing changes for anybody.
"""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

inner = WebService(
    # The proxy tells who asks; this one believes whoever comes by the socket.
    Site(File(Path(__file__).resolve().parents[1] / "site"), trusted_proxies=["unix"]),
    [parse_endpoint("unix:inner.sock:mode=600")],
    name="inner",
)
outer = WebService(
    Site(ReverseProxy("unix:inner.sock")),
    [parse_endpoint("tcp:8080:interface=127.0.0.1")],
    name="outer",
)
application = Application("distributed", services=ServiceCollection([inner, outer]))
