"""The kinds of resource that lead on by the host, the user or another path."""

import os
from pathlib import Path

from perdure.app.web.resource import ErrorPage, Resource
from perdure.app.web.routing.hostfolder import HostFolder
from perdure.app.web.routing.hosts import VHostMonster, VirtualHosts
from perdure.app.web.routing.rewriting import Alias, Pattern, Rewritten, TildeToUsers
from perdure.app.web.routing.userfolder import UserFolder
from perdure.app.web.static import File

from ..accounts import ListedAccounts
from .case import KindCase

PAGE = "<!doctype html><title>Theirs</title>"


def _files(folder: Path) -> Path:
    (folder / "index.html").write_text(PAGE)
    return folder


def _hosts(folder: Path) -> Resource:
    return VirtualHosts(ErrorPage(410), {"x": File(_files(folder)), "*.x": ErrorPage(403)})


def _host_folder(folder: Path) -> Resource:
    (folder / "x").mkdir()
    _files(folder / "x")
    return HostFolder(folder, ErrorPage(410), {"listing": False})


def _rewritten(folder: Path) -> Resource:
    root = Resource()
    root.put_child("files", File(_files(folder)))
    rules = (TildeToUsers(last=True), Alias("/old", "/new"), Pattern("/new/(.*)", r"/files/\1"))
    return Rewritten(root, rules)


def _users(folder: Path) -> Resource:
    (folder / "public_html").mkdir()
    _files(folder / "public_html")
    accounts = ListedAccounts.of(anna=(os.getuid(), str(folder)))
    return UserFolder(least_uid=0, listing=True, accounts=accounts)


CASES = (
    KindCase(VirtualHosts, _hosts, PAGE),
    KindCase(HostFolder, _host_folder, PAGE),
    KindCase(
        VHostMonster,
        lambda folder: VHostMonster(_hosts(folder)),
        PAGE,
        ("GET /https/x:443/ HTTP/1.1",),
    ),
    KindCase(Rewritten, _rewritten, PAGE, ("GET /old/ HTTP/1.1",)),
    KindCase(UserFolder, _users, PAGE, ("GET /anna/ HTTP/1.1",)),
)
