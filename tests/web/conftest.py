"""A server in a thread of its own, and raw connections to it."""

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import pytest
import uvloop

from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.turns import closed
from perdure.app.web.channel import HTTPChannel
from perdure.app.web.http import PROTOCOLS, HTTPServer
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.site import Site, close_all
from perdure.persist.trust import Policy

from ..certificate import new_key, pem_of_certificate, pem_of_key
from ..paper import Paper

T = TypeVar("T")
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
"""Of a server, and of a client that trusts it."""

_TIMEOUT = 20.0


class Connection:
    """A client that says and hears bytes."""

    def __init__(self, address: tuple[str, int] | str) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(_TIMEOUT)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=_TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """What comes up to and with `mark`; all there is if the server closes before."""
        while mark not in self._heard:
            data = self.socket.recv(65536)
            if not data:
                mark = b""
                break
            self._heard += data
        end = self._heard.find(mark) + len(mark) if mark else len(self._heard)
        result, self._heard = self._heard[:end], self._heard[end:]
        return result

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        pieces = [self._heard]
        self._heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                pieces.append(data)
        return b"".join(pieces)

    def closed(self) -> bool:
        """Whether nothing more comes and the server has closed."""
        return self.rest() == b""

    def reply(self, *, head_only: bool = False) -> "Reply":
        """The next whole reply."""
        while (head := self.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100"):
            pass
        reply = Reply(head)
        if head_only or reply.status in (204, 304):
            return reply
        if reply.get("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n"), 16):
                reply.body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.exactly(2) == b"\r\n"
        elif (length := reply.get("content-length")) is not None:
            reply.body = self.exactly(int(length))
        else:
            reply.body = self.rest()
        return reply

    def silent(self) -> bool:
        """Whether nothing has come that was not heard yet; what has come is lost."""
        self.socket.setblocking(False)
        try:
            return not self._heard and not self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        finally:
            self.socket.settimeout(_TIMEOUT)

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes; fewer if the server closes before."""
        pieces = [self._heard]
        missing = size - len(self._heard)
        while missing > 0 and (data := self.socket.recv(min(missing, 1 << 20))):
            pieces.append(data)
            missing -= len(data)
        heard = b"".join(pieces)
        self._heard = heard[size:]
        return heard[:size]

    def ask(self, data: bytes, *, head_only: bool = False) -> "Reply":
        """Sends `data` and gives the reply to it."""
        self.send(data)
        return self.reply(head_only=head_only)


class Reply:
    """A reply, taken apart."""

    def __init__(self, head: bytes) -> None:
        assert head.startswith(b"HTTP/1.1 "), head
        self.head = head
        line, *fields = head[:-4].decode("latin-1").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.fields = [
            (name.lower(), value) for name, _, value in (f.partition(": ") for f in fields)
        ]
        self.body = b""

    def get(self, name: str) -> str | None:
        """The field `name`, which may be there once."""
        values = self.get_all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """The fields `name`, in order."""
        return [value for each, value in self.fields if each == name]


class Page(Resource):
    """Answers by a function."""

    is_leaf = True

    def __init__(self, function: Callable[[Request], Rendered] = lambda request: "hello") -> None:
        self.function = function

    def render_GET(self, request: Request) -> Rendered:
        return self.function(request)

    def render_POST(self, request: Request) -> Rendered:
        return self.function(request)


class Served:
    """A site that is being served."""

    def __init__(self, site: Site, **options: Any) -> None:
        self.site = site
        self.application: Application = options.get("application") or Application("web")
        self.registry = self.application.registry
        self.journal: Paper = options.get("journal", Paper())
        self._options = options
        self._ready = threading.Event()
        self._end: asyncio.Event
        self.problems: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(_TIMEOUT)

    def channels(self) -> list[HTTPChannel]:
        """The connections on which HTTP is spoken."""
        return [each for each in tuple(self.server.connections) if isinstance(each, HTTPChannel)]

    def _run(self) -> None:
        loop_factory = self._options.get("loop_factory", uvloop.new_event_loop)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda loop, context: self.problems.append(context))
        self._end = asyncio.Event()
        path: Path | None = self._options.get("unix")
        if path is None:
            listening = socket.create_server(("127.0.0.1", 0))
            self.address: tuple[str, int] | str = listening.getsockname()
        else:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(path))
            self.address = str(path)
        context: ssl.SSLContext | None = self._options.get("ssl_context")
        if "journal" in self._options:
            self.ledger = Ledger(self.application, self.journal, Policy.everything())
            self.application.ledger = self.ledger
            self.ledger.open()
        opened = await self.site.open(self.application)
        with listening:
            self.server = HTTPServer(self.site, self.registry, ledger=self.application.ledger)
            await self.server.listen([listening], context)
            self._ready.set()
            await self._end.wait()
            await self.server.drain(0)
            await close_all(opened)
        self.server.close_log()
        if self.application.ledger is not None:
            closed(self.application.ledger)

    def url(self, path: str = "/") -> str:
        """The URL of `path`, for clients that want one."""
        assert not isinstance(self.address, str)
        scheme = "https" if self._options.get("ssl_context") else "http"
        return f"{scheme}://{self.address[0]}:{self.address[1]}{path}"

    def connect(self) -> Connection:
        """A connection; to be used as a context."""
        return Connection(self.address)

    def get(self, path: str = "/", *fields: str, method: str = "GET") -> Reply:
        """The reply to one request on a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *fields]
        with self.connect() as client:
            request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
            return client.ask(request, head_only=method == "HEAD")

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives when called in the server's thread."""

        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(_TIMEOUT)

    def arrive(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds in the server's thread."""
        deadline = time.monotonic() + _TIMEOUT
        while not self.call(condition):
            assert time.monotonic() < deadline

    def later(self, seconds: float) -> None:
        """Lets the server believe that `seconds` have gone."""
        self.call(lambda: self.server.sweep(self.loop.time() + seconds))

    def secure(self) -> None:
        """All that the journal was given is on the disk."""

        def secured() -> None:
            self.journal.secured = self.journal.appended
            self.ledger.progressed()

        self.call(secured)

    def held(self, records: int) -> None:
        """Returns when the journal was given so many records."""
        self.arrive(lambda: self.journal.appended == records)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_TIMEOUT)
        assert not self._thread.is_alive()
        assert not self.problems


