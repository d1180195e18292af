"""Files that lie there compressed beside others."""

import gzip
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.files.precompressed import chosen
from perdure.app.web.static import File, StaticError

from .conftest import Reply, Serve, Served

PLAIN = b"body { color: navy }\n" * 200
LARGE = bytes(range(256)) * 4096
# Nothing here can make one; what is sent is what lies there.
BROTLI = b"as if it were brotli"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``page.css`` and ``large.bin``, each with all three siblings."""
    site = tmp_path / "site"
    site.mkdir()
    for name, content in (("page.css", PLAIN), ("large.bin", LARGE)):
        (site / name).write_bytes(content)
        (site / f"{name}.gz").write_bytes(gzip.compress(content))
        (site / f"{name}.br").write_bytes(BROTLI)
        (site / f"{name}.zst").write_bytes(zstandard.compress(content))
    return site


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder))


def accepting(served: Served, field: str, path: str = "/page.css", method: str = "GET") -> Reply:
    return served.get(path, f"Accept-Encoding: {field}", method=method)


def ask_until_kept(served: Served, folder: Path) -> None:
    """Asks for both files until they have been left alone for so long that they are kept."""
    newest = max(os.stat(each).st_ctime_ns for each in (folder, *folder.iterdir()))
    while time.time_ns() - newest < 60_000_000:
        for path in ("/page.css", "/large.bin"):
            accepting(served, "br", path)
    accepting(served, "br", "/large.bin")


@pytest.mark.parametrize("path", ["/page.css", "/large.bin"])
def test_each_coding_is_sent_to_who_unpacks_it(served: Served, folder: Path, path: str) -> None:
    tags = {served.get(path).get("etag")}
    for coding, ending in (("gzip", ".gz"), ("br", ".br"), ("zstd", ".zst")):
        reply = accepting(served, coding, path)
        content = (folder / (path[1:] + ending)).read_bytes()
        assert (reply.status, reply.body) == (200, content)
        assert reply.get("content-encoding") == coding
        assert reply.get("content-length") == str(len(content))
        assert reply.get("vary") == "Accept-Encoding"
        assert reply.get("content-type") == served.get(path).get("content-type")
        tags.add(reply.get("etag"))
        head = accepting(served, coding, path, "HEAD")
        assert {**dict(head.fields), "date": ""} == {**dict(reply.fields), "date": ""}
    assert len(tags) == 4


def test_several_fields_are_one_list(served: Served, folder: Path) -> None:
    ask_until_kept(served, folder)
    for second, coding in (("br", "br"), ("zstd", "zstd"), ("gzip;q=0", None)):
        fields = ("Accept-Encoding: identity;q=0.1", f"Accept-Encoding: {second}")
        for _ in range(2):
            assert served.get("/page.css", *fields).get("content-encoding") == coding


def test_who_unpacks_nothing_gets_the_file_and_caches_are_told(served: Served) -> None:
    for fields in ((), ("Accept-Encoding:",), ("Accept-Encoding: identity",)):
        reply = served.get("/page.css", *fields)
        assert (reply.body, reply.get("content-encoding")) == (PLAIN, None)
        assert reply.get("vary") == "Accept-Encoding"


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8, zstd;q=0.1", "gzip"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*, zstd;q=0", "br"),
        ("*;q=0, gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0, br;q=0.001", "br"),
        ("gzip;q=0", None),
        ("identity;q=0, gzip;q=0", None),
        ("*;q=0", None),
        ("deflate", None),
        (";;,,=", None),
        ("gzip;q=nonsense", None),
        ("\xff\xfe", None),
    ],
)
def test_the_client_says_what_it_prefers(served: Served, field: str, coding: str | None) -> None:
    assert accepting(served, field).get("content-encoding") == coding


def test_fields_of_one_name_are_one_list(served: Served) -> None:
    reply = served.get("/page.css", "Accept-Encoding: br;q=0.1", "accept-encoding:gzip")
    assert reply.get("content-encoding") == "gzip"


@given(field=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_no_field_breaks_the_choice(field: str) -> None:
    assert chosen(field, ("br", "gzip")) in ("br", "gzip", None)


@given(
    weights=st.dictionaries(
        st.sampled_from(["gzip", "br", "zstd", "identity", "*"]), st.integers(0, 1000)
    )
)
def test_nothing_is_chosen_that_was_ruled_out_or_is_wanted_less(weights: dict[str, int]) -> None:
    field = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items())
    coding = chosen(field, ("zstd", "br", "gzip"))
    others = weights.get("*", 0)
    best = max(weights.get(each, others) for each in ("zstd", "br", "gzip"))
    if coding is None:
        assert not best or best < weights.get("identity", others)
    else:
        assert 0 < weights.get(coding, others) == best >= weights.get("identity", 0)


# Conditions and ranges.


@pytest.mark.parametrize("path", ["/page.css", "/large.bin"])
def test_each_coding_is_a_file_of_its_own_to_conditions(served: Served, path: str) -> None:
    tag = accepting(served, "gzip", path).get("etag")
    for method in ("GET", "HEAD"):
        reply = served.get(path, "Accept-Encoding: gzip", f"If-None-Match: {tag}", method=method)
        assert (reply.status, reply.get("etag"), reply.get("vary")) == (304, tag, "Accept-Encoding")
    for other in ("Accept-Encoding: br", "Accept-Encoding: identity"):
        assert served.get(path, other, f"If-None-Match: {tag}").status == 200


@pytest.mark.parametrize("path", ["/page.css", "/large.bin"])
def test_a_range_is_one_of_the_coding_that_is_sent(served: Served, folder: Path, path: str) -> None:
    content = (folder / f"{path[1:]}.gz").read_bytes()
    tag = accepting(served, "gzip", path).get("etag")
    fields = ("Accept-Encoding: gzip", "Range: bytes=3-9", f"If-Range: {tag}")
    reply = served.get(path, *fields)
    assert (reply.status, reply.body) == (206, content[3:10])
    assert reply.get("content-range") == f"bytes 3-9/{len(content)}"
    assert reply.get("content-encoding") == "gzip"
    assert reply.get("vary") == "Accept-Encoding"
    # What was begun in one coding is not gone on with in another.
    whole = served.get(path, "Accept-Encoding: identity", *fields[1:])
    assert whole.status == 200
    past = served.get(path, "Accept-Encoding: gzip", f"Range: bytes={len(content)}-")
    assert (past.status, past.get("content-range")) == (416, f"bytes */{len(content)}")


# Which siblings count.


def test_a_sibling_made_from_an_older_version_is_not_sent(serve: Serve, folder: Path) -> None:
    for name in ("page.css.br", "page.css.zst"):
        (folder / name).unlink()
    before = os.stat(folder / "page.css").st_mtime_ns
    os.utime(folder / "page.css.gz", ns=(before - 1, before - 1))
    reply = accepting(serve(File(folder)), "gzip")
    assert (reply.body, reply.get("content-encoding"), reply.get("vary")) == (PLAIN, None, None)
    whole_seconds = before // 10**9 * 10**9
    os.utime(folder / "page.css.gz", ns=(whole_seconds, whole_seconds))
    # The former server may look for another version of it a second later only.
    assert accepting(serve(File(folder)), "gzip").get("content-encoding") == "gzip"


@pytest.mark.parametrize("name", ["page.css", "large.bin"])
def test_a_changed_file_is_never_answered_by_what_was_made_of_the_former_one(
    served: Served, folder: Path, name: str
) -> None:
    ask = f"GET /{name} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n".encode()
    with served.connect() as client:
        for number in range(10):
            for each in folder.iterdir():
                os.utime(each, (10**9, 10**9))
            if not number:
                ask_until_kept(served, folder)
            assert client.ask(ask).get("content-encoding") == "br"
            (folder / name).write_text(f"version {number}")
            reply = client.ask(ask)
            assert reply.body == b"version %d" % number
            assert reply.get("content-encoding") is None


def test_a_sibling_that_is_taken_away_is_not_missed(served: Served, folder: Path) -> None:
    """Also while it is believed to be there, and is too large to be kept in memory."""
    sibling = folder / "large.bin.br"
    sibling.write_bytes(os.urandom(300_000))
    content = sibling.read_bytes()
    ask_until_kept(served, folder)
    assert accepting(served, "br", "/large.bin").body == content
    sibling.unlink()
    reply = accepting(served, "br", "/large.bin")
    assert (reply.body, reply.get("content-encoding")) == (LARGE, None)
    assert reply.get("content-length") == str(len(LARGE))


def test_an_index_and_a_name_without_extension_have_siblings_too(
    serve: Serve, folder: Path
) -> None:
    served = serve(File(folder, index_names=["page.css"], ignored_extensions=[".css"]))
    for path in ("/", "/page"):
        assert accepting(served, "br", path).body == BROTLI


def test_what_may_not_be_seen_is_no_sibling(serve: Serve, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.gz").write_bytes(b"the secret")
    (folder / "a.css").write_bytes(PLAIN)
    (folder / "a.css.gz").symlink_to(tmp_path / "secret.gz")
    (folder / "a.css.br").mkdir()
    os.mkfifo(folder / "a.css.zst")
    reply = accepting(serve(File(folder)), "gzip, br, zstd", "/a.css")
    assert (reply.body, reply.get("vary")) == (PLAIN, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_sibling_that_may_not_be_read_is_passed_over(served: Served, folder: Path) -> None:
    (folder / "page.css.zst").chmod(0)
    assert accepting(served, "zstd, gzip").get("content-encoding") == "gzip"


def test_asked_for_by_its_own_name_it_is_the_archive_it_is(served: Served) -> None:
    reply = accepting(served, "gzip", "/page.css.gz")
    assert (reply.get("content-type"), reply.get("content-encoding")) == ("application/gzip", None)
    assert gzip.decompress(reply.body) == PLAIN


def test_which_siblings_are_looked_for_is_a_setting(serve: Serve, folder: Path) -> None:
    assert accepting(serve(File(folder, precompressed=[])), "br").get("vary") is None
    served = serve(File(folder, precompressed=[".gz", ".br"]))
    assert accepting(served, "zstd, br, gzip").get("content-encoding") == "gzip"
    assert accepting(served, "zstd").get("content-encoding") is None
    with pytest.raises(StaticError, match="browsers unpack none but"):
        File(folder, precompressed=[".xz"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
def test_curl_unpacks_what_it_is_sent(served: Served, folder: Path) -> None:
    (folder / "page.css.br").unlink()
    command = ["curl", "-s", "--compressed", "-D", "-", served.url("/page.css")]
    head, _, body = subprocess.run(command, capture_output=True, check=True).stdout.partition(
        b"\r\n\r\n"
    )
    assert body == PLAIN
    assert b"Content-Encoding: " in head
