"""Subtrees that only some may see, and the ways for a client to say who it is."""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ....persist.persistent import persistent
from ..errors import error_page
from ..resource import ErrorPage, Rendered, Resource, Wrapper, resource_for
from .doorkeeper import Doorkeeper
from .lockout import network
from .users import named

if TYPE_CHECKING:
    from ..request import Request

_NOT_YOU: Final = "You are known, but this page is not for you."

_report = logging.getLogger("perdure.web")


@attrs.define
class AuthenticationError(PerdureError):
    """What was put together to protect a subtree cannot do so; found when it is made, or at the start."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    reason: str

    def __str__(self) -> str:
        return f"authentication: {self.reason}"


@attrs.frozen
class Found:
    """The client is `user`, without a doubt."""

    user: str


@attrs.frozen
class Claim:
    """The client says to be `user`; whether that is so, `password` tells."""

    user: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Wrong:
    """What the client says does not make it anybody. `stale`: but it has the right password."""

    stale: bool = False


Verdict = Found | Claim | Wrong | None
"""What a scheme makes of a request; None where there is nothing for it."""


class Scheme(ABC):
    """A way to say who one is; a frozen record, saved with the `Protected` it is for."""

    sends_passwords: ClassVar[bool] = False
    """Whether passwords come as they are, so that nobody may listen."""

    @abstractmethod
    def examine(self, request: "Request", keeper: Doorkeeper) -> Verdict:
        """What the client says. Raises `HTTPError` for what breaks the grammar or is too much."""

    def challenges(self, _request: "Request", _keeper: Doorkeeper, _stale: bool) -> Iterable[str]:
        """Values of WWW-Authenticate with which the client is asked."""
        return ()

    def page(self, _request: "Request", _keeper: Doorkeeper) -> Resource | None:
        """A page of the scheme's own that is asked for, which anybody may see."""
        return None

    def refusal(self, _request: "Request") -> Resource | None:
        """What is answered to a client that is not known, if not 401."""
        return None

    def check(self, keeper: Doorkeeper) -> None:  # noqa: B027 - some can use all users
        """Raises `AuthenticationError` if it cannot be used with the users of `keeper`."""


@persistent(transient=("_has_warned",))
class Protected(Wrapper):
    """Lets only those pass to `wrapped`, and to what is below, whom `keeper` knows.

    They say who they are by one of `schemes`, which are offered in this order: `basicauth.Basic`,
    `digestauth.Digest`, `formlogin.FormLogin`. With `only`, they have to be one of these names: others
    are answered 403, and who is not known 401. ``request.user`` is who asks.

    Raises `AuthenticationError` where there is no scheme, or one cannot be used with such users.
    """

    _has_warned: bool = False

    def __init__(
        self,
        wrapped: Resource,
        keeper: Doorkeeper,
        *schemes: Scheme,
        only: Iterable[str] | None = None,
    ) -> None:
        if not schemes:
            raise AuthenticationError("there is no scheme by which anybody could say who it is")
        if isinstance(only, str):
            raise AuthenticationError(f"`only` is a list of names, not the text {only!r}")
        for scheme in schemes:
            scheme.check(keeper)
        self.wrapped = wrapped
        self.keeper = keeper
        self.schemes = schemes
        self.only = None if only is None else frozenset(map(named, only))

    def parts(self) -> Iterable[Resource]:
        return (self.wrapped,)

    def check(self) -> None:
        self.keeper.users.check()

    def enter(self, request: "Request") -> Resource:
        for scheme in self.schemes:
            page = scheme.page(request, self.keeper)
            if page is not None:
                self._warn(request)
                return page
        stale = False
        for scheme in self.schemes:
            verdict = scheme.examine(request, self.keeper)
            if isinstance(verdict, Found):
                return self.admitted(request, verdict.user)
            if isinstance(verdict, Claim):
                if self.keeper.remembers(verdict.user, verdict.password, request):
                    return self.admitted(request, verdict.user)
                return _Comparison(self, verdict)
            stale = stale or (isinstance(verdict, Wrong) and verdict.stale)
        return self.refused(request, stale)

    def admitted(self, request: "Request", user: str) -> Resource:
        """Where the walk goes on for `user`."""
        request.user = user
        if self.only is not None and user not in self.only:
            return ErrorPage(403, _NOT_YOU)
        return self.wrapped

    def refused(self, request: "Request", stale: bool = False) -> Resource:
        """What is answered to somebody who is not known."""
        self._warn(request)
        for scheme in self.schemes:
            page = scheme.refusal(request)
            if page is not None:
                return page
        challenges = [
            each
            for scheme in self.schemes
            for each in scheme.challenges(request, self.keeper, stale)
        ]
        return _Refusal(tuple(challenges))

    def _warn(self, request: "Request") -> None:
        if self._has_warned or request.secure or network(request.client) is None:
            return
        self._has_warned = True
        if any(scheme.sends_passwords for scheme in self.schemes):
            _report.warning(
                "passwords for %s are asked for without TLS, so whoever is on the way can read them:"
                " serve it at a tls: endpoint, or behind a proxy with TLS that is trusted",
                "/" + "/".join(request.prepath),
            )


class _Refusal(Resource):
    """Asks the client who it is (RFC 9110, 15.5.2); or says that it is to log in first."""

    is_leaf = True

    def __init__(self, challenges: tuple[str, ...]) -> None:
        self.challenges = challenges

    def render(self, request: "Request") -> Rendered:
        if not self.challenges:
            return error_page(403, "Log in first.", headers=[("Cache-Control", "no-store")])
        return error_page(401, headers=[("WWW-Authenticate", each) for each in self.challenges])


class _Comparison(Resource):
    """Goes on with the walk, or refuses, once a password was compared."""

    is_leaf = True

    def __init__(self, protected: Protected, claim: Claim) -> None:
        self._protected = protected
        self._claim = claim

    async def render(self, request: "Request") -> Rendered:
        user = self._claim.user
        protected = self._protected
        if await protected.keeper.compare(user, self._claim.password, request):
            resource = resource_for(protected.admitted(request, user), request)
        else:
            resource = protected.refused(request)
        if request.turn is not None:
            request.turn.touch_held(resource)
        return resource.render(request)
