"""A site's own pages in place of the server's, wherever in the site the error is."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

import attrs

from ....persist.errors import PerdureError
from .. import ownpage
from ..errors import ErrorReply, HTTPError
from ..resource import Resource, Wrapper
from ..response import Response
from .errorcontent import ErrorTemplate, mistake

if TYPE_CHECKING:
    from ..request import Request


@attrs.define(str=False)
class ErrorPagesError(PerdureError):
    """There can be no page at `path` for `status`; `reason` says why."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    status: object
    path: str
    reason: str

    def __str__(self) -> str:
        return f"error page {self.status}={self.path}: {self.reason}"


class ErrorPages(Wrapper):
    """Shows, for each status in `pages`, the Jinja2 template at a path, as `ErrorTemplate` does.

    It takes the place of the pages that the server writes, with their status and fields; what a page
    or a server behind answers by itself is left alone, and so is a traceback. Raises
    `ErrorPagesError`.
    """

    def __init__(self, wrapped: Resource, pages: Mapping[int, str | os.PathLike[str]]) -> None:
        self.wrapped = wrapped
        self.pages = {status: os.path.abspath(path) for status, path in pages.items()}
        for status, path in self.pages.items():
            if type(status) is not int or not 400 <= status <= 599:
                raise ErrorPagesError(status, path, "an error has a status from 400 to 599")

    def check(self) -> None:
        """Raises `ErrorPagesError` for a page that is not there, or is no template."""
        for status, path in self.pages.items():
            if not os.path.isfile(path):
                raise ErrorPagesError(status, path, "there is no such file")
            reason = mistake(path)
            if reason:
                raise ErrorPagesError(status, path, reason)

    def enter(self, request: "Request") -> Resource:
        request.transform(self._answer)
        return self.wrapped

    def _answer(self, request: "Request", response: Response) -> Response:
        if not isinstance(response, ErrorReply) or response.trace:
            return response
        path = self.pages.get(response.status)
        if path is None:
            return response
        kept = [each for each in response.headers if each not in ownpage.FIELDS]
        error = HTTPError(response.status, response.detail, kept)
        return cast(Response, ErrorTemplate(path, error).render(request))
