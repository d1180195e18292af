"""Virtual hosts: several sites at one address, told apart by the name that the client asked for."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import HTTPError
from ..hostname import HostError, host_name, written_name
from ..resource import ErrorPage, Resource, Wrapper

if TYPE_CHECKING:
    from ..request import Request

_SCHEMES = {"http": False, "https": True}


def asked_host(request: "Request") -> str:
    """The name of the host that `request` is for, see `host_name`; empty if the client told none.

    Raises `HTTPError` (400) for what is no host (RFC 9112, 3.2).
    """
    host = request.host
    if not host:
        return ""
    name = host_name(host)
    if name is None:
        raise HTTPError(400, "The Host of the request is neither a name nor an address.")
    return name


def unknown_host(name: str) -> Resource:
    """The page for a host that is not here."""
    if not name:
        return ErrorPage(404, "This server has several sites, and the request names none.")
    return ErrorPage(404, f"There is no site named {name} here.")


class VirtualHosts(Wrapper):
    """In one place a resource for each host, chosen by the host that the client names.

    ``*.example.org`` stands for all hosts below ``example.org``, at any depth, that have no resource of their
    own; of several such names the longest counts. `default` answers for all others and for requests
    that name no host; without it those are answered 404.

    What a client calls the host is a claim and no proof: whoever reaches this server reaches each of
    its hosts. Raises `HostError` for what is no name.
    """

    def __init__(
        self, default: Resource | None = None, hosts: Mapping[str, Resource] | None = None
    ) -> None:
        self.default = default
        self.hosts: dict[str, Resource] = {}
        for name, resource in (hosts or {}).items():
            self.add_host(name, resource)

    def add_host(self, name: str, resource: Resource) -> None:
        """Let `resource` answer for the host `name`, in place of what did before.

        Case and a dot at the end do not matter; letters outside of ASCII are the same as the form
        that browsers send for them (``xn--``). The port is not part of a name.
        """
        self.hosts[_pattern(name)] = resource

    def remove_host(self, name: str) -> None:
        """The end of `add_host`. Raises `HostError` if there is no such host."""
        if self.hosts.pop(_pattern(name), None) is None:
            raise HostError(name, "there is no such host to remove")

    def enter(self, request: "Request") -> Resource:
        name = asked_host(request)
        found = self.hosts.get(name)
        if found is None and name[:1] != "[":
            below = name
            while found is None and below:
                below = below.partition(".")[2]
                found = self.hosts.get(f"*.{below}")
        if found is None:
            found = self.default
        return unknown_host(name) if found is None else found

    def parts(self) -> Iterable[Resource]:
        if self.default is not None:
            yield self.default
        yield from self.hosts.values()


class VHostMonster(Wrapper):
    """Lets a proxy in front tell the address that the client has asked for, by the path.

    Where this stands, ``/http/HOST:PORT/rest`` and ``/https/HOST:PORT/rest`` are answered as if
    ``/rest`` had been asked for at that host, by TLS or not: host, scheme and path of the request
    are as the client knows them, and so are redirects. The whole site answers, with its hosts and
    guards; or `wrapped` alone, and then no guard of the site stands before that.

    It trusts whoever reaches it: let only the proxy do so, by an endpoint of its own or by an
    address that it publishes to nobody. Anything else at this place is answered 404.
    """

    def __init__(self, wrapped: Resource | None = None) -> None:
        self.wrapped = wrapped

    def enter(self, request: "Request") -> Resource:
        postpath = request.postpath
        if len(postpath) < 3 or postpath[0] not in _SCHEMES or host_name(postpath[1]) is None:
            raise HTTPError(404)
        scheme, request.host, *rest = postpath
        request.secure = _SCHEMES[scheme]
        request.head = request.head.moved("/" + "/".join(quote(each, safe="") for each in rest))
        request.prepath.clear()
        postpath[:] = rest
        inner = request.root if self.wrapped is None else self.wrapped
        if inner is None:
            raise HTTPError(404)  # a walk that no site has begun
        return inner


def _pattern(name: str) -> str:
    if name.startswith("*."):
        return "*." + written_name(name[2:])
    return written_name(name)
