"""A site: a tree of resources and how it is published."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from .forwarded import TrustedProxies
from .limits import Limits
from .resource import Resource
from .response import common_header_line

if TYPE_CHECKING:
    from ..application import Application

_log = logging.getLogger("perdure.web")

Fields = tuple[tuple[str, str], ...]


def _as_fields(pairs: Iterable[tuple[str, str]]) -> Fields:
    return tuple((name, value) for name, value in pairs)


def _as_texts(texts: Iterable[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


@attrs.define
class Site:
    """What a web service publishes; part of an application and saved with it.

    `resource` is the root. `log` is the file of the access log, or None. `headers` are sent with
    every reply; one named Server replaces ours. `display_tracebacks` shows strangers the
    insides of errors: for development. Without `limits` they are those of the version that runs.

    `trusted_proxies` are the addresses and networks, or ``unix`` for all who come by a UNIX socket,
    that are believed when they tell by ``Forwarded`` or ``X-Forwarded-*`` whom they speak for: the
    client, whether it came by TLS, and the host it asked for. From all others these fields mean nothing.

    Raises `HeaderError` for a field that cannot be sent, `TrustedProxyError` for what is no address.

    Connections and open files are not here but in the `HTTPServer` that serves the site.
    """

    resource: Resource
    log: str | None = attrs.field(default=None, kw_only=True)
    headers: Fields = attrs.field(default=(), kw_only=True, converter=_as_fields)
    display_tracebacks: bool = attrs.field(default=False, kw_only=True)
    limits: Limits | None = attrs.field(default=None, kw_only=True)
    trusted_proxies: tuple[str, ...] = attrs.field(default=(), kw_only=True, converter=_as_texts)

    def __attrs_post_init__(self) -> None:
        self.head_fields()
        self.proxies()

    def proxies(self) -> TrustedProxies | None:
        """Those that are believed, or None if nobody is."""
        return TrustedProxies.parse(self.trusted_proxies) if self.trusted_proxies else None

    def head_fields(self) -> bytes:
        """The fields of every reply, as they go on the wire."""
        lines = [common_header_line(name, value) for name, value in self.headers]
        if not any(name.lower() == "server" for name, _ in self.headers):
            lines.insert(0, b"Server: perdure\r\n")
        return b"".join(lines)

    def resources(self) -> Iterator[Resource]:
        """Every resource that the tree was built of, each once, from the root on."""
        waiting: list[Resource] = [self.resource]
        seen: set[int] = set()
        while waiting:
            resource = waiting.pop()
            # A resource may lead back to one above it, or to itself.
            if id(resource) not in seen:
                seen.add(id(resource))
                yield resource
                waiting += resource.parts()

    def check(self) -> None:
        """Has every resource that the tree was built of check itself, see `Resource.check`."""
        for resource in self.resources():
            resource.check()

    async def open(self, application: "Application") -> list[Resource]:
        """Has each get ready, see `Resource.open`, and gives them, to be closed with `close_all`.

        Once is once: the tree may be another by then. If one raises, those before it are closed.
        """
        opened: list[Resource] = []
        try:
            for resource in self.resources():
                opened.append(resource)
                await resource.open(application)
        except BaseException:
            await close_all(opened)
            raise
        return opened

    async def quiesce(self) -> None:
        """Returns when all have come to rest, see `Resource.quiesce`."""
        await asyncio.gather(*(resource.quiesce() for resource in self.resources()))


async def close_all(opened: Sequence[Resource]) -> None:
    """Has each of what `Site.open` gave let go of what it got, in reverse."""
    for resource in reversed(opened):
        try:
            await resource.close()
        except Exception as error:  # noqa: BLE001 - the others are to be closed as well
            _log.error("%s could not be closed: %s", type(resource).__name__, error, exc_info=error)
