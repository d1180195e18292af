"""Files, asked for over a connection."""

import os
import re
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.app.web.files.filereply import FileReply
from perdure.app.web.resource import Resource
from perdure.app.web.static import DEFAULT_PROCESSORS, File, StaticError
from perdure.persist.capture import capture
from perdure.persist.restore import TrustError, restore
from perdure.persist.trust import Policy

from .conftest import Served

Serve = Callable[..., Served]

LARGE = bytes(range(256)) * 1024  # more than is kept in memory
PAGE = b"<!doctype html><title>Home</title>\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small site."""
    site = tmp_path / "site"
    (site / "docs" / "deep").mkdir(parents=True)
    (site / "index.html").write_bytes(PAGE)
    (site / "hello.txt").write_bytes(b"0123456789")
    (site / "large.bin").write_bytes(LARGE)
    (site / "empty.txt").touch()
    (site / "docs" / "page.html").write_text("<p>a page")
    (site / "docs" / "deep" / "photo.JPG").write_bytes(b"\xff\xd8")
    return site


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder))


def test_a_file_comes_with_its_type_length_and_validators(served: Served, folder: Path) -> None:
    os.utime(folder / "hello.txt", (1_000_000_000, 1_000_000_000))
    reply = served.get("/hello.txt")
    assert (reply.status, reply.body) == (200, b"0123456789")
    assert reply.get("content-type") == "text/plain; charset=utf-8"
    assert reply.get("content-length") == "10"
    assert reply.get("last-modified") == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert reply.get("accept-ranges") == "bytes"
    assert re.fullmatch(r'"[0-9a-f-]+"', reply.get("etag") or "")


@pytest.mark.parametrize("path", ["/hello.txt", "/large.bin", "/empty.txt", "/", "/docs/page.html"])
def test_head_says_what_get_says_without_the_body(served: Served, path: str) -> None:
    asked, told = served.get(path), served.get(path, method="HEAD")
    assert {**dict(asked.fields), "date": ""} == {**dict(told.fields), "date": ""}
    assert told.body == b""


def test_a_large_file_comes_whole(served: Served) -> None:
    reply = served.get("/large.bin")
    assert reply.body == LARGE
    assert reply.get("content-type") == "application/octet-stream"


def test_files_below_and_names_with_escapes_are_found(served: Served, folder: Path) -> None:
    (folder / "docs" / "Grüße & mehr.txt").write_text("hej")
    assert served.get("/docs/deep/photo.JPG").get("content-type") == "image/jpeg"
    assert served.get("/docs/Gr%C3%BC%C3%9Fe%20&%20mehr.txt").body == b"hej"
    assert served.get("/%68ello.txt").body == b"0123456789"


def test_an_index_answers_for_its_folder(served: Served) -> None:
    reply = served.get("/")
    assert reply.body == PAGE
    assert reply.get("content-type") == "text/html; charset=utf-8"


def test_a_better_index_is_seen_as_soon_as_it_is_there(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, index_names=["start.html", "index.html"]))
    for _ in range(3):
        assert served.get("/").body == PAGE
    (folder / "start.html").write_text("start")
    assert served.get("/").body == b"start"
    (folder / "start.html").unlink()
    assert served.get("/").body == PAGE


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/docs", "/docs/"),
        ("/docs?a=1&b=/x", "/docs/?a=1&b=/x"),
        ("/docs/deep", "/docs/deep/"),
        ("/d%6fcs", "/d%6fcs/"),
    ],
)
def test_a_folder_without_slash_leads_to_the_one_with_it(
    served: Served, path: str, location: str
) -> None:
    reply = served.get(path)
    assert (reply.status, reply.get("location")) == (301, location)


@pytest.mark.parametrize("path", ["//docs", "//evil.example/docs/..", "/\\evil.example", "///docs"])
def test_no_redirect_leads_to_another_host(served: Served, path: str) -> None:
    assert served.get(path).status in (400, 404)


def test_below_another_resource_the_folder_redirects_to_its_own_name(
    serve: Serve, folder: Path
) -> None:
    root = Resource()
    root.put_child("files", File(folder))
    served = serve(root)
    assert served.get("/files").get("location") == "/files/"
    assert served.get("/files/").body == PAGE
    assert served.get("/files/docs").get("location") == "/files/docs/"


