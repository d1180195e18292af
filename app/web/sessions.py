"""The sessions of a site's visitors: components of the registry, each on its own, and their end.

What a browser has is a cookie with 256 random bits, and their signature with the application's key.
Nobody guesses the bits. But one that is not signed is refused before anything is looked up by it: so
no time tells what there is, and once the key is removed no cookie given so far is good, whatever copy of
the state is read. What the application keeps is a digest of the cookie, name and all. So whoever
reads the sessions is not logged in by it, and a cookie that went over TLS (whose name differs) is
worth nothing without.

When a visitor came last is written down no more often than every tenth of the time that a session
may be unused; it is over after that time and a tenth. So most visits write nothing, and a restart
makes no difference. It is written by a turn of its own, soon after: a page that changes nothing is
answered also when nothing can be saved.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from ...persist.persistent import persistent
from ..naming import class_name
from ..registry import Registry, following_moves
from ..turns import Committer, Turn, UnsafeError, current, taking
from .limits import Limits
from .signing import SigningKey

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

_NAME: Final = "perdure_session"
_ATTRIBUTES: Final = "; Path=/; HttpOnly; SameSite=Lax"

_GRACE: Final = 1.1
_TICK: Final = 1.0
_SOME: Final = 200
"""So many sessions are looked after in one turn: some milliseconds."""

_LONGEST_DELAY: Final = 60.0

_MOST_COOKIES: Final = 8
"""So many of one name are looked at: a browser has more than one where hosts share a domain."""

_log = logging.getLogger("perdure.web")


@persistent(transient=("used",))
@attrs.define(eq=False)
class KeptSession:
    """A session as it is kept; what pages see of it is `session.Session`.

    Times are in seconds; `last` and `used` count from 1970. `used` is when it was used last in this
    run, `last` what was written down of that.
    """

    name: str
    timeout: float
    last: float
    components: dict[str, object] = attrs.field(factory=dict[str, object])
    calls: tuple[tuple[Callable[..., object], tuple[object, ...]], ...] = ()
    used: float = 0.0

    def is_over(self, now: float) -> bool:
        """Whether it was unused for too long."""
        return now >= max(self.last + self.timeout * _GRACE, self.used + self.timeout)

    def after_restore(self) -> None:
        self.components = following_moves(self.components)
        # Its end was undone, perhaps, because that could not be saved. Copies are nobody's.
        for sessions in _open:
            if sessions.get(self.name) is self:
                sessions.put(self)


_open: Final[list["Sessions"]] = []
_KEY: Final = class_name(KeptSession)
_SIGNING_KEY: Final = class_name(SigningKey)


def cookie_name(secure: bool) -> str:
    """What the cookie is called; over TLS nobody but this very host can have set it (RFC 6265bis)."""
    return f"__Host-{_NAME}" if secure else _NAME


def set_cookie(value: str, secure: bool) -> bytes:
    """The field that gives a browser its cookie; with an empty value, takes it away."""
    age = "" if value else "; Max-Age=0"
    tls = "; Secure" if secure else ""
    return f"Set-Cookie: {cookie_name(secure)}={value}{_ATTRIBUTES}{age}{tls}\r\n".encode()


class Sessions:
    """The sessions of one site. `clock` tells the seconds since 1970.

    The registry has the truth. What is here is the order in which sessions will be over; there may be
    some in it that a turn had begun which was undone, and these fall out when they come to the front.
    """

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        *,
        ledger: Committer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self._registry = registry
        self._limits = limits
        self._loop = loop
        self._ledger = ledger
        # By time-out, and whether the visitor came back: each in the order of `last`.
        self._queues: dict[tuple[float, bool], _Queue] = {}
        self._uses: dict[str, KeptSession] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._delay = _TICK

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def open(self) -> None:
        """Begin to let sessions end: first of all those that are over already. Twice is once."""
        if self._timer is not None:
            return
        found = [each for each in self._registry.components.values() if type(each) is KeptSession]
        for kept in sorted(found, key=lambda kept: kept.last):
            self.put(kept)
        _open.append(self)
        self._continue(0)

    def close(self) -> None:
        """The end of `open`. All that was used is written down."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            _open.remove(self)
        while self._uses and self._work():
            pass

    # For a request.

    def find(self, cookies: "MultiDict[str, str]", secure: bool) -> KeptSession | None:
        """The session that one of the cookies is for; None if there is none."""
        name = cookie_name(secure)
        # Not by `get_component`: who only looks is not to wait for what others do with the key.
        key = self._registry.components.get(_SIGNING_KEY)
        if type(key) is not SigningKey:
            return None
        for value in cookies.getlist(name)[:_MOST_COOKIES]:
            bits, _, signature = value.partition(".")
            if not key.is_signed(name, bits, signature):
                continue
            kept = self.get(_digest(name, value))
            if kept is not None and not kept.is_over(self.clock()):
                return kept
        return None

    def get(self, name: str) -> KeptSession | None:
        """The session of this name, if there is one; without touching it."""
        kept = self._registry.components.get(f"{_KEY}:{name}")
        return kept if type(kept) is KeptSession else None

    def touch(self, kept: KeptSession) -> None:
        """The present turn may change `kept`."""
        self._registry.get_component(KeptSession, name=kept.name)

    def use(self, kept: KeptSession) -> None:
        """The visitor was here once more."""
        kept.used = self.clock()
        came_back = kept.name in self._queues.get((kept.timeout, True), ())
        if not came_back or abs(kept.used - kept.last) * 10 >= kept.timeout:
            self._uses[kept.name] = kept

    def detached(self) -> KeptSession:
        """A session that nobody keeps."""
        return KeptSession("", self._limits.session_time, self.clock())

    def begin(self, secure: bool) -> tuple[KeptSession, str]:
        """A new session, and the cookie's value for it."""
        while len(self) >= self._limits.sessions and (oldest := self._oldest()) is not None:
            self.end(oldest)
        kept = self.detached()
        value = self._rename(kept, secure)
        self.put(kept, came_back=False)
        return kept, value

    def rotate(self, kept: KeptSession, secure: bool) -> str:
        """Give `kept` another name; the value of the cookie for it. The old one is for nothing."""
        self._drop(kept)
        self._registry.remove_component(KeptSession, name=kept.name)
        kept.last = self.clock()
        value = self._rename(kept, secure)
        self.put(kept)
        return value

    def end(self, kept: KeptSession) -> None:
        """Forget `kept`, and call what wants to know."""
        self._drop(kept)
        if self.get(kept.name) is not kept:
            return
        self._registry.remove_component(KeptSession, name=kept.name)
        turn = current.get()
        for method, arguments in kept.calls:
            if turn is not None:
                for item in (getattr(method, "__self__", None), *arguments):
                    turn.touch_component(item)
                    turn.touch_held(item)
            try:
                method(*arguments)
            except (Exception, SystemExit):  # noqa: BLE001 - users' code raises anything
                _log.exception("%r, called at the end of a session, failed", method)

    # Order.

    def _rename(self, kept: KeptSession, secure: bool) -> str:
        name, bits = cookie_name(secure), secrets.token_urlsafe(32)
        key = self._registry.get_component(SigningKey, default=SigningKey)
        value = f"{bits}.{key.sign(name, bits)}"
        kept.name = _digest(name, value)
        self._registry.set_component(KeptSession, kept, name=kept.name)
        return value

    def put(self, kept: KeptSession, *, came_back: bool = True) -> None:
        """`kept` will be over later than those that were put before."""
        self._drop(kept)
        self._queues.setdefault((kept.timeout, came_back), OrderedDict())[kept.name] = kept

    def _drop(self, kept: KeptSession) -> None:
        self._uses.pop(kept.name, None)
        for came_back in (False, True):
            queue = self._queues.get((kept.timeout, came_back))
            if queue is not None:
                queue.pop(kept.name, None)

    def _first(self, queue: "_Queue") -> KeptSession | None:
        while queue:
            name, kept = next(iter(queue.items()))
            if kept.name == name and self.get(name) is kept:
                return kept
            del queue[name]
        return None

    def _oldest(self) -> KeptSession | None:
        """Whoever came once goes first: so those who take no cookies drive out each other alone."""
        for wanted in (False, True):
            queues = [
                queue for (_, came_back), queue in self._queues.items() if came_back is wanted
            ]
            heads = [kept for queue in queues if (kept := self._first(queue)) is not None]
            if heads:
                return min(heads, key=lambda kept: kept.last + kept.timeout)
        return None

    # Time.

    def tick(self) -> None:
        """Write down what was used, and let end what is over; by itself about once a second."""
        more = False
        try:
            more = self._work()
        finally:
            self._continue(0 if more else self._delay)

    def _continue(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # In a context of its own: in that of a request its turn would never be given up.
        self._timer = self._loop.call_later(delay, self.tick, context=Context())

    def _work(self) -> bool:
        """Do some of what is to be done; whether there is more that can be done now."""
        uses = list(islice(self._uses.values(), _SOME))
        if not uses and self._over() is None:
            return False
        if self._ledger is not None and self._ledger.is_failing:
            # What wants to know of an end would be called, and that undone, again and again.
            return False
        turn = Turn(self._ledger)
        ended = 0
        try:
            with taking(turn):
                turn.begin()
                try:
                    for kept in uses:
                        self._write_down(kept)
                    while ended < _SOME and (over := self._over()) is not None:
                        self.end(over)
                        ended += 1
                finally:
                    turn.end()
        except UnsafeError as error:
            _log.warning("sessions wait: %s", error)
            self._uses.update((kept.name, kept) for kept in uses)
            self._delay = min(2 * self._delay, _LONGEST_DELAY)
            return False
        self._delay = _TICK
        return len(uses) == _SOME or ended == _SOME

    def _write_down(self, kept: KeptSession) -> None:
        if self.get(kept.name) is not kept:
            self._drop(kept)
            return
        self.touch(kept)
        kept.last = kept.used
        self.put(kept)

    def _over(self) -> KeptSession | None:
        """A session that is over."""
        now = self.clock()
        firsts = map(self._first, self._queues.values())
        return next((kept for kept in firsts if kept is not None and kept.is_over(now)), None)


_Queue = OrderedDict[str, KeptSession]


def _digest(name: str, value: str) -> str:
    return hashlib.sha256(f"{name}={value}".encode()).hexdigest()
