"""Pages that scripts of other sites may read: CORS (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ..resource import Rendered, Resource, Wrapper
from ..response import TOKEN, Response
from ..setting import SettingError

if TYPE_CHECKING:
    from ..request import Request

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")


class CrossOriginError(SettingError):
    """`CrossOrigin` was described wrongly."""

    subject: ClassVar[str] = "cross-origin "


class CrossOrigin(Wrapper):
    """Lets scripts of the sites `origins` read what `wrapped` answers; ``*`` are all sites.

    - `origins`: as browsers send them, ``https://app.example.org``; with their port, and no path;
    - `methods` and `headers`: what they may use besides the plain ones;
    - `credentials`: their requests come with the visitor's cookies and log-in. Not with ``*``:
      every site could then act for the visitor;
    - `exposed`: fields of replies that they may see besides the plain ones;
    - `max_age`: seconds for which a browser need not ask again.

    A request of another site is answered all the same, without leave to read it: it is the browser
    that keeps it from the script. Raises `CrossOriginError`.
    """

    def __init__(
        self,
        wrapped: Resource,
        origins: Sequence[str],
        *,
        methods: Sequence[str] = ("GET", "HEAD", "POST"),
        headers: Sequence[str] = (),
        credentials: bool = False,
        exposed: Sequence[str] = (),
        max_age: int = 600,
    ) -> None:
        self.wrapped = wrapped
        self.origins = tuple(map(str.lower, CrossOriginError.texts("origins", origins)))
        self.methods = _tokens("methods", methods)
        self.headers = _tokens("headers", headers)
        self.credentials = credentials
        self.exposed = _tokens("exposed", exposed)
        self.max_age = max_age
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise CrossOriginError(
                    "origin", origin, "expected as browsers send it: https://app.example.org"
                )
        if credentials and "*" in self.origins:
            raise CrossOriginError("origin", "*", "with credentials the sites have to be named")

    def enter(self, request: "Request") -> Resource:
        asked = "access-control-request-method" in request.headers
        if request.method == "OPTIONS" and asked and "origin" in request.headers:
            return _Preflight(self)
        request.transform(self._answer)
        return self.wrapped

    def allowed(self, request: "Request") -> list[tuple[str, str]]:
        """The fields that say what the asking site may do; empty if nothing."""
        origin = request.headers.get("origin")
        if origin is None or not ("*" in self.origins or origin.lower() in self.origins):
            return []
        fields = [("Access-Control-Allow-Origin", "*" if "*" in self.origins else origin.lower())]
        if self.credentials:
            fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields

    def varied(self) -> list[tuple[str, str]]:
        """What caches have to know."""
        return [] if "*" in self.origins else [("Vary", "Origin")]

    def _answer(self, request: "Request", response: Response) -> Response:
        fields = self.allowed(request)
        if fields and self.exposed:
            fields.append(("Access-Control-Expose-Headers", ", ".join(self.exposed)))
        # What a page behind says of it would be a second word on the same thing.
        kept = [
            each
            for each in response.headers
            if not each[0].lower().startswith("access-control-allow-")
        ]
        return response.replaced(headers=[*kept, *fields, *self.varied()])


class _Preflight(Resource):
    """Answers what a browser asks before a request that is not a plain one."""

    is_leaf = True
    tells_state = False

    def __init__(self, rules: CrossOrigin) -> None:
        self._rules = rules

    def render_OPTIONS(self, request: "Request") -> Rendered:
        rules = self._rules
        fields = rules.allowed(request)
        if fields:
            fields.append(("Access-Control-Allow-Methods", ", ".join(rules.methods)))
            if rules.headers:
                fields.append(("Access-Control-Allow-Headers", ", ".join(rules.headers)))
            fields.append(("Access-Control-Max-Age", str(rules.max_age)))
        return Response(b"", 204, [*fields, *rules.varied()])


def _tokens(setting: str, given: Sequence[str]) -> tuple[str, ...]:
    texts = CrossOriginError.texts(setting, given)
    for each in texts:
        if not TOKEN.fullmatch(each):
            raise CrossOriginError(
                setting, each, "letters, digits and !#$%&'*+-.^_`|~ are expected"
            )
    return texts
