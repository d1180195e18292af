"""The sites of an application, and which of them a person means."""

import os
from collections.abc import Iterator, Sequence
from typing import ClassVar

import attrs

from ..app.application import Application
from ..app.collection import ServiceCollection
from ..app.endpoints import Endpoint, parse_endpoint
from ..app.service import Service
from ..app.web.service import WebService
from ..persist.errors import PerdureError


@attrs.define(str=False)
class NoSiteError(PerdureError):
    """There is no web service in the application."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    application: str

    def __str__(self) -> str:
        return f"{self.application} has no site; add one: mkapp web --append FILE --path FOLDER"


@attrs.define(str=False)
class SiteChoiceError(PerdureError):
    """Of the `sites` there are, none or several are meant, for `reason`."""

    exit_status: ClassVar[int] = os.EX_USAGE
    reason: str
    sites: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.reason}; there are {'; '.join(self.sites)}: say --service or --endpoint"


@attrs.frozen
class SiteChoice:
    """What a person has said of the site that is meant: the name of its service, or where it listens.

    A service is also meant by its path, as in ``inner/web``. An endpoint is compared by what it
    says, not how; one that says no more than a port, or only the number, is that of any interface,
    unless another fits better.
    """

    service: str | None = None
    endpoint: str | None = None

    def among(self, application: Application) -> WebService:
        """The one that is meant; without a word the only one.

        Raises NoSiteError, SiteChoiceError and `EndpointError`.
        """
        there = list(web_services(application.services))
        if not there:
            raise NoSiteError(application.name)
        found, reason = there, "several sites"
        if self.service is not None:
            found = [each for each in there if self.service in (each.name, each.path)]
            reason = f"a service called {self.service!r:.60}"
        elif self.endpoint is not None:
            found = _listening(there, self.endpoint)
            reason = f"a site at {self.endpoint!r:.60}"
        if len(found) == 1:
            return found[0]
        if self != SiteChoice():
            reason = f"{'more than one is' if found else 'there is not'} {reason}"
        raise SiteChoiceError(reason, tuple(map(described, there)))


def web_services(services: Service) -> Iterator[WebService]:
    """All there are, in the order in which they start."""
    if isinstance(services, ServiceCollection):
        for service in services:
            yield from web_services(service)
    elif isinstance(services, WebService):
        yield services


def described(service: WebService) -> str:
    """Its path, and where it listens, for a person."""
    endpoints = ", ".join(map(str, service.endpoints))
    return f"{service.path} at {endpoints or 'no endpoint'}"


def _listening(services: Sequence[WebService], text: str) -> list[WebService]:
    if text.isascii() and text.isdigit() and len(text) < 20:
        port = int(text)
        return [
            service
            for service in services
            if any(getattr(each, "port", None) == port for each in service.endpoints)
        ]
    wanted = parse_endpoint(text)
    exact = [service for service in services if wanted in service.endpoints]
    if exact or not _is_bare(wanted):
        return exact
    return [
        service
        for service in services
        if any(_is_there(each, wanted) for each in service.endpoints)
    ]


def _is_there(endpoint: Endpoint, wanted: Endpoint) -> bool:
    return type(endpoint) is type(wanted) and _place(endpoint) == _place(wanted)


def _is_bare(endpoint: Endpoint) -> bool:
    others = attrs.fields(type(endpoint))[1:]
    return all(getattr(endpoint, each.name) == each.default for each in others)


def _place(endpoint: Endpoint) -> object:
    """The port, or the address: what an endpoint cannot be without."""
    return getattr(endpoint, attrs.fields(type(endpoint))[0].name)
