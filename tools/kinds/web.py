"""``mkapp web``: a web server for a folder, a class of resource, a script, an application."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..kind import Kind
from .weboptions import DEFAULT_LISTEN, OPTIONS

if TYPE_CHECKING:
    from ...app.service import Service


def make(options: Mapping[str, Any]) -> "Service":
    """The web service that `options` describe. Raises a `PerdureError` for what cannot be."""
    from ...app.endpoints import parse_endpoint
    from ...app.web.limits import Limits
    from ...app.web.service import WebService
    from ...app.web.site import Site
    from .webreplies import header
    from .webroot import root

    listen = [*options["listen"], *(f"tcp:{port}:interface=127.0.0.1" for port in options["port"])]
    logfile: Path | None = options["logfile"]
    most: int | None = options["max_body"]
    site = Site(
        root(options),
        log=str(logfile.absolute()) if logfile else None,
        headers=tuple(header(text) for text in options["add_header"]),
        trusted_proxies=options["trusted_proxy"],
        display_tracebacks=options["display_tracebacks"],
        limits=None if most is None else Limits(body=most, upload=most),
    )
    return WebService(site, [parse_endpoint(text) for text in listen or [DEFAULT_LISTEN]])


KIND = Kind(summary="A web server: files, pages, scripts with state.", make=make, options=OPTIONS)
