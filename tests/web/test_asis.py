"""Files that carry their own head."""

import logging
from pathlib import Path

import pytest

from perdure.app.web.static import DEFAULT_PROCESSORS, File

from .conftest import Serve, Served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    return site


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder, processors=DEFAULT_PROCESSORS))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 410 Gone", b"HTTP/1.0 410", b"Status: 410 Gone", b"status:410"]
)
def test_a_file_is_sent_with_the_head_it_carries(
    served: Served, folder: Path, first: bytes, end: bytes
) -> None:
    lines = [first, b"Content-Type: text/plain", b"X-Told: by the file", b"", b"It\r\nis\n\ngone."]
    (folder / "a.asis").write_bytes(end.join(lines))
    for _ in range(2):
        reply = served.get("/a.asis")
        assert (reply.status, reply.body) == (410, b"It\r\nis\n\ngone.")
        assert (reply.get("content-type"), reply.get("x-told")) == ("text/plain", "by the file")
        assert reply.get("content-length") == "13"
    head = served.get("/a.asis", method="HEAD")
    assert (head.status, head.get("content-length")) == (410, "13")
    assert served.get("/a.asis", method="POST").status == 405
    assert served.get("/a.asis/x").status == 404


def test_without_a_status_it_is_200_and_a_change_is_seen(served: Served, folder: Path) -> None:
    (folder / "a.asis").write_text("Location: /b\nStatus: 302\n\n")
    reply = served.get("/a.asis")
    assert (reply.status, reply.get("location"), reply.body) == (302, "/b", b"")
    (folder / "a.asis").write_text("Cache-Control: no-store\n\nbody")
    reply = served.get("/a.asis")
    assert (reply.status, reply.get("cache-control"), reply.body) == (200, "no-store", b"body")


def test_the_frame_of_the_message_is_the_servers(served: Served, folder: Path) -> None:
    fields = (
        "Content-Length: 1\nTransfer-Encoding: chunked\nConnection: upgrade\nUpgrade: x\n"
        "Trailer: y\nKeep-Alive: 9\nDate: never\nTE: z\nProxy-Connection: close\n"
    )
    (folder / "a.asis").write_text(f"{fields}X: y\n\nthe whole body")
    (folder / "b.asis").write_text("HTTP/1.1 204 No Content\n\na body that nobody gets")
    with served.connect() as client:
        for _ in range(2):
            reply = client.ask(b"GET /a.asis HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reply.body == b"the whole body"
            assert {name for name, _ in reply.fields} == {
                "content-type", "content-length", "x", "server", "date"
            }  # fmt: skip
            empty = client.ask(b"GET /b.asis HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (empty.status, empty.body) == (204, b"")


def test_a_large_file_is_sent_whole(served: Served, folder: Path) -> None:
    body = bytes(range(256)) * 4096
    (folder / "a.asis").write_bytes(b"Content-Type: image/x-large\n\n" + body)
    for _ in range(2):
        reply = served.get("/a.asis")
        assert (reply.body, reply.get("content-type")) == (body, "image/x-large")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty line is missing"),
        (b"just text\nwithout a head", "an empty line is missing"),
        (b"X: " + b"y" * 70_000 + b"\n\nbody", "an empty line is missing"),
        (b"a line without colon\n\nbody", "a.asis:1 'a line without colon' is no header field"),
        (b"X: y\n continued: z\n\nbody", "a.asis:2 ' continued: z' is no header field"),
        (b"HTTP/1.1 Gone\n\n", "is no status"),
        (b"Status: 100 Continue\n\n", "is no status"),
        (b"Status: 999\n\n", "is no status"),
        (b"Bad Name: x\n\n", "a name is made of letters"),
        (b"X: a\x01b\n\n", "no control characters"),
        (b"X: a\rSet-Cookie: b\n\n", "no control characters"),
    ],
)
def test_a_file_that_cannot_be_sent_so_says_why_in_the_log(
    served: Served,
    folder: Path,
    content: bytes,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (folder / "a.asis").write_bytes(content)
    with caplog.at_level(logging.ERROR, "perdure.web"):
        reply = served.get("/a.asis")
    assert reply.status == 500
    assert b"the server&#x27;s log says why" in reply.body
    assert told in caplog.text
    assert "Traceback" not in caplog.text


def test_without_the_processor_it_is_a_file_like_others(serve: Serve, folder: Path) -> None:
    (folder / "a.asis").write_text("HTTP/1.1 410 Gone\n\n")
    assert serve(File(folder)).get("/a.asis").status == 200
