"""Servers that people run themselves, each at a socket at home, shown by the server of them all.

Somebody's own server is one of the user's, with the rights of the user and none of ours::

    rundaemon web --path public --listen unix:$HOME/.perdure-web.sock:mode=666
"""

import os
import stat

from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.request import Request
from perdure.app.web.resource import ErrorPage, Resource, Wrapper
from perdure.app.web.routing.hosts import asked_host
from perdure.app.web.routing.userfolder import Accounts, SystemAccounts
from perdure.persist.persistent import persistent

SOCKET = ".perdure-web.sock"


@persistent(transient=("_servers",))
class PersonalServers(Resource):
    """Below it, ``name/`` is what the server of the user `name` answers."""

    _servers: dict[str, ReverseProxy] | None = None

    def __init__(self, accounts: Accounts | None = None) -> None:
        self.accounts = SystemAccounts() if accounts is None else accounts

    def get_child(self, segment: str, request: Request) -> Resource:
        return self.server(segment) or ErrorPage(404, "Nobody of that name has a server here.")

    def server(self, name: str) -> Resource | None:
        """What leads to the server of `name`, if there is such a user, who has put a socket there."""
        account = self.accounts.find(name)
        if account is None:
            return None
        path = os.path.join(account.home, SOCKET)
        try:
            status = os.lstat(path)
        except OSError:
            return None
        # Not a link: it could lead to a socket that we may use and its maker may not.
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != account.uid:
            return None
        if self._servers is None:
            self._servers = {}
        if path not in self._servers:
            self._servers[path] = ReverseProxy(f"unix:{path.replace(':', chr(92) + ':')}")
        return self._servers[path]

    async def close(self) -> None:
        for server in (self._servers or {}).values():
            await server.close()


class UserHosts(Wrapper):
    """``name.example.org`` is the server of the user `name`; any other host is `default`."""

    def __init__(self, default: Resource, domain: str, servers: PersonalServers) -> None:
        self.default = default
        self.domain = domain
        self.servers = servers

    def enter(self, request: Request) -> Resource:
        name, _, domain = asked_host(request).partition(".")
        if domain != self.domain:
            return self.default
        return self.servers.server(name) or ErrorPage(404, f"The user {name} has no server here.")
