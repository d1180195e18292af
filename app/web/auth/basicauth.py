"""Basic: name and password with each request (RFC 7617)."""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import attrs

from .doorkeeper import Doorkeeper
from .protected import AuthenticationError, Claim, Scheme, Verdict, Wrong
from .users import UserError, named

if TYPE_CHECKING:
    from ..request import Request


def check_realm(_scheme: object, _field: "attrs.Attribute[str]", realm: str) -> None:
    """Raises `AuthenticationError` for what cannot be sent between quotes to any client."""
    if not realm.isascii() or not realm.isprintable() or not realm or set(realm) & {'"', "\\", ":"}:
        reason = f'a realm is printable ASCII without ", \\ and :, not {realm!r}'
        raise AuthenticationError(reason)


@attrs.frozen
class Basic(Scheme):
    """Browsers ask for name and password in a window that says `realm`, where they say anything.

    Both are UTF-8. They come as they are: only for TLS, or this machine.
    """

    sends_passwords: ClassVar[bool] = True
    realm: str = attrs.field(default="restricted", validator=check_realm)

    def examine(self, request: "Request", keeper: Doorkeeper) -> Verdict:
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            text = b64decode(sent.strip(" ").encode(), validate=True).decode()
            name, colon, password = text.partition(":")
            return Claim(named(name), password) if colon else Wrong()
        except (binascii.Error, ValueError, UserError):
            return Wrong()

    def challenges(self, _request: "Request", _keeper: Doorkeeper, _stale: bool) -> Iterable[str]:
        return (f'Basic realm="{self.realm}", charset="UTF-8"',)

    def check(self, keeper: Doorkeeper) -> None:
        check_records(keeper, "Basic")


def check_records(keeper: Doorkeeper, scheme: str) -> None:
    """Raises `AuthenticationError` if passwords cannot be compared with what the users have."""
    if not keeper.users.has_records:
        raise AuthenticationError(
            f"{scheme} cannot use {type(keeper.users).__name__}, which has only what Digest needs;"
            " use HtpasswdFile or RegisteredUsers"
        )
