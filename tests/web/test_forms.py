"""Forms and uploads: taken as they come, bounded, and nothing of them is left behind."""

import asyncio
import gzip
import os
import re
import subprocess
import threading
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.web.body import RequestBody
from perdure.app.web.errors import HTTPError
from perdure.app.web.forms import Form, Upload, read_form
from perdure.app.web.head import parse_head
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.spool import Gathered, Spool

from .conftest import Serve, opened

pytestmark = pytest.mark.usefixtures("temporary")

MB = 1024 * 1024
SMALL = Limits(
    body=4 * MB, upload=3 * MB, form_parts=10, form_text=1000, form_memory=1000, body_time=5
)


class Post(Resource):
    """Answers by a function of the form."""

    is_leaf = True

    def __init__(self, answer: Callable[[Form], Awaitable[str]]) -> None:
        self.answer = answer

    async def render_POST(self, request: Request) -> Rendered:
        return await self.answer(await request.form())


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    told = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: image/x-{name}'
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def post(body: bytes, kind: str = "multipart/form-data; boundary=B", *fields: str) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *fields, "", ""]).encode() + body


async def described(form: Form) -> str:
    files = [
        (each.name, each.filename, each.content_type, each.size, each.is_in_memory)
        for name in form.files
        for each in form.files.getlist(name)
    ]
    return f"{form.fields.to_dict(flat=False)} {files}"


def test_fields_and_files_come_as_they_were_sent(serve: Serve) -> None:
    body = (
        part("a", "ß".encode())
        + part("a", b"")
        + part("none", b"", "")
        + part("f", b"x" * 600, "ein Bild.png")
        + part("f", b"y" * 600, "../../etc/passwd")
        + part("g", b"", "empty")
        + b"--B--\r\n"
        + b"and an epilogue" * 20_000
    )
    with serve(Post(described), limits=SMALL).connect() as client:
        assert client.ask(post(body)).body.decode() == (
            "{'a': ['ß', '']} [('f', 'ein Bild.png', 'image/x-f', 600, True),"
            " ('f', '../../etc/passwd', 'image/x-f', 600, False),"
            " ('g', 'empty', 'image/x-g', 0, True)]"
        )
        assert client.ask(post(b"a=1", "application/x-www-form-urlencoded")).status == 200


