"""A visitor's session, as a page sees it."""

import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast, overload

import attrs

from ...persist.errors import PerdureError
from ..naming import check_callable, class_name
from ..registry import ComponentError
from .sessions import KeptSession, Sessions, set_cookie

if TYPE_CHECKING:
    from .request import Request

T = TypeVar("T")


@attrs.define
class SessionError(PerdureError):
    """A session was asked for something that cannot be now; nothing was changed."""

    exit_status: ClassVar[int] = os.EX_SOFTWARE
    reason: str

    def __str__(self) -> str:
        return f"session: {self.reason}"


class Session:
    """What is remembered of the visitor whose request this is: see `Request.session`.

    It is one request's hold of a session; not saved, and not to be kept for another request. There
    is nothing to a visitor of whom nothing is remembered: a session is kept, and its cookie given,
    from when something is first put into it. What is put into it is saved as components of the
    registry are, and found again by the requests that bring the cookie.

    A session is over when it was unused for so long as the site's limits say, when `expire` is
    called, or when there are too many. If that happens while another request is under way, that
    request goes on with one that is not kept. So does HEAD, unless the visitor has one already.
    """

    __slots__ = ("_cookie", "_ended", "_is_detached", "_kept", "_name", "_request", "_sessions")

    def __init__(self, request: "Request", sessions: Sessions) -> None:
        self._request = request
        self._sessions = sessions
        self._kept = sessions.find(request.cookies, request.secure)
        self._name = "" if self._kept is None else self._kept.name
        self._is_detached = False
        self._ended = ""
        # What the visitor's browser is to be told: a value, or that it is over.
        self._cookie: str | None = None
        self.touch()

    @property
    def is_kept(self) -> bool:
        """Whether anything is remembered of this visitor."""
        return self._present() is not None and not self._is_detached

    @overload
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: Callable[[], T]
    ) -> T: ...
    @overload
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: None = None
    ) -> T | None: ...
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: Callable[[], T] | None = None
    ) -> T | None:
        """The session's component of this class and name, or one made now, or None.

        As with `Registry.get_component`, what `default` makes is kept; there are no adapters.
        Raises `ComponentError`, and `SessionError` where a session would begin too late.
        """
        key = _key(cls, name)
        kept = self._present()
        component = None if kept is None else kept.components.get(key)
        if component is None and default is not None:
            made = default()
            if made is None:
                raise ComponentError(key, "its default factory made None")
            component = self._begun().components.setdefault(key, made)
        return cast("T | None", component)

    def set_component(self, cls: type[T], component: T, *, name: str | None = None) -> None:
        """Keep `component` for this class and name, in place of any other. Raises as `get_component`."""
        key = _key(cls, name)
        if component is None:
            raise ComponentError(key, "None is not a component; use remove_component")
        self._begun().components[key] = component

    def remove_component(self, cls: type[T], *, name: str | None = None) -> T:
        """Forget and return the component of this class and name. Raises `ComponentError`."""
        key = _key(cls, name)
        kept = self._present()
        if kept is None or key not in kept.components:
            raise ComponentError(key, "there is none to remove")
        return cast("T", kept.components.pop(key))

    def notify_on_expire(self, method: Callable[..., object], *arguments: object) -> None:
        """Have ``method(*arguments)`` called when the session is over, for whatever reason.

        `method` is a function of a module, or a method of a component or of what the session holds;
        it is kept, and so are the arguments. It is called in the turn that ends the session, when
        that is no more to be found; what it raises is logged. If the end cannot be saved, it is
        called again. Raises `UnnamedError` for what has no name, and `SessionError` for what is
        ``async``, and as `get_component` does.
        """
        check_callable(method)
        if not inspect.isroutine(method) or inspect.iscoroutinefunction(method):
            raise SessionError(
                f"{method!r} is no plain function or method, to be called at its end"
            )
        kept = self._begun()
        kept.calls = (*kept.calls, (method, arguments))

    def touch(self) -> None:
        """Count this as a use. To ask a request for its session does so already."""
        kept = self._present()
        if kept is not None and not self._is_detached:
            self._sessions.use(kept)

    def rotate(self) -> None:
        """Give the visitor another cookie; the one there was is for nothing from now on.

        To be called when somebody logs in, or gets more rights: whoever has learnt the old cookie, or
        has slipped it to the visitor, does not get in with it. A session that is not kept needs none,
        and by HEAD none is given. Raises `SessionError` when the reply has begun to leave.
        """
        kept = self._present()
        if kept is None or self._is_detached or self._request.method == "HEAD":
            return
        self._check_time()
        self._cookie = self._sessions.rotate(kept, self._request.secure)
        self._name = kept.name

    def expire(self) -> None:
        """End the session, as for somebody who logs out. What is put in afterwards begins another."""
        kept = self._present()
        self._kept, self._name = None, ""
        if kept is None or self._is_detached:
            self._is_detached = False
            return
        self._sessions.end(kept)
        self._ended, self._cookie = kept.name, ""

    def head_fields(self) -> bytes:
        """What the head of the reply has because of the session.

        Nothing that depends on a visitor belongs into a cache that others share: RFC 9111, 7.3 does
        not keep cookies out of one by itself.
        """
        fields = b"Cache-Control: private\r\n"
        # What was begun or ended may have been undone since, because it could not be saved.
        if self._cookie is not None and (
            self._sessions.get(self._name) is not None
            if self._cookie
            else self._sessions.get(self._ended) is None
        ):
            fields += set_cookie(self._cookie, self._request.secure)
        return fields

    def _present(self) -> KeptSession | None:
        """The session, touched; None if there is none."""
        kept = self._kept
        if kept is None or self._is_detached:
            return kept
        if self._sessions.get(self._name) is not kept:
            # Another request has ended it, or given it another name that is not for this one.
            self._kept, self._name, self._is_detached = None, "", True
            return None
        self._sessions.touch(kept)
        return kept

    def _begun(self) -> KeptSession:
        """The session; if there is none, one that begins now."""
        kept = self._present()
        if kept is None:
            if self._is_detached or self._request.method == "HEAD":
                self._is_detached = True
                kept = self._sessions.detached()
            else:
                self._check_time()
                kept, self._cookie = self._sessions.begin(self._request.secure)
                self._name = kept.name
            self._kept = kept
        return kept

    def _check_time(self) -> None:
        if self._request.is_being_answered:
            raise SessionError(
                "the reply has begun to leave, so no cookie can go with it; do this before the"
                " first piece of a stream"
            )


def _key(cls: type, name: str | None) -> str:
    dotted = class_name(cls)
    return dotted if name is None else f"{dotted}:{name}"
