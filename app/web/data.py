"""Bytes or a text as a resource."""

from typing import TYPE_CHECKING

from ...persist.persistent import persistent
from .resource import Resource
from .response import PreparedResponse, Response, type_of_str

if TYPE_CHECKING:
    from .request import Request


@persistent(transient=("_prepared",))
class Data(Resource):
    """Answers with `body`, always the same, of the Content-Type `type`; text is sent as UTF-8.

    Resources may be put below it. Raises `HeaderError` for a type that cannot be sent.
    """

    tells_state = False
    _prepared: PreparedResponse | None = None

    def __init__(self, body: str | bytes, type: str = type_of_str) -> None:  # noqa: A002
        self.body = body
        self.type = type
        self._reply()

    def render_GET(self, request: "Request") -> PreparedResponse:
        return self._prepared or self._reply()

    def _reply(self) -> PreparedResponse:
        reply = Response(self.body, 200, [("Content-Type", self.type)])
        self._prepared = prepared = PreparedResponse.of(reply)
        return prepared
