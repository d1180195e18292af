"""A page to log in at, and what is remembered in the session of who did."""

import hmac
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

import attrs

from ....persist.secret import Secret
from ..errors import HTTPError
from ..ownpage import OwnPage
from ..resource import Rendered, Resource
from ..response import Response
from .basicauth import check_records
from .doorkeeper import Doorkeeper
from .protected import Found, Scheme, Verdict
from .users import UserError, named

if TYPE_CHECKING:
    from jinja2 import Template

    from ..request import Request

_LARGEST: Final = 16 * 1024
_WRONG: Final = "Name or password is wrong."
_AGAIN: Final = "That took too long, or your browser keeps no cookies. Please try again."

_HEADERS: Final = (("Cache-Control", "no-store"),)
# Read now: after a chroot it is too late.
_SOURCE: Final = Path(__file__).with_name("templates").joinpath("login.html").read_text("utf-8")


@attrs.frozen
class LoggedIn:
    """In a session: who it is that logged in, and the stamp of the account at that time."""

    user: str
    stamp: str


def _new_token() -> Secret[str]:
    return Secret(secrets.token_urlsafe(32))


@attrs.frozen
class FormToken:
    """In a session: what a form has to send along, so that no other site can have posted it."""

    value: Secret[str] = attrs.field(factory=_new_token)


@attrs.frozen
class FormLogin(Scheme):
    """People log in at a page, and are known by their session from then on.

    The page is below what is protected, at `login`; at `logout` is one with a button that ends the session.
    They hide what else might be there. A browser that is not logged in is sent to the first, and
    back when it is. The session gets another cookie at the login (see `Session.rotate`). Who is
    removed, or is given another password, is logged out.
    """

    sends_passwords: ClassVar[bool] = True
    title: str = "Log in"
    login: str = "login"
    logout: str = "logout"

    def examine(self, request: "Request", keeper: Doorkeeper) -> Verdict:
        if not request.session.is_kept:
            return None
        seen = request.session.get_component(LoggedIn, name=keeper.users.identity)
        if seen is None:
            return None
        account = keeper.account(seen.user, request.registry)
        if account is None or account.stamp != seen.stamp:
            return None
        return Found(seen.user)

    def page(self, request: "Request", keeper: Doorkeeper) -> Resource | None:
        if request.postpath == [self.login]:
            return _LoginPage(self, keeper, _place(request))
        if request.postpath == [self.logout]:
            return _LogoutPage(self, keeper, _place(request))
        return None

    def refusal(self, request: "Request") -> Resource | None:
        asked = request.headers.get("accept", "")
        if request.method not in ("GET", "HEAD") or "text/html" not in asked:
            return None
        there = request.path + (f"?{request.query}" if request.query else "")
        return _Elsewhere(f"{_place(request)}{quote(self.login)}?next={quote(there, safe='/')}")

    def check(self, keeper: Doorkeeper) -> None:
        check_records(keeper, "FormLogin")


def local_path(text: str) -> str | None:
    """`text` if a browser that is sent there stays on this host; None for anything else."""
    printable = text.isascii() and text.isprintable() and " " not in text
    fit = printable and text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if fit else None


def _place(request: "Request") -> str:
    """Where what is protected stands, as browsers see it, with a slash at its end."""
    parts = request.path.split("/")
    left = len(request.postpath)
    kept = parts[: len(parts) - left] if left else parts
    place = "/".join(kept) + "/"
    return place if local_path(place) else "/"


class _Elsewhere(Resource):
    """Sends the browser elsewhere on this host."""

    is_leaf = True

    def __init__(self, target: str) -> None:
        self._target = target

    def render(self, request: "Request") -> Rendered:
        return _sent(self._target)


class _FormPage(Resource):
    """A page of the scheme's own: shows a form, and does what it asks for."""

    is_leaf = True

    def __init__(self, scheme: FormLogin, keeper: Doorkeeper, place: str) -> None:
        self._scheme = scheme
        self._keeper = keeper
        self._place = place

    async def _posted(self, request: "Request") -> dict[str, str] | None:
        """The fields of the form; None if it is none that was given to this very browser.

        The cookie's SameSite keeps other sites from posting with it, the token those that share the
        domain, and Sec-Fetch-Site those of which the browser tells. Raises `HTTPError`.
        """
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPError(403, "This form was sent from another site.")
        await request.read(_LARGEST)
        fields = (await request.form()).fields.to_dict()
        token = request.session.get_component(FormToken)
        if token is None or not hmac.compare_digest(
            token.value.reveal().encode(), fields.get("token", "").encode("utf-8", "replace")
        ):
            return None
        return fields

    def _shown(
        self,
        request: "Request",
        status: int = 200,
        *,
        note: str = "",
        name: str = "",
        more: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        token = request.session.get_component(FormToken, default=FormToken)
        asks = isinstance(self, _LoginPage)
        page = _template().render(
            title=self._scheme.title if asks else "Log out",
            button="Log in" if asks else "Log out",
            asks=asks,
            note=note,
            name=name,
            token=token.value.reveal(),
        )
        return OwnPage(page, status, (*_HEADERS, *more))


class _LoginPage(_FormPage):
    """Asks for name and password."""

    def render_GET(self, request: "Request") -> Rendered:
        return self._shown(request)

    async def render_POST(self, request: "Request") -> Rendered:
        fields = await self._posted(request)
        if fields is None:
            return self._shown(request, 403, note=_AGAIN)
        name = fields.get("name", "")
        try:
            user = named(name)
            is_right = await self._keeper.compare(user, fields.get("password", ""), request)
        except UserError:
            return self._shown(request, 403, note=_WRONG, name=name)
        except HTTPError as error:
            if error.status not in (429, 503):
                raise
            return self._shown(request, error.status, note=error.detail, more=error.headers)
        account = self._keeper.account(user, request.registry)
        if not is_right or account is None:
            return self._shown(request, 403, note=_WRONG, name=name)
        session = request.session
        session.rotate()
        session.set_component(FormToken, FormToken())
        session.set_component(
            LoggedIn, LoggedIn(user, account.stamp), name=self._keeper.users.identity
        )
        return _sent(local_path(request.args.get("next", "")) or self._place)


class _LogoutPage(_FormPage):
    """Ends the session."""

    def render_GET(self, request: "Request") -> Rendered:
        if not request.session.is_kept:
            return _sent(self._place + quote(self._scheme.login))
        return self._shown(request)

    async def render_POST(self, request: "Request") -> Rendered:
        if request.session.is_kept:
            if await self._posted(request) is None:
                return self._shown(request, 403, note=_AGAIN)
            request.session.expire()
        return _sent(self._place + quote(self._scheme.login))


def _sent(target: str) -> Response:
    return Response(b"", 303, [("Location", target), *_HEADERS])


@cache
def _template() -> "Template":
    from jinja2 import Environment

    return Environment(autoescape=True, trim_blocks=True).from_string(_SOURCE)
