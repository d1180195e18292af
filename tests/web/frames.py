"""A WebSocket client that can also do wrong: it says and hears frames."""

import base64
import os
from typing import Final, Self

import attrs

from .conftest import Connection, Reply, Served

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

MASK: Final = b"\x37\xfa\x21\x3d"


@attrs.frozen
class Frame:
    """A frame that came."""

    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def code(self) -> int:
        """The code of a goodbye; 1005 if there is none."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2]) if self.payload else 1005


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length: bytes | None = None,
) -> bytes:
    """A frame as a client sends it; `length` replaces the bytes that tell how long it is."""
    if length is None:
        size = len(payload)
        if size < 126:
            length = bytes([size])
        elif size < 1 << 16:
            length = b"\x7e" + size.to_bytes(2)
        else:
            length = b"\x7f" + size.to_bytes(8)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if mask is None:
        return head + length + payload
    body = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return head + bytes([length[0] | 0x80]) + length[1:] + mask + body


def goodbye(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A frame that closes."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def handshake(*fields: str, path: str = "/", key: str | None = None) -> bytes:
    """The request for a WebSocket; `fields` replace those of the same name."""
    given = {
        "Host": "site.example",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    for field in fields:
        name, _, value = field.partition(": ")
        given[name] = value
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "\r\n"]).encode("latin-1")


class FrameClient:
    """A client on one connection; to be used as a context."""

    def __init__(self, served: Served, *fields: str, path: str = "/", more: bytes = b"") -> None:
        self.connection: Connection = served.connect()
        self.connection.send(handshake(*fields, path=path) + more)
        self.reply: Reply = Reply(self.connection.until(b"\r\n\r\n"))
        assert self.reply.status == 101, self.reply.head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.connection.socket.close()

    def send(self, *frames: bytes) -> None:
        """Sends all frames at once."""
        self.connection.send(b"".join(frames))

    def hear(self) -> Frame:
        """The next frame."""
        first, second = self.connection.exactly(2)
        assert not second & 0x80, "a server does not mask"
        assert not first & 0x70, "nothing was agreed on that would need these bits"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.connection.exactly(2))
        elif size == 127:
            size = int.from_bytes(self.connection.exactly(8))
        return Frame(first & 0x0F, self.connection.exactly(size), bool(first & 0x80))

    def ask(self, text: str) -> str:
        """Sends text and gives that which comes back."""
        self.send(frame(TEXT, text.encode()))
        answer = self.hear()
        assert answer.opcode == TEXT, answer
        return answer.payload.decode()