class Serve(Protocol):
    """``serve(resource, **options)``: serves it until the test ends.

    Options are those of `Site`, and ``unix`` (a path), ``ssl_context``, ``loop_factory``, ``journal``,
    ``application``.
    """

    def __call__(self, resource: Resource, **options: Any) -> Served: ...


@pytest.fixture(name="serve")
def serve_fixture() -> Iterator[Serve]:
    """See `Serve`."""
    served: list[Served] = []

    def serve(resource: Resource, **options: Any) -> Served:
        names = ("log", "headers", "display_tracebacks", "limits", "trusted_proxies")
        site = Site(resource, **{name: options.pop(name) for name in names if name in options})
        served.append(Served(site, **options))
        return served[-1]

    yield serve
    for each in served:
        each.stop()


@pytest.fixture(name="temporary")
def temporary_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, in which nothing may be left, nor be open."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())
    assert not opened(folder)


def opened(folder: Path) -> list[str]:
    """What this process has open of the files in `folder`, those without a name included."""
    found: list[str] = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(each)
        except FileNotFoundError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return found


def contexts(folder: Path) -> Contexts:
    """The context of a server that offers HTTP/2, and of a client that wants it."""
    key = new_key()
    path = folder / "both.pem"
    path.write_bytes(pem_of_key(key) + pem_of_certificate(key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    server.set_alpn_protocols(PROTOCOLS)
    client = ssl.create_default_context(cafile=path)
    client.set_alpn_protocols(["h2"])
    return server, client


@pytest.fixture(name="tls2", scope="session")
def tls2_fixture(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """As `tls`, of a server that offers HTTP/2 and a client that wants it."""
    return contexts(tmp_path_factory.mktemp("tls2"))


@pytest.fixture(name="tls", scope="session")
def tls_fixture(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A server's context, with a certificate for localhost, and that of a client that trusts it."""
    key = new_key()
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(pem_of_key(key) + pem_of_certificate(key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)