def test_resources_put_by_hand_come_before_files(serve: Serve, folder: Path) -> None:
    class Hello(Resource):
        def render_GET(self, request: object) -> str:
            return "by hand"

    root = File(folder)
    root.put_child("hello.txt", Hello())
    served = serve(root)
    assert served.get("/hello.txt").body == b"by hand"
    assert served.get("/docs/page.html").status == 200


def test_a_single_file_is_served_at_its_place_and_nothing_below(serve: Serve, folder: Path) -> None:
    served = serve(File(folder / "hello.txt"))
    assert served.get("/").body == b"0123456789"
    assert served.get("/x").status == 404
    assert served.get("/../hello.txt").status == 404


@pytest.mark.parametrize("path", ["/nothing", "/docs/nothing", "/hello.txt/", "/hello.txt/more"])
def test_what_is_not_there_is_404(served: Served, path: str) -> None:
    assert served.get(path).status == 404


def test_a_name_longer_than_any_file_system_takes_is_404(served: Served) -> None:
    assert served.get("/" + "n" * 3000).status == 404


def test_other_methods_are_not_allowed(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE"):
        reply = served.get("/hello.txt", method=method)
        assert (reply.status, reply.get("allow")) == (405, "GET, HEAD, OPTIONS")


# Changes.


def test_a_change_is_seen_at_once(served: Served, folder: Path) -> None:
    """Also one that keeps the size and sets the time back, and a file put in its place."""
    path = folder / "hello.txt"
    old = os.stat(path)
    with served.connect() as client:
        for number in range(50):
            text = f"{number:010}".encode()
            if number % 2:
                path.write_bytes(text)
                os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
            else:
                (folder / "new").write_bytes(text)
                (folder / "new").rename(path)
            for _ in range(2):
                assert client.ask(b"GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n").body == text
        path.unlink()
        assert client.ask(b"GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n").status == 404


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_no_longer_be_read_is_403_although_it_was_cached(
    served: Served, folder: Path
) -> None:
    assert served.get("/hello.txt").status == 200
    (folder / "hello.txt").chmod(0)
    assert served.get("/hello.txt").status == 403


def test_a_file_that_grows_is_sent_as_long_as_it_is(served: Served, folder: Path) -> None:
    with (folder / "large.bin").open("ab") as file:
        for length in range(len(LARGE) + 1, len(LARGE) + 4):
            file.write(b"!")
            file.flush()
            assert len(served.get("/large.bin").body) == length


def test_a_file_that_changed_since_it_was_looked_at_is_sent_as_it_is(
    serve: Serve, folder: Path
) -> None:
    path = folder / "large.bin"
    served = serve(FileReply(str(path), path.stat(), ("text/plain", None)))
    before = served.get()
    assert before.body == LARGE
    path.write_bytes(LARGE + b"!")
    after = served.get()
    assert after.body == LARGE + b"!"
    assert after.get("etag") != before.get("etag")
    assert served.get("/", "Range: bytes=-2").body == LARGE[-1:] + b"!"


def test_a_file_that_shrinks_while_it_is_sent_costs_its_connection_alone(
    served: Served, folder: Path
) -> None:
    size = 64 * 1024 * 1024  # more than the sockets hold
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(size)
        with served.connect() as client:
            client.send(b"GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Content-Length: %d" % size in client.until(b"\r\n\r\n")
            file.truncate(0)
            assert len(client.rest()) < size
    assert served.get("/hello.txt").body == b"0123456789"


# Conditional requests.


def test_what_the_client_has_is_not_sent_again(served: Served) -> None:
    for path in ("/hello.txt", "/large.bin"):
        first = served.get(path)
        etag, date = first.get("etag"), first.get("last-modified")
        for field in (
            f"If-None-Match: {etag}",
            f"If-None-Match: W/{etag}",
            f'If-None-Match: "x", {etag}',
            "If-None-Match: *",
            f"If-Modified-Since: {date}",
            f"If-Modified-Since: {formatdate(4_000_000_000, usegmt=True)}",
        ):
            for method in ("GET", "HEAD"):
                reply = served.get(path, field, method=method)
                assert (reply.status, reply.body) == (304, b""), field
                assert reply.get("etag") == etag
                assert reply.get("content-length") is None
                assert reply.get("content-type") is None


def test_what_has_changed_is_sent(served: Served, folder: Path) -> None:
    os.utime(folder / "hello.txt", (1_000_000_000, 1_000_000_000))
    for field in (
        'If-None-Match: "other"',
        f"If-Modified-Since: {formatdate(999_999_999, usegmt=True)}",
        "If-Modified-Since: yesterday",
        "If-Modified-Since: Mon, 01 Jan 99999 00:00:00 GMT",
    ):
        assert served.get("/hello.txt", field).status == 200, field


def test_a_tag_outranks_a_date(served: Served) -> None:
    date = served.get("/hello.txt").get("last-modified")
    fields = ('If-None-Match: "other"', f"If-Modified-Since: {date}")
    assert served.get("/hello.txt", *fields).status == 200


def test_preconditions_that_fail_are_412(served: Served, folder: Path) -> None:
    os.utime(folder / "hello.txt", (1_000_000_000, 1_000_000_000))
    etag = served.get("/hello.txt").get("etag")
    early, exact = (formatdate(when, usegmt=True) for when in (999_999_999, 1_000_000_000))
    expected = {
        f"If-Match: {etag}": 200,
        "If-Match: *": 200,
        'If-Match: "other"': 412,
        f"If-Match: W/{etag}": 412,
        f"If-Unmodified-Since: {exact}": 200,
        f"If-Unmodified-Since: {early}": 412,
        f"If-Unmodified-Since: {formatdate(4_000_000_000, usegmt=True)}": 200,
        "If-Unmodified-Since: nonsense": 200,
    }
    assert {field: served.get("/hello.txt", field).status for field in expected} == expected


# Ranges.


@pytest.mark.parametrize("path", ["/hello.txt", "/large.bin"])
@pytest.mark.parametrize(("field", "part"), [("2-5", slice(2, 6)), ("-3", slice(-3, None))])
def test_a_range_is_exact(served: Served, folder: Path, path: str, field: str, part: slice) -> None:
    whole = (folder / path[1:]).read_bytes()
    reply = served.get(path, f"Range: bytes={field}")
    start, stop, _ = part.indices(len(whole))
    assert (reply.status, reply.body) == (206, whole[part])
    assert reply.get("content-range") == f"bytes {start}-{stop - 1}/{len(whole)}"
    assert reply.get("content-length") == str(stop - start)
    assert reply.get("etag") == served.get(path).get("etag")


def parts_of(body: bytes, content_type: str | None) -> list[tuple[bytes, bytes]]:
    """The parts of a multipart body: Content-Range and content of each."""
    boundary = (content_type or "").partition("boundary=")[2].encode()
    first, *pieces, last = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert (first, last) == (b"", b"--\r\n")
    found: list[tuple[bytes, bytes]] = []
    for piece in pieces:
        head, _, content = piece.partition(b"\r\n\r\n")
        found.append((head.partition(b"Content-Range: bytes ")[2], content))
    return found


@pytest.mark.parametrize("path", ["/hello.txt", "/large.bin"])
def test_several_ranges_come_in_one_multipart_body(served: Served, folder: Path, path: str) -> None:
    whole = (folder / path[1:]).read_bytes()
    size = len(whole)
    reply = served.get(path, "Range: bytes=0-1,5-5,-2")
    assert reply.status == 206
    assert parts_of(reply.body, reply.get("content-type")) == [
        (b"0-1/%d" % size, whole[:2]),
        (b"5-5/%d" % size, whole[5:6]),
        (b"%d-%d/%d" % (size - 2, size - 1, size), whole[-2:]),
    ]


def test_a_range_outside_is_416_with_the_size(served: Served) -> None:
    reply = served.get("/hello.txt", "Range: bytes=10-")
    assert (reply.status, reply.get("content-range")) == (416, "bytes */10")
    assert served.get("/empty.txt", "Range: bytes=0-0").status == 416


def test_a_range_counts_only_for_get(served: Served) -> None:
    assert served.get("/hello.txt", "Range: bytes=0-0", method="HEAD").status == 200


def test_if_range_gives_a_part_of_the_same_version_only(served: Served, folder: Path) -> None:
    os.utime(folder / "hello.txt", (1_000_000_000, 1_000_000_000))
    first = served.get("/hello.txt")
    etag, date = first.get("etag"), first.get("last-modified")
    expected = {
        f"If-Range: {etag}": 206,
        f"If-Range: W/{etag}": 200,
        'If-Range: "other"': 200,
        f"If-Range: {date}": 206,
        f"If-Range: {formatdate(1_000_000_001, usegmt=True)}": 200,
        "If-Range: nonsense": 200,
    }
    answered = {f: served.get("/hello.txt", "Range: bytes=0-0", f).status for f in expected}
    assert answered == expected


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(["/hello.txt", "/large.bin", "/empty.txt"]),
    field=st.one_of(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
        st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=5).map(
            lambda pairs: ",".join(f"{first}-{last}" for first, last in pairs)
        ),
    ),
)
def test_whatever_the_range_the_bytes_are_the_right_ones(
    served: Served, folder: Path, path: str, field: str
) -> None:
    whole = (folder / path[1:]).read_bytes()
    reply = served.get(path, f"Range: bytes={field}")
    if reply.status == 206:
        kind = reply.get("content-type") or ""
        parts = (
            parts_of(reply.body, kind)
            if kind.startswith("multipart")
            else [((reply.get("content-range") or "").removeprefix("bytes ").encode(), reply.body)]
        )
        for said, content in parts:
            start, stop = map(int, said.partition(b"/")[0].split(b"-"))
            assert content == whole[start : stop + 1]
    else:
        assert reply.status == 416 or reply.body == whole


