"""What makes ``mkapp banners`` build a server of banners."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from banners import BannerSite

from perdure.app.endpoints import parse_endpoint
from perdure.app.service import Service
from perdure.app.web.auth.htpasswd import HtpasswdFile
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.tools.kind import Kind


def make(options: Mapping[str, Any]) -> Service:
    """The service that `options` describe."""
    users: Path | None = options["users"]
    root = BannerSite(None if users is None else HtpasswdFile(str(users.absolute())))
    # Behind a server that shows it at its own address, that one knows who asks.
    site = Site(root, trusted_proxies=options["trusted_proxy"])
    return WebService(site, [parse_endpoint(options["listen"])])


KIND = Kind(
    summary="Banners that take turns.",
    options=(
        click.Option(
            ["--users"],
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Who may put up banners, as 'htpasswd -B' writes it.",
        ),
        click.Option(
            ["--listen"],
            default="tcp:8080:interface=127.0.0.1",
            show_default=True,
            metavar="ENDPOINT",
            help="Where to listen.",
        ),
        click.Option(
            ["--trusted-proxy"],
            multiple=True,
            metavar="ADDRESS",
            help="Believe Forwarded and X-Forwarded-* from this address, network, or unix.",
        ),
    ),
    make=make,
)
