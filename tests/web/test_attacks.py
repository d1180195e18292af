"""One list of attacks against every kind of resource: none leads out of where it stands."""

import itertools
import os
import re
from pathlib import Path

import pytest

from perdure.app.web.data import Data
from perdure.app.web.programs.cgi import CGIDirectory, CGILimits, CGISettings
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.replies.compression import Compressed
from perdure.app.web.replies.crossorigin import CrossOrigin
from perdure.app.web.replies.errorpages import ErrorPages
from perdure.app.web.resource import Resource
from perdure.app.web.routing.hostfolder import HostFolder
from perdure.app.web.routing.hosts import VHostMonster, VirtualHosts
from perdure.app.web.routing.places import Places
from perdure.app.web.routing.redirect import ChildRedirector, ParentRedirect
from perdure.app.web.routing.rewriting import Alias, Pattern, Rewritten, TildeToUsers
from perdure.app.web.routing.userfolder import UserFolder
from perdure.app.web.scripts.scriptfolder import ScriptFolder
from perdure.app.web.static import DEFAULT_PROCESSORS, File

from .accounts import ListedAccounts
from .conftest import Reply, Serve, Served, contexts
from .http2client import Client, request

SECRET = "not for you"

# What some server somewhere takes for a step up, a slash, or the end of a name.
_UP = (
    "..",
    "%2e%2e",
    ".%2E",
    "%252e%252e",
    "..%2f..",
    "..%5c..",
    "..\\..",
    "..;",
    "..;/..",
    "..%3b",
    "%c0%ae%c0%ae",
    "%u002e%u002e",
    "..%00",
    "..%20",
    ". .",
    "...",
    "%2e%2e%2f",
    "%ff..",
    "..%ef%bc%8f",
    "%e2%80%a5",
    "./..",
    "/..",
)
_TARGETS = ("secret.txt", "secret.txt%00.html", "SECRET~1.TXT", "site/.hidden", "site/.%68idden")
_ELSEWHERE = (
    "//evil.example/%2e%2e",
    "//evil.example",
    "/%2f%2fevil.example/folder",
    "/%5cevil.example/folder",
    "/\\evil.example/folder",
    "/.//evil.example",
    "/%09/evil.example/folder",
    "/%0d%0aInjected:%20yes/folder",
    "/folder?%0d%0aInjected:%20yes",
    "/folder%0d%0aInjected:%20yes",
    "/folder%E2%80%A8Injected:%20yes",
    "/folder?next=//evil.example",
    "/@evil.example/folder",
    "/https:%2f%2fevil.example",
    "/https://evil.example/folder",
)

_READS = 'printf "Content-Type: text/plain\\n\\n"; cat "$BELOW$PATH_INFO" 2>&1 | head -c 99'


def _site(folder: Path) -> Path:
    """A folder with pages, in one with a secret."""
    site = folder / "site"
    (site / "folder").mkdir(parents=True)
    for name in ("index.html", "folder/page.html", "gone.html"):
        (site / name).write_text("a page {{ path }}" if name == "gone.html" else "a page")
    script = 'from perdure.app.web.data import Data\n\nresource = Data("a page")\n'
    (site / "page.rpy").write_text(script)
    (site / "page.rpy").chmod(0o644)
    for secret in (folder / "secret.txt", folder / "secret.rpy", site / ".hidden"):
        secret.write_text(SECRET)
    return site


def _program(folder: Path) -> Path:
    (folder / "cgi").mkdir()
    program = folder / "cgi" / "read.cgi"
    program.write_text(f"#!/bin/sh\n{_READS}\n")
    program.chmod(0o755)
    return folder / "cgi"


@pytest.fixture(name="surfaces", scope="module")
def surfaces_fixture(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resource]:
    """Every kind of resource that does something with the rest of a path, by its segment."""
    folder = tmp_path_factory.mktemp("attacked")
    site = _site(folder)
    (folder / "hosts").mkdir()
    (folder / "hosts" / "x").symlink_to(site)
    (folder / "home").mkdir()
    (folder / "home" / "public_html").mkdir()
    (folder / "home" / "public_html" / "index.html").write_text("a page")
    (folder / "home" / "secret.txt").write_text(SECRET)
    accounts = ListedAccounts.of(anna=(os.getuid(), str(folder / "home")))
    settings = CGISettings(environment={"BELOW": str(site)}, limits=CGILimits(processes=64))
    inner = Resource()
    inner.put_child("files", File(site))
    inner.put_child("users", UserFolder(least_uid=0, accounts=accounts))
    rules = (Alias("/old", "/files"), TildeToUsers(), Pattern("/n/(.*)", r"/files/\1"))
    return {
        "files": File(site, processors=DEFAULT_PROCESSORS, ignored_extensions=["*"]),
        "spa": File(site, fallback="index.html", listing=False),
        "gone": File(site, not_found="gone.html"),
        "pages": ErrorPages(File(site), {404: site / "gone.html"}),
        "users/anna": UserFolder(least_uid=0, listing=True, accounts=accounts),
        "hosts": VirtualHosts(File(folder), {"x": File(site)}),
        "host-folder": HostFolder(folder / "hosts"),
        "monster/http/x": VHostMonster(File(site)),
        "rewritten/old": Rewritten(inner, rules),
        "rewritten/n": Rewritten(inner, rules),
        "rewritten/~anna": Rewritten(inner, rules),
        "program/read.cgi": CGIDirectory(_program(folder), settings=settings),
        "scripts": ScriptFolder(site),
        "placed/at": Places(Data("a page"), {"/at": File(site)}),
        "wrapped": Compressed(CrossOrigin(File(site), ["https://friend.example"])),
        "led": ChildRedirector("/files"),
        "led-away": ChildRedirector("https://friend.example/files"),
        "parent": ParentRedirect(),
    }