# Types, and names without extension.


def test_types_differ_by_instance_and_not_by_host(serve: Serve, folder: Path) -> None:
    for name in ("a.md", "a.woff2", "a.mjs", "a.svgz", "a.tar.gz", "a.odd", "README", ".well"):
        (folder / name).write_bytes(b"x")
    served = serve(
        File(
            folder,
            default_type="text/plain",
            content_types={".MD": "text/x-notes"},
            dot_files=True,
        )
    )
    types = {
        name: (reply.get("content-type"), reply.get("content-encoding"))
        for name in sorted(os.listdir(folder))
        if (reply := served.get("/" + name)).status == 200
    }
    assert types == types | {
        "a.md": ("text/x-notes; charset=utf-8", None),
        "a.woff2": ("font/woff2", None),
        "a.mjs": ("text/javascript; charset=utf-8", None),
        "a.svgz": ("image/svg+xml", "gzip"),
        "a.tar.gz": ("application/gzip", None),
        "a.odd": ("text/plain; charset=utf-8", None),
        "README": ("text/plain; charset=utf-8", None),
        ".well": ("text/plain; charset=utf-8", None),
    }
    assert dict(File(folder).content_types) == {}


def test_an_extension_may_be_left_out(serve: Serve, folder: Path) -> None:
    (folder / "page.txt").write_text("text")
    (folder / "page.html").write_text("html")
    served = serve(File(folder, ignored_extensions=[".html", ".txt"]))
    assert served.get("/page").body == b"html"
    assert served.get("/hello").body == b"0123456789"
    assert served.get("/nothing").status == 404
    (folder / "page.html").unlink()
    assert served.get("/page").body == b"text"
    (folder / "page").write_text("itself")
    assert served.get("/page").body == b"itself"


