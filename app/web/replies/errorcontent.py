"""Pages of a site's own for what is not there or may not be seen."""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING

from ..errors import HTTPError, error_page
from ..resource import Rendered, Resource, resource_for
from ..response import REASONS, Response

if TYPE_CHECKING:
    from jinja2 import Environment

    from ..request import Request

_report = logging.getLogger("perdure.web")


class ErrorResource(Resource):
    """Answers with the page of another resource, and the status of `error`.

    A status of its own, but for 200, is left as it is. What changes something gets the usual page:
    nothing was there to be changed.
    """

    is_leaf = True

    def __init__(self, page: Resource, error: HTTPError) -> None:
        self.page = page
        self.error = error

    def render(self, request: "Request") -> Rendered:
        if request.method not in ("GET", "HEAD"):
            return _usual(self.error)
        request.transform(self._with_status)
        page = resource_for(self.page, request)
        if request.turn is not None:
            request.turn.touch_held(page)
        return page.render(request)

    def _with_status(self, request: "Request", response: Response) -> Response:
        if response.status != 200:
            return response
        headers = [*response.headers, *self.error.headers]
        return response.replaced(status=self.error.status, headers=headers)


class ErrorTemplate(Resource):
    """Answers with what the Jinja2 template at `path` says of `error`.

    It sees ``status`` (a number), ``reason`` (its phrase), ``detail`` (a sentence, or nothing) and
    ``path`` (of the address, decoded); what it shows of them is escaped. It can use others in its
    folder. It is read again when it has changed; one that fails is reported, and the usual page
    is sent.
    """

    is_leaf = True
    tells_state = False

    def __init__(self, path: str, error: HTTPError) -> None:
        self.path = path
        self.error = error

    def render(self, request: "Request") -> Rendered:
        error = self.error
        if request.method not in ("GET", "HEAD"):
            return _usual(error)
        folder, name = os.path.split(self.path)
        try:
            page = (
                _environment(folder)
                .get_template(name)
                .render(
                    status=error.status,
                    reason=REASONS.get(error.status, ""),
                    detail=error.detail,
                    path="/" + "/".join(request.segments),
                )
            )
        except Exception as failure:  # noqa: BLE001 - a template raises anything
            said = f"{type(failure).__name__}: {failure}"
            _report.error("the error page %s cannot be shown: %s", self.path, said)
            return _usual(error)
        return Response(page, error.status, error.headers)


def mistake(path: str) -> str | None:
    """What is wrong with the template at `path`, that can be seen without showing it; or nothing."""
    folder, name = os.path.split(path)
    try:
        _environment(folder).get_template(name)
    except Exception as error:  # noqa: BLE001 - as above
        line: int | None = getattr(error, "lineno", None)
        return f"line {line}: {error}" if line else f"{type(error).__name__}: {error}"
    return None


def _usual(error: HTTPError) -> Response:
    return error_page(error.status, error.detail, headers=error.headers)


@cache
def _environment(folder: str) -> "Environment":
    from jinja2 import FileSystemLoader
    from jinja2.sandbox import SandboxedEnvironment

    # What lies in a folder of pages is not code, and is not to become it.
    return SandboxedEnvironment(autoescape=True, loader=FileSystemLoader(folder))
