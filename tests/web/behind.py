"""A server behind a proxy, played by the test itself."""

import contextlib
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from httptools import HttpRequestParser

from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import Pool

from .conftest import Connection

_TIMEOUT = 20.0


class Accepted(Connection):
    """A connection that the proxy has made."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.socket.settimeout(_TIMEOUT)
        self._heard = b""

    def request(self) -> "Heard":
        """The head of the next request."""
        return Heard(self.until(b"\r\n\r\n"))

    def answer(self, body: bytes = b"", *fields: str, status: str = "200 OK") -> None:
        """Answers with a whole body."""
        lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def reset(self) -> None:
        """Ends the connection as a server does that has crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Heard:
    """The head of a request as the server behind gets it."""

    def __init__(self, raw: bytes) -> None:
        assert raw.endswith(b"\r\n\r\n"), raw
        self.line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        self.fields = [
            (name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)
        ]

    def get(self, name: str) -> str | None:
        """The field `name`, which may be there once."""
        values = [value for each, value in self.fields if each == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.fields}


class Behind:
    """A place where the proxy connects to."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self.socket = socket.create_server(("127.0.0.1", 0))
            self.port: int = self.socket.getsockname()[1]
            self.endpoint = f"tcp:{self.port}:interface=127.0.0.1"
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            self.socket.listen()
            self.endpoint = f"unix:{path}"
        self.socket.settimeout(_TIMEOUT)
        self._accepted: list[Accepted] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()
        for each in self._accepted:
            each.socket.close()

    def accept(self) -> Accepted:
        """The next connection of the proxy."""
        self._accepted.append(Accepted(self.socket.accept()[0]))
        return self._accepted[-1]

    def called(self) -> bool:
        """Whether the proxy has connected once more than was accepted."""
        self.socket.setblocking(False)
        try:
            self._accepted.append(Accepted(self.socket.accept()[0]))
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            self.socket.settimeout(_TIMEOUT)

    @contextmanager
    def answering(self) -> Generator[list[tuple[str, str, bytes]]]:
        """Within the block, threads answer every request; gives method, target and body of each."""
        asked: list[tuple[str, str, bytes]] = []

        def accept() -> None:
            while True:
                try:
                    connection = self.accept()
                except OSError:
                    return
                threading.Thread(target=_answer, args=(connection, asked), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            self.socket.shutdown(socket.SHUT_RDWR)
            thread.join(_TIMEOUT)


def pool_of(proxy: ReverseProxy) -> Pool:
    """The connections of a proxy that was asked before."""
    pool: Pool | None = vars(proxy)["_pool"]
    assert pool is not None
    return pool


def is_cut(client: Connection) -> bool:
    """Whether the connection ends as nothing ends that is complete."""
    try:
        while client.socket.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False


class _Parsed:
    """Takes a parser's events."""

    def __init__(self, connection: Accepted, asked: list[tuple[str, str, bytes]]) -> None:
        self._connection = connection
        self._asked = asked
        self.parser = HttpRequestParser(self)
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode()
        self._asked.append((method, self._url.decode(), self._body))
        self._url = self._body = b""
        self._connection.answer(b"noted")


def _answer(connection: Accepted, asked: list[tuple[str, str, bytes]]) -> None:
    parser = _Parsed(connection, asked).parser
    with contextlib.suppress(OSError):
        while data := connection.socket.recv(65536):
            parser.feed_data(data)