def test_any_extension_may_be_left_out(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, ignored_extensions=["*"]))
    assert served.get("/hello").body == b"0123456789"
    assert served.get("/docs/page").status == 200
    assert served.get("/hell").status == 404


# What is kept, and what is refused.


def test_a_snapshot_keeps_what_was_said_and_nothing_that_was_read(
    serve: Serve, folder: Path
) -> None:
    file = File(folder, index_names=["start"], content_types={".x": "text/x"}, dot_files=True)
    file.put_child("plain", File(folder))
    assert serve(file).get("/hello.txt").status == 200
    stream = capture(file).stream
    assert b"0123456789" not in stream
    restored = restore(stream, Policy.everything())
    assert isinstance(restored, File)
    assert vars(restored.children["plain"]).keys() & {"index_names", "processors"} == set()
    assert (tuple(restored.index_names), restored.dot_files) == (("start",), True)
    assert serve(restored).get("/hello.txt").body == b"0123456789"


def test_a_processor_is_loaded_only_by_those_whom_its_snapshot_may_load_it(folder: Path) -> None:
    system = vars(os)["system"]
    stream = capture(File(folder, processors={".x": system})).stream
    with pytest.raises(TrustError, match="system"):
        restore(stream, Policy.only())


def test_a_file_says_what_is_wrong_with_it(folder: Path) -> None:
    with pytest.raises(StaticError, match="no such file"):
        File(folder / "gone").check()
    with pytest.raises(StaticError, match="cannot be called"):
        File(folder, processors={".x": cast(Any, "os.name")})
    with pytest.raises(StaticError, match="begins with a dot"):
        File(folder, processors={"rpy": DEFAULT_PROCESSORS[".rpy"]})
    with pytest.raises(StaticError, match="a list is expected"):
        File(folder, index_names="index.html")
    File(folder).check()
