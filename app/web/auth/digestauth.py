"""Digest: a proof of the password with each request, and never the password (RFC 7616)."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import attrs

from ..errors import HTTPError
from .basicauth import check_realm
from .doorkeeper import Doorkeeper
from .nonces import Freshness
from .protected import AuthenticationError, Found, Scheme, Verdict, Wrong
from .users import ALGORITHMS, UserError, named

if TYPE_CHECKING:
    from ..request import Request

_COUNT = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)
_WANTED: Final = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")


def _as_algorithms(names: Iterable[str]) -> tuple[str, ...]:
    given = tuple(names)
    for name in given:
        if name not in ALGORITHMS:
            reason = f"Digest is done by {' or '.join(ALGORITHMS)} here, not {name!r}"
            raise AuthenticationError(reason)
    return given


@attrs.frozen
class Digest(Scheme):
    """Clients prove for each request that they have the password for `realm`.

    What is kept to check that is as good as the password in this realm: `htpasswd.HtdigestFile`, or
    `users.Users` with this realm. `algorithms` are offered in this order, those for which
    a file has nothing left out. MD5 is for old clients and for what ``htdigest`` writes: it is not
    offered unless asked for. ``qop=auth``: it vouches for method and address, not for the body.
    """

    realm: str = attrs.field(validator=check_realm)
    algorithms: tuple[str, ...] = attrs.field(default=("SHA-256",), converter=_as_algorithms)

    def examine(self, request: "Request", keeper: Doorkeeper) -> Verdict:
        header = request.headers.get("authorization", "")
        kind, _, sent = header.partition(" ")
        if kind.lower() != "digest":
            return None
        said = _parameters(sent)
        algorithm = said.get("algorithm", "MD5")
        unfit = any(name not in said for name in _WANTED) or algorithm not in self.algorithms
        if unfit or said["realm"] != self.realm or said["qop"] != "auth":
            return Wrong()
        # The page may be found at another place than the one that was asked for.
        method, target = request.head.line.decode("latin-1").split(" ")[:2]
        if said["uri"] != target:
            raise HTTPError(400, "The request proves itself for another address.")
        if not _COUNT.fullmatch(said["nc"]):
            raise HTTPError(400, "The count of the request is not eight hexadecimal digits.")
        try:
            name = named(said["username"])
        except UserError:
            return Wrong()
        return self._judge(request, keeper, name, algorithm, {**said, "method": method})

    def _judge(
        self,
        request: "Request",
        keeper: Doorkeeper,
        name: str,
        algorithm: str,
        said: dict[str, str],
    ) -> Verdict:
        freshness = keeper.nonces.judge(said["nonce"])
        keeper.check_turn(name, request)
        account = keeper.account(name, request.registry)
        secret = None if account is None else account.digest(self.realm, algorithm)
        # Of nobody, so that it takes as long.
        digest = "0" * 64 if secret is None else secret.reveal()
        expected = _response(algorithm, digest, said)
        is_right = hmac.compare_digest(expected.encode(), said["response"].encode())
        if not is_right or secret is None:
            # Also for a nonce that is not ours: the answer tells whether the password was right.
            keeper.strike(name, request)
            return Wrong()
        if freshness is not Freshness.GOOD:
            return Wrong(stale=True)
        # One request may pass here more than once, when it is led to another page of the server.
        proof = (said["nonce"], said["nc"])
        if request.proof != proof and not keeper.nonces.use(said["nonce"], int(said["nc"], 16)):
            return Wrong(stale=True)
        request.proof = proof
        keeper.welcome(name, request.client)
        return Found(name)

    def challenges(self, _request: "Request", keeper: Doorkeeper, stale: bool) -> Iterable[str]:
        said = ", stale=true" if stale else ""
        opaque = hashlib.sha256(self.realm.encode()).hexdigest()[:16]
        users = keeper.users
        offered = [each for each in self.algorithms if users.offers(self.realm, each)]
        for algorithm in offered or self.algorithms:
            yield (
                f'Digest realm="{self.realm}", qop="auth", algorithm={algorithm},'
                f' nonce="{keeper.nonces.give()}", opaque="{opaque}", charset=UTF-8{said}'
            )

    def check(self, keeper: Doorkeeper) -> None:
        users = keeper.users
        if not any(users.has_digests(self.realm, each) for each in self.algorithms):
            raise AuthenticationError(
                f"{type(users).__name__} has not what Digest by {', '.join(self.algorithms)} needs;"
                " use HtdigestFile, or RegisteredUsers with Users(realm=...) and SHA-256"
            )


def _parameters(sent: str) -> dict[str, str]:
    from werkzeug.http import parse_dict_header

    text = sent.encode("latin-1").decode("utf-8", "replace")
    parsed = parse_dict_header(text)
    return {name.lower(): value for name, value in parsed.items() if value is not None}


def _response(algorithm: str, digest: str, said: dict[str, str]) -> str:
    def hashed(text: str) -> str:
        return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    what = hashed(f"{said['method']}:{said['uri']}")
    proof = (digest, said["nonce"], said["nc"], said["cnonce"], said["qop"], what)
    return hashed(":".join(proof))