def test_a_large_file_is_not_kept_in_memory(serve: Serve, temporary: Path) -> None:
    seen: list[int] = []

    async def answer(form: Form) -> str:
        seen.append(len(opened(temporary)))
        upload = form.files["f"]
        with upload.open() as file:
            file.seek(-3, os.SEEK_END)
            end = file.read()
            file.seek(1)
            assert file.tell() == 1
            assert file.read(2) == b"01"
        return f"{len(await upload.read())} {end.decode()}"

    content = b"".join(b"%015d\n" % count for count in range(MB // 8))
    with serve(Post(answer), limits=SMALL).connect() as client:
        reply = client.ask(post(part("f", b"x" + b"01" + content, "n") + b"--B--\r\n"))
        assert reply.body == b"2097155 71\n"
    assert seen == [1]


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("count", [1, 3])
def test_an_upload_is_saved_whole_and_takes_the_place_of_what_is_there(
    serve: Serve, tmp_path: Path, size: int, count: int
) -> None:
    target = tmp_path / "saved"
    target.write_text("before")
    again = tmp_path / "again"

    async def answer(form: Form) -> str:
        upload = form.files.getlist("f")[-1]
        await upload.save(target)
        await upload.save(again)
        return "saved"

    body = b"".join(part("f", bytes([65 + each]) * size, "n") for each in range(count))
    with serve(Post(answer), limits=SMALL).connect() as client:
        assert client.ask(post(body + b"--B--\r\n")).body == b"saved"
    for path in (target, again):
        assert path.read_bytes() == bytes([64 + count]) * size
    assert target.stat().st_ino != again.stat().st_ino
    plain = tmp_path / "plain"
    plain.write_text("")
    assert target.stat().st_mode == plain.stat().st_mode
    assert {each.name for each in tmp_path.iterdir()} == {"saved", "again", "plain", "temporary"}


def test_what_cannot_be_saved_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    async def answer(form: Form) -> str:
        with pytest.raises(IsADirectoryError):
            await form.files["f"].save(tmp_path / "folder")
        with pytest.raises(FileNotFoundError):
            await form.files["f"].save(tmp_path / "none" / "file")
        return "not saved"

    for size in (10, 100_000):
        with serve(Post(answer), limits=SMALL).connect() as client:
            body = part("f", b"x" * size, "n") + b"--B--\r\n"
            assert client.ask(post(body)).body == b"not saved"
    assert {each.name for each in tmp_path.iterdir()} == {"folder", "temporary"}


def test_a_file_is_gone_when_the_reply_has_left(serve: Serve) -> None:
    uploads: list[Upload] = []

    async def answer(form: Form) -> str:
        uploads.append(form.files["f"])
        return "kept for too long"

    with serve(Post(answer), limits=SMALL).connect() as client:
        client.ask(post(part("f", b"x" * 5000, "n") + b"--B--\r\n"))
        with pytest.raises(ValueError, match="its reply has left"):
            asyncio.run(uploads[0].read())


MANY = part("f", b"x", "n") * 11
TOO_MUCH: list[tuple[bytes, str, str]] = [
    (MANY + b"--B--\r\n", "", "413 .* more than 10 fields"),
    (part("a", b"x" * 600) * 2 + b"--B--\r\n", "", "413 .* more than 1000 bytes of text"),
    (part("a", b"x" * (3 * MB + 1), "n"), "", "413 .* larger than 3145728 bytes"),
    (b"a=1&" * 10, "application/x-www-form-urlencoded", "413 .* more than 10 fields"),
    (
        b"a=" + b"x" * 999,
        "application/x-www-form-urlencoded",
        "413 .* more than 1000 bytes of text",
    ),
    (b"x" * (4 * MB + 1), "", "413 .* larger than 4194304 bytes"),
]
BROKEN: list[tuple[bytes, str, str]] = [
    (part("f", b"x", "n"), "", "400 .* breaks off"),
    (part("f", b"x" * 5000, "n")[:-300], "", "400 .* breaks off"),
    (b"--B\r\nX: y\r\n\r\nz\r\n--B--\r\n", "", "400 .* grammar of its parts"),
    (b"--B\r\nContent-Disposition: form-data\r\n\r\nz\r\n--B--\r\n", "", "400 .* no name"),
    (b"--B\r\nX: " + b"y" * 40000, "", "400 .* bytes of header"),
    (b"no boundary " * 9000, "", "400 .* bytes of header"),
    (b"--B\r\nA\xff: b\r\n\r\n\r\n--B--\r\n", "", "400 .* grammar of its parts"),
    (b"x", "multipart/form-data", "400 .* what separates"),
    (b"x", f"multipart/form-data; boundary={'B' * 300}", "400 .* what separates"),
]


@pytest.mark.parametrize(("body", "kind", "answer"), TOO_MUCH + BROKEN)
def test_what_is_too_much_or_broken_is_answered_in_a_sentence(
    serve: Serve, body: bytes, kind: str, answer: str
) -> None:
    served = serve(Post(described), limits=SMALL)
    with served.connect() as client:
        client.send(post(body, kind or "multipart/form-data; boundary=B")[: 3 * MB + 300])
        reply = client.reply()
        assert re.search(answer, f"{reply.status} {reply.body.decode()}", re.DOTALL), reply.body
    assert served.get(method="OPTIONS").status == 204, "others are served"


def test_a_visitor_who_leaves_in_the_middle_leaves_nothing(serve: Serve, temporary: Path) -> None:
    served = serve(Post(described), limits=SMALL)
    with served.connect() as client:
        client.send(post(part("f", b"x" * 3 * MB, "n"))[: 2 * MB])
        served.arrive(lambda: bool(opened(temporary)))
    served.arrive(lambda: not opened(temporary) and not served.server.connections)


def test_a_spool_that_is_closed_while_it_is_written_writes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, going_on = threading.Event(), threading.Event()
    pwrite = os.pwrite

    def slow(descriptor: int, data: bytes, offset: int) -> int:
        begun.set()
        assert going_on.wait(20)
        return pwrite(descriptor, data, offset)

    async def scenario() -> None:
        spool = Spool()
        await spool.append(b"so that there is a file")
        monkeypatch.setattr(os, "pwrite", slow)
        writing = asyncio.create_task(spool.append(b"spooled"))
        assert await asyncio.to_thread(begun.wait, 20)
        descriptor = spool.descriptor
        spool.close()
        # It would get the number of the file, were that closed now.
        with (tmp_path / "other").open("wb") as other:
            going_on.set()
            await writing
            assert os.fstat(other.fileno()).st_size == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
        with pytest.raises(ValueError, match="what was sent is gone"):
            await spool.append(b"more")

    asyncio.run(scenario())


def test_a_disk_that_is_full_is_said(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(28, "No space left on device")

    served = serve(Post(described), limits=SMALL)
    with served.connect() as client:
        monkeypatch.setattr(os, "pwrite", full)
        reply = client.ask(post(part("f", b"x" * 5000, "n") + b"--B--\r\n"))
        assert (reply.status, b"no room" in reply.body) == (507, True)
        monkeypatch.undo()
        assert client.ask(post(part("f", b"x" * 5000, "n") + b"--B--\r\n")).status == 200
    assert "what is sent cannot be kept in" in caplog.text


def test_what_comes_in_pieces_is_the_same_in_memory_and_in_a_file() -> None:
    pieces = [b"one\n", b"", b"two", b"three\n" * 1000]

    async def gathered(memory: int) -> list[bytes]:
        body = Gathered(memory)
        for piece in pieces:
            await body.append(piece)
        with body.open() as file:
            lines = list(file)
        body.close()
        body.close()
        return lines

    expected = b"".join(pieces).splitlines(keepends=True)
    for memory in (0, 5, 1 << 20):
        assert asyncio.run(gathered(memory)) == expected


# A zip of death.


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "GZIP"])
def test_a_compressed_body_is_not_unpacked_whatever_its_size_would_be(
    serve: Serve, coding: str
) -> None:
    packed = gzip.compress(b"a=" + b"\0" * 50 * MB)
    assert len(packed) < 60_000
    served = serve(Post(described))
    with served.connect() as client:
        kind = "application/x-www-form-urlencoded"
        reply = client.ask(post(packed, kind, f"Content-Encoding: {coding}"))
        assert (reply.status, reply.get("accept-encoding")) == (415, "identity")
        plain = client.ask(post(b"a=1", kind, "Content-Encoding: identity"))
        assert plain.body == b"{'a': ['1']} []"


class Raw(Resource):
    """Takes what comes as it is."""

    is_leaf = True

    async def render_PUT(self, request: Request) -> str:
        if request.query:
            return str(len(await request.read()))
        return str(sum([len(piece) async for piece in request.stream()]))


def test_who_streams_a_compressed_body_gets_it_as_it_came(serve: Serve) -> None:
    with serve(Raw()).connect() as client:
        head = b"HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345"
        assert client.ask(b"PUT / " + head).body == b"5"
        assert client.ask(b"PUT /?read " + head).status == 415


# However it is cut.


class Still:
    """A connection from which all has come, and that has room for everything."""

    def body_wanted(self) -> None: ...

    def body_taken(self) -> None: ...

    def body_gathered(self, size: int) -> bool:
        return True


def form_of(body: bytes, cuts: list[int], limits: Limits) -> Form | HTTPError:
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})

    async def scenario() -> Form | HTTPError:
        raw = post(body)[: -len(body) or None]
        request_body = RequestBody(Still(), parse_head(raw, 100), limits)
        request_body.feed(b"")
        for begin, end in pairwise(places):
            request_body.feed(body[begin:end])
        any_: Any = None
        request = Request(parse_head(raw, 100), "", False, any_, any_, request_body)
        try:
            return await read_form(request)
        except HTTPError as error:
            return error

    return asyncio.run(scenario())


