"""Servers behind this one."""

from pathlib import Path

from perdure.app.web.reverseproxy import ReverseProxy
from perdure.app.web.upstream import UpstreamLimits

from .case import KindCase


def _proxy(folder: Path) -> ReverseProxy:
    return ReverseProxy(f"unix:{folder}/app.sock", "/base", limits=UpstreamLimits(connections=2))


CASES = (KindCase(ReverseProxy, _proxy, "cannot be reached", status=502),)