@pytest.fixture(name="behind")
def behind_fixture(serve: Serve, surfaces: dict[str, Resource]) -> Served:
    """A server with what may be seen below one place, and a secret beside it."""
    root = Resource()
    root.put_child("base", surfaces["files"])
    root.put_child("secret.txt", Data(SECRET))
    root.put_child("..", Data(SECRET))
    return serve(root)


def _tree(surfaces: dict[str, Resource], behind: Served) -> Resource:
    root = Resource()
    for place, resource in surfaces.items():
        root.put_child(place.partition("/")[0], resource)
    root.put_child("behind", ReverseProxy(f"tcp:{behind.address[1]}", "/base"))
    return root


def _places(surfaces: dict[str, Resource]) -> list[str]:
    return [f"/{place}" for place in (*surfaces, "behind")]


def _is_elsewhere(location: str) -> bool:
    """Whether any browser would go to another host."""
    seen = re.sub(r"[\t\r\n]", "", location).strip().replace("\\", "/").lower()
    friend = seen.startswith("https://friend.example/files")
    return not friend and (seen.startswith("//") or ":" in seen.partition("/")[0])


def _judge(path: str, reply: Reply) -> None:
    assert SECRET.encode() not in reply.body, path
    assert reply.status in (200, 301, 302, 400, 403, 404, 405), path
    assert not any("injected" in name for name, _ in reply.fields), (path, reply.fields)
    for location in reply.get_all("location"):
        assert not _is_elsewhere(location), (path, location)


def test_no_path_leads_out(serve: Serve, surfaces: dict[str, Resource], behind: Served) -> None:
    served = serve(_tree(surfaces, behind))
    ways = [
        "/".join(("", *before, *[step] * count, target))
        for step, target in itertools.product(_UP, _TARGETS)
        for count, before in ((1, ()), (2, ("folder",)))
    ]
    _attack(served, [place + way for place in _places(surfaces) for way in ways])


def test_what_may_be_seen_is(serve: Serve, surfaces: dict[str, Resource], behind: Served) -> None:
    """So the attacks are on places where there is something."""
    served = serve(_tree(surfaces, behind))
    for place in _places(surfaces):
        reply = served.get(f"{place}/page" if place == "/scripts" else f"{place}/index.html")
        assert (reply.status, reply.body) == (200, b"a page") or (
            place in ("/led", "/led-away", "/parent") and reply.status == 302
        ), place


def test_nobody_is_led_elsewhere_and_nothing_is_put_into_a_head(
    serve: Serve, surfaces: dict[str, Resource], behind: Served
) -> None:
    served = serve(_tree(surfaces, behind))
    _attack(served, [place + way for place in _places(surfaces) for way in _ELSEWHERE])


def _attack(served: Served, paths: list[str]) -> None:
    client = served.connect()
    for path in paths:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"
        reply = client.ask(head.encode("latin-1"))
        _judge(path, reply)
        if reply.get("connection") == "close":
            client.socket.close()
            client = served.connect()
    client.socket.close()
    assert not served.problems


def test_http_2_has_no_ways_of_its_own(
    serve: Serve, surfaces: dict[str, Resource], behind: Served, tmp_path: Path
) -> None:
    server, context = contexts(tmp_path)
    served = serve(_tree(surfaces, behind), ssl_context=server)
    with Client(served, context) as client:
        for place in _places(surfaces):
            for way in (*(f"/{up}/secret.txt" for up in _UP), *_ELSEWHERE):
                answer = client.get(request("GET", place + way))
                if answer.code is not None:
                    continue  # it was none
                assert SECRET.encode() not in answer.body
                fields = {name.decode(): value.decode("latin-1") for name, value in answer.fields}
                assert "injected" not in fields
                assert not _is_elsewhere(fields.get("location", "")), (place, way)
