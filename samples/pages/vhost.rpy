# For a proxy in front that can do no more than lead to another address: what it sends to
# /vhost.rpy/https/example.org:443/ is answered as by https://example.org/. It believes whoever gets
# here, so let nobody but the proxy reach this server.
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource, Wrapper
from perdure.app.web.routing.hosts import VHostMonster


class Top(Wrapper):
    """The site that this script is in, from its root on: hosts, guards and all."""

    def enter(self, request: Request) -> Resource:
        return request.root


resource = VHostMonster(Top())