contents = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"\r\n", b"--B", b"--", b"\n", b"\r", b"x" * 70, b"B"]), max_size=12
).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(contents.filter(lambda each: b"\n--B" not in each and b"\r--B" not in each)),
    cuts=st.lists(st.integers(0, 5000), max_size=10),
    memory=st.integers(0, 400),
)
def test_however_a_form_is_cut_its_files_are_what_was_sent(
    files: list[bytes], cuts: list[int], memory: int
) -> None:
    files = [each for each in files if not each.startswith(b"--B")]
    body = b"".join(part(str(number), each, "n") for number, each in enumerate(files))
    form = form_of(body + b"--B--\r\n", cuts, Limits(form_memory=memory))
    assert isinstance(form, Form)
    found = [asyncio.run(form.files[str(number)].read()) for number in range(len(files))]
    form.close()
    assert found == files


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                b"--B",
                b"--B--",
                b"\r\n",
                b"\r\n\r\n",
                b"Content-Disposition: form-data",
                b'; name="a"',
                b'; filename="',
                b"\xff",
                b"x",
                b"; name*=utf-16''%00",
                b"Content-Disposition: ",
            ]
        ),
        max_size=20,
    ),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
def test_any_bytes_are_a_form_or_are_refused(pieces: list[bytes], cuts: list[int]) -> None:
    form = form_of(b"".join(pieces), cuts, Limits())
    if isinstance(form, Form):
        form.close()
    else:
        assert form.status == 400


# A client that is not ours.


def test_curl_uploads(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"0123456789" * 200_000)

    async def answer(form: Form) -> str:
        await form.files["f"].save(tmp_path / "saved")
        return f"{form.fields['a']} {form.files['f'].filename}"

    served = serve(Post(answer), limits=SMALL)
    command = ["curl", "-s", "-F", "a=b", "-F", f"f=@{path}", served.url()]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"b big"
    assert (tmp_path / "saved").read_bytes() == path.read_bytes()
