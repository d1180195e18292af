"""What ``mkapp web`` makes of its options, in this process."""

from collections.abc import Generator
from contextlib import contextmanager

import click

from perdure.app.web.service import WebService
from perdure.tools.kinds.web import KIND

from ..web.conftest import Reply, Served


def made(*words: object) -> WebService:
    """The service for these words of a command line."""
    command = click.Command("web", params=list(KIND.options))
    context = command.make_context("web", [str(word) for word in words])
    service = KIND.make(context.params)
    assert isinstance(service, WebService)
    return service


@contextmanager
def serving(*words: object) -> Generator[Served]:
    """Serves, within the block, what these words describe, but at a free port."""
    site = made(*words).site
    site.check()
    served = Served(site)
    try:
        yield served
    finally:
        served.stop()


def ask(served: Served, path: str = "/", *fields: str, host: str = "x") -> Reply:
    """The reply to a request for `path` at `host`."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *fields]
    with served.connect() as client:
        return client.ask(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
