"""A request, as a resource sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from ..registry import Registry
from ..turns import Turn
from .body import ClientGoneError, RequestBody
from .errors import HTTPError
from .head import Head, Headers
from .response import Response
from .sessions import Sessions

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from .forms import Form
    from .resource import Resource
    from .session import Session


Transform = Callable[["Request", Response], Response]
"""What changes a reply before it leaves; see `Request.transform`."""


class Request:
    """One request of a client.

    Lives until its reply has left. `client` is the peer's address (``unix`` for a UNIX socket),
    `secure` whether it came by TLS (both as far as a trusted proxy does not know better), `registry`
    the registry of the application that serves it, and `turn` the unit of work that answering it is;
    None where changes are not made durable one by one. `user` is who asks, if somebody made sure of
    that (`auth.Protected`); else None; `proof` is what only one request can have proven that with. `root` is where its walk began.
    From when the head of the reply is made it `is_being_answered`.
    """

    __slots__ = (
        "_args",
        "_closed",
        "_cookies",
        "_draining",
        "_form",
        "_host",
        "_is_closed",
        "_is_draining",
        "_postpath",
        "_session",
        "_sessions",
        "body",
        "client",
        "head",
        "is_being_answered",
        "method",
        "prepath",
        "proof",
        "registry",
        "relocations",
        "root",
        "secure",
        "transforms",
        "turn",
        "user",
    )

    def __init__(
        self,
        head: Head,
        client: str,
        secure: bool,
        registry: Registry,
        sessions: Sessions,
        body: RequestBody | None = None,
    ) -> None:
        self.head = head
        self.method = head.method
        self.client = client
        self.secure = secure
        self.registry = registry
        self.body = body
        self.prepath: list[str] = []
        self._postpath: list[str] | None = None
        self._args: MultiDict[str, str] | None = None
        self._cookies: MultiDict[str, str] | None = None
        self._closed: asyncio.Event | None = None
        self._form: Form | None = None
        self._draining: asyncio.Event | None = None
        self._is_closed = False
        self._is_draining = False
        self._sessions = sessions
        self._session: Session | None = None
        self._host: str | None = None
        self.is_being_answered = False
        self.relocations = 0
        self.root: Resource | None = None
        self.transforms: list[Transform] | None = None
        self.turn: Turn | None = None
        self.user: str | None = None
        self.proof: object = None

    @property
    def target(self) -> str:
        """The address as it stood in the request line."""
        return self.head.target

    @property
    def path(self) -> str:
        """The path of the address, still escaped; ``*`` for ``OPTIONS *``."""
        return self.head.path

    @property
    def query(self) -> str:
        """What followed the question mark, still escaped; empty if nothing did."""
        return self.head.query

    @property
    def version(self) -> str:
        """``1.1``, ``1.0`` or ``2``."""
        return self.head.version

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self.head.headers

    @property
    def host(self) -> str:
        """The name, and port if given, under which the client addressed this server.

        An absolute address outranks the Host field (RFC 9112, 3.2.2). Written by the client:
        nothing vouches for it. Who knows better, as a proxy does, may set it.
        """
        host = self.host_known
        return self.head.headers.get("host", "") if host is None else host

    @host.setter
    def host(self, host: str) -> None:
        self._host = host

    @property
    def host_known(self) -> str | None:
        """What outranks the Host field, if there is something."""
        return self.head.authority if self._host is None else self._host

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path: ``/a/b%2Fc/`` is ``["a", "b/c", ""]``.

        Raises `RequestError` for escapes that are not UTF-8 and for NUL.
        """
        return list(self.head.segments())

    @property
    def postpath(self) -> list[str]:
        """The segments not walked yet; a resource that is a leaf finds its rest here."""
        if self._postpath is None:
            self._postpath = list(self.head.segments())
        return self._postpath

    @property
    def args(self) -> "MultiDict[str, str]":
        """The arguments in the query; broken UTF-8 comes as U+FFFD."""
        if self._args is None:
            from urllib.parse import parse_qsl

            from werkzeug.datastructures import MultiDict

            self._args = MultiDict(parse_qsl(self.query, keep_blank_values=True))
        return self._args

    @property
    def cookies(self) -> "MultiDict[str, str]":
        """The cookies that the client sent; broken UTF-8 comes as U+FFFD."""
        if self._cookies is None:
            from werkzeug.sansio.http import parse_cookie

            sent = self.headers.get("cookie", "").encode("latin-1")
            self._cookies = parse_cookie(sent.decode(errors="replace"))
        return self._cookies

    @property
    def session(self) -> "Session":
        """What is remembered of the visitor who asks; nothing is, until something is put into it.

        To ask for it counts as a use, and makes the reply one that no shared cache may keep.
        """
        if self._session is None:
            from .session import Session

            self._session = Session(self, self._sessions)
        return self._session

    def transform(self, function: Transform) -> None:
        """Have ``function(request, response)`` make the reply of what is about to become it.

        Called once, before anything has left, with whatever was rendered as a `Response`: a page, a
        file, a stream, an error. What was asked for last is done first, so those who stand nearer to
        the page see it before those around them. It must not wait: a `Response` whose body is an
        asynchronous iterable does its work later.
        """
        if self.transforms is None:
            self.transforms = []
        self.transforms.append(function)

    def relocate(self, target: str) -> None:
        """Make it a GET of `target`, a path and perhaps a query; HEAD stays HEAD.

        For a page that is to be found at another place of this server: the walk may begin at `root`
        again, which passes what guards that place. What was to transform the reply is forgotten, and
        who asks. `relocations` tells how often that was done, so that it can be told from a circle.
        """
        self.relocations += 1
        self.user = None
        self.head = self.head.at(target)
        self.method = "HEAD" if self.method == "HEAD" else "GET"
        self.body = self._postpath = self._args = self.transforms = None
        self.prepath.clear()

    def head_fields(self) -> bytes:
        """What the head of the reply, which is to leave now, has because of the request."""
        self.is_being_answered = True
        return b"" if self._session is None else self._session.head_fields()

    @property
    def closed(self) -> asyncio.Event:
        """Set when the client is gone, or its connection was given up."""
        if self._closed is None:
            self._closed = asyncio.Event()
            if self._is_closed:
                self._closed.set()
        return self._closed

    def close(self) -> None:
        """Tells everyone who waits for `closed`; the channel calls it."""
        self._is_closed = True
        if self._closed is not None:
            self._closed.set()
        if self.body is not None:
            self.body.fail(ClientGoneError())

    @property
    def draining(self) -> asyncio.Event:
        """Set when the server has begun to stop: a reply that would go on for ever ends then."""
        if self._draining is None:
            self._draining = asyncio.Event()
            if self._is_draining:
                self._draining.set()
        return self._draining

    def drain(self) -> None:
        """Tells everyone who waits for `draining`; the channel calls it."""
        self._is_draining = True
        if self._draining is not None:
            self._draining.set()

    def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they come; reading slowly slows the client.

        A body can be streamed once. Raises `BodyTooLargeError`, `RequestError` (the client is
        answered 413 or 400 if nothing was answered yet), `ClientGoneError`, and `BodyDroppedError`
        when the reply has left.
        """
        return _nothing() if self.body is None else self.body.stream()

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body; again and again the same. Raises as `stream`.

        A body longer than `limit` bytes raises `BodyTooLargeError`, besides the server's own limit.
        One that came compressed is not unpacked, whatever its size would be: the client is answered
        415. Who knows what to do with it takes it as it is from `stream`.
        """
        self._check_coding()
        return b"" if self.body is None else await self.body.read(limit)

    async def form(self) -> "Form":
        """The body as the form it is, urlencoded or multipart; empty if it is neither.

        Large files are not kept in memory. They are gone when the reply has left: save what is to be
        kept. Raises as `read`; what is over a limit of the site (`Limits`) is answered 413, and
        what breaks the grammar 400.
        """
        if self._form is None:
            from .forms import read_form

            self._check_coding()
            self._form = await read_form(self)
        return self._form

    def _check_coding(self) -> None:
        coding = self.headers.get("content-encoding", "identity").lower()
        if self.body is not None and coding not in ("", "identity"):
            detail = f"The request's body is compressed ({coding}); send it as it is."
            raise HTTPError(415, detail, [("Accept-Encoding", "identity")])

    def release(self) -> None:
        """Forgets the files of the form; the channel calls it when the reply is complete."""
        form, self._form = self._form, None
        if form is not None:
            form.close()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
