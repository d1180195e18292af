"""A resource whose answers come from another server."""

import asyncio
import logging
import os
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ....persist.persistent import persistent
from ...certificates import CertificateError, client_context
from ...endpoints import Endpoint, TCPEndpoint, TLSEndpoint, parse_endpoint
from ..errors import error_page
from ..resource import Rendered, Resource
from ..upgrade import Upgrade
from .gatewayerror import BadAnswerError, GatewayError
from .passing import asked, passage, passed_answer
from .proxyfields import (
    ALLOWED,
    as_pairs,
    becomes_websocket,
    checked_host,
    forwarded,
    passed_back,
    passed_on,
    via,
    wants_websocket,
)
from .proxyplace import Places, mount_of, target_of
from .upstream import Pool, UpstreamLimits

if TYPE_CHECKING:
    from ..request import Request
    from .answerhead import AnswerHead
    from .exchange import Exchange

_PREFIX: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_UPGRADE: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"

_report = logging.getLogger("perdure.web")


@attrs.define(str=False)
class ProxyError(PerdureError):
    """A proxy cannot be made with this. `value` is what was given, `reason` what was expected."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    value: str
    reason: str

    def __str__(self) -> str:
        return f"proxy: {self.value!r}: {self.reason}"


@persistent(transient=("_pool",))
class ReverseProxy(Resource):
    """Passes each request that comes here or below on to the server at `upstream`, and its answer back.

    `upstream` is an endpoint (``tcp:81:interface=localhost``, ``unix:/run/app.sock``,
    ``tls:443:interface=example.org``, whose certificate is checked against the system's authorities
    or those in the PEM file `authorities`). What is left of the path is asked for below `prefix`.
    The server is told the Host that the client named, or `host`; where a request came from is in
    Forwarded and X-Forwarded-For, -Host and -Proto, whatever the client said of itself there.

    Bodies flow in both directions as they come and as fast as the slower side takes them. Upgrades to
    WebSocket are passed through, others are not. A request of an idempotent method without a body in
    flight is asked once more if a kept connection turned out to be closed. What the server answers
    has to be one unmistakable message: otherwise the client gets 502, or if the answer has begun, its
    connection is cut. Server and Date are ours.

    Raises `EndpointError` and `ProxyError` when made.
    """

    is_leaf = True
    tells_state: ClassVar[bool] = False

    _pool: Pool | None = None

    def __init__(
        self,
        upstream: str,
        prefix: str = "/",
        *,
        host: str | None = None,
        authorities: str | None = None,
        limits: UpstreamLimits | None = None,
    ) -> None:
        parse_endpoint(upstream)
        if not _PREFIX.fullmatch(prefix):
            raise ProxyError(prefix, "a prefix is an escaped path that begins with a slash")
        if host is not None and not _HOST.fullmatch(host):
            raise ProxyError(host, "a host is a name or an address, perhaps with a port")
        self.upstream = upstream
        self.prefix = prefix if prefix.endswith("/") else prefix + "/"
        self.host = host
        self.authorities = authorities
        self.limits = limits

    def check(self) -> None:
        """Reads the authorities, so that they are found to be unusable at the start.

        Raises `CertificateError`.
        """
        self._context(parse_endpoint(self.upstream))

    async def close(self) -> None:
        """Closes the connections that are kept."""
        if self._pool is not None:
            self._pool.close()

    def render(self, request: "Request") -> Rendered:
        if request.method == "TRACE":
            # It would show a client what we tell the server behind.
            return error_page(405, headers=[("Allow", ALLOWED)])
        return self._passed(request)

    async def _passed(self, request: "Request") -> Rendered:
        pool = self._pool
        if pool is None or pool.loop is not asyncio.get_running_loop():
            pool = self._pool = self._new_pool()
        public = checked_host(request)
        upgrades = wants_websocket(request)
        head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%b%b" % (
            request.method.encode(),
            target_of(request, self.prefix).encode("ascii"),
            (self.host or public).encode("ascii"),
            forwarded(request.client, request.secure, public),
            passed_on(request),
            via(request.version),
            _UPGRADE if upgrades else b"",
        )
        try:
            if upgrades:
                pool.check_tunnels()
            exchange, answer = await asked(request, pool, head)
            if answer.status == 101:
                return self._tunnel(pool, exchange, answer, upgrades)
        except GatewayError as error:
            line = request.head.line.decode("latin-1")
            _report.error("%s from %s: %s: %s", line, request.client, self.upstream, error)
            raise
        fields = passed_back(answer)
        if b"location:" in fields.lower():
            fields = self._places(request, public).rewritten(fields)
        return passed_answer(exchange, answer, fields)

    def _tunnel(
        self, pool: Pool, exchange: "Exchange", answer: "AnswerHead", wanted: bool
    ) -> Upgrade:
        try:
            if not wanted or not becomes_websocket(answer):
                raise BadAnswerError("it changed to a protocol that nobody asked for")
            pool.check_tunnels()  # There may be others since this was asked for.
        except GatewayError:
            exchange.abandon()
            raise
        fields = [("Upgrade", "websocket"), *as_pairs(passed_back(answer))]
        return Upgrade(passage(pool, exchange), fields)

    def _new_pool(self) -> Pool:
        endpoint = parse_endpoint(self.upstream)
        return Pool(endpoint, self.limits or UpstreamLimits(), self._context(endpoint))

    def _context(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        if not isinstance(endpoint, TLSEndpoint):
            return None
        if self.authorities is None:
            return client_context()
        try:
            return client_context(Path(self.authorities))
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = "give a readable PEM file with the authorities to trust"
            raise CertificateError(self.upstream, self.authorities, reason, remedy) from None

    def _places(self, request: "Request", public: str) -> Places:
        endpoint = parse_endpoint(self.upstream)
        names: set[str] = set()
        if isinstance(endpoint, TCPEndpoint | TLSEndpoint):
            host = (endpoint.interface or "localhost").lower()
            host = f"[{host}]" if ":" in host else host
            names = {f"{host}:{endpoint.port}"}
            if endpoint.port == (443 if isinstance(endpoint, TLSEndpoint) else 80):
                names.add(host)
        if self.host is not None:
            names.add(self.host.lower())
        public = public.lower()
        return Places(self.prefix, mount_of(request), frozenset(names - {public}), public)
