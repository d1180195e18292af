"""Compares passwords, in threads and not too often, and remembers for a while which were right."""

import asyncio
import hmac
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import attrs

from ....persist.persistent import persistent
from ...registry import Registry
from ..errors import HTTPError
from . import passwords
from .lockout import Lockout, Strikes, network, seconds
from .nonces import Nonces
from .users import Account, UsersError, UserSource

if TYPE_CHECKING:
    from ..request import Request

_MOST_WAITING: Final = 32
_REMEMBERED: Final = 10_000

_report = logging.getLogger("perdure.web")


@attrs.frozen
class Outcome:
    """Of a comparison. `renewed` is a record to be kept in place of the one there is."""

    is_right: bool
    renewed: str | None = None


class _Run:
    """What a doorkeeper remembers as long as the process lives."""

    def __init__(self, lockout: Lockout, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.nonces = Nonces(clock)
        self.names = Strikes(lockout, lockout.free)
        self.addresses = Strikes(lockout, lockout.free_of_address)
        # By what is only known here: no password is kept, nor anything it could be found by.
        self.key = secrets.token_bytes(32)
        self.right: OrderedDict[bytes, float] = OrderedDict()
        self.friends: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.pending: dict[bytes, asyncio.Future[Outcome]] = {}
        self.reported = ""


def _check_users(_keeper: object, _field: object, users: UserSource) -> None:
    if not isinstance(users, UserSource):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"users come from HtpasswdFile(path), RegisteredUsers() or such, not {users!r}"
        )


@persistent(transient=("_run",))
@attrs.define(eq=False)
class Doorkeeper:
    """Knows by `users` who is who, for all `Protected` that it is given to.

    A password that was right is so again for `remembered` seconds for the same client, without a
    comparison: that takes long on purpose, and browsers send it with each request. Another password
    or another record, and it is compared. What is wrong counts for `lockout`, whichever of its subtrees
    was asked for: give one doorkeeper to all that have the same users.

    Comparisons are made by half as many threads as there are processors. Names are as `users.named`
    gives them.
    """

    users: UserSource = attrs.field(validator=_check_users)
    lockout: Lockout = attrs.field(factory=Lockout, kw_only=True)
    remembered: float = attrs.field(default=60.0, kw_only=True)
    _run: _Run | None = attrs.field(default=None, init=False, repr=False)

    def account(self, name: str, registry: Registry) -> Account | None:
        """What is kept of a user; None if there is none. Raises `HTTPError` if it cannot be known."""
        run = self._running()
        try:
            account = self.users.account(name, registry)
        except UsersError as error:
            if run.reported != str(error):
                _report.error("nobody can be let in: %s", error)
            run.reported = str(error)
            raise HTTPError(503, "Nobody can be let in at the moment.") from None
        run.reported = ""
        return account

    def check_turn(self, name: str, request: "Request") -> None:
        """Raises `HTTPError` if no password for `name` may be tried by the client, as yet."""
        run = self._running()
        now, address = run.clock(), network(request.client)
        wait = 0.0 if address is None else run.addresses.wait(address, now)
        if address is None or (name, address) not in run.friends:
            wait = max(wait, run.names.wait(name, now))
        if wait > 0:
            detail = "There were too many attempts that failed. Please try again later."
            raise HTTPError(429, detail, [("Retry-After", seconds(wait))])

    def strike(self, name: str, request: "Request") -> None:
        """A try begins; it counts as wrong until `succeed`."""
        run = self._running()
        now, address = run.clock(), network(request.client)
        run.names.add(name, now)
        if address is not None:
            run.addresses.add(address, now)

    def succeed(self, name: str, client: str) -> None:
        """The try that began was right. What was wrong before still counts, but not from there."""
        run = self._running()
        address = network(client)
        run.names.take_back(name)
        if address is not None:
            run.addresses.take_back(address)
        self.welcome(name, client)

    def welcome(self, name: str, client: str) -> None:
        """`name` came in from where `client` is, and does not wait there for what others try."""
        friends, address = self._running().friends, network(client)
        if address is not None:
            friends[name, address] = None
            friends.move_to_end((name, address))
            while len(friends) > _REMEMBERED:
                friends.popitem(last=False)

    def remembers(self, name: str, password: str, request: "Request") -> bool:
        """Whether this password for `name` was right a moment ago, for the same client."""
        run = self._running()
        account = self.account(name, request.registry)
        if account is None:
            return False
        tag = _tag(run, name, password, request, account)
        return run.right.get(tag, 0.0) > run.clock()

    async def compare(self, name: str, password: str, request: "Request") -> bool:
        """Whether `password` is that of the user `name`; takes as long if there is no such user.

        Several requests that ask the same at one time cost one comparison. Raises `HTTPError`: 429 if
        there were too many tries, 503 if there are too many clients who wait.
        """
        run = self._running()
        account = self.account(name, request.registry)
        tag = _tag(run, name, password, request, account)
        pending = run.pending.get(tag)
        if pending is None:
            self.check_turn(name, request)
            if len(run.pending) >= _MOST_WAITING:
                raise HTTPError(503, headers=[("Retry-After", "1")])
            self.strike(name, request)
            pending = self._begin(run, name, password, request, account, tag)
        outcome = await asyncio.shield(pending)
        if outcome.renewed is not None:
            self.users.renew(name, outcome.renewed, request.registry)
        return outcome.is_right

    @property
    def nonces(self) -> Nonces:
        """What Digest gives to clients."""
        return self._running().nonces

    def _begin(
        self,
        run: _Run,
        name: str,
        password: str,
        request: "Request",
        account: Account | None,
        tag: bytes,
    ) -> "asyncio.Future[Outcome]":
        registry, client = request.registry, request.client
        if account is None or account.record is None:
            record, is_user = self.users.decoy(name, registry), False
        else:
            record, is_user = account.record.reveal(), True

        def tried() -> Outcome:
            is_right = passwords.matches(record, password) and is_user
            return Outcome(
                is_right, self.users.renewed(name, password, registry) if is_right else None
            )

        def note(future: "asyncio.Future[Outcome]") -> None:
            del run.pending[tag]
            if future.cancelled() or future.exception() is not None:
                return
            if future.result().is_right:
                self.succeed(name, client)
                run.right[tag] = run.clock() + self.remembered
                while len(run.right) > _REMEMBERED:
                    run.right.popitem(last=False)

        pending = asyncio.get_running_loop().run_in_executor(_threads(), tried)
        run.pending[tag] = pending
        pending.add_done_callback(note)
        return pending

    def _running(self) -> _Run:
        if self._run is None:
            self._run = _Run(self.lockout, time.monotonic)
        return self._run


def _tag(run: _Run, name: str, password: str, request: "Request", account: Account | None) -> bytes:
    stamp = "" if account is None else account.stamp
    parts = (name, password, stamp, network(request.client) or "")
    # With lengths, so that no two are the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.digest(run.key, text.encode("utf-8", "surrogatepass"), sha256)


@cache
def _threads() -> ThreadPoolExecutor:
    """Those that compare, of all doorkeepers: half as many as processors, so that others go on."""
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), "perdure-passwords")
