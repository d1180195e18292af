"""Servers behind this one."""

from pathlib import Path

from perdure.app.web.proxy.forwardproxy import ForwardProxy
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import UpstreamLimits
from perdure.app.web.resource import ErrorPage

from .case import KindCase


def _proxy(folder: Path) -> ReverseProxy:
    return ReverseProxy(f"unix:{folder}/app.sock", "/base", limits=UpstreamLimits(connections=2))


def _forward(_folder: Path) -> ForwardProxy:
    return ForwardProxy(["*.example.org:80", "[::1]:*"], ErrorPage(404), private=["::1/128"])


CASES = (
    KindCase(ReverseProxy, _proxy, "cannot be reached", status=502),
    KindCase(
        ForwardProxy,
        _forward,
        "does not lead there",
        ("GET http://example.com/ HTTP/1.1",),
        status=403,
    ),
)
