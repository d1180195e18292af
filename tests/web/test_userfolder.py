"""The pages of users."""

import os
from pathlib import Path
from typing import Any

import pytest

from perdure.app.web.resource import Resource
from perdure.app.web.routing.rewriting import Rewritten, TildeToUsers
from perdure.app.web.routing.userfolder import SystemAccounts, UserFolder, UserFolderError
from perdure.app.web.static import StaticError

from .accounts import ListedAccounts
from .conftest import Serve

UID = os.getuid()


def home(tmp_path: Path, name: str, folder: str = "public_html") -> str:
    pages = tmp_path / name / folder
    pages.mkdir(parents=True)
    (pages / "index.html").write_text(f"<title>{name}</title>")
    return str(tmp_path / name)


@pytest.fixture(name="accounts")
def accounts_fixture(tmp_path: Path) -> ListedAccounts:
    """Some of each kind; the user who runs the tests stands for an ordinary one."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "public_html").symlink_to(tmp_path / "anna" / "public_html")
    (tmp_path / "filed").mkdir()
    (tmp_path / "filed" / "public_html").write_text("no folder")
    return ListedAccounts.of(
        anna=(UID, home(tmp_path, "anna")),
        bert=(UID, home(tmp_path, "bert")),
        other=(UID + 1, home(tmp_path, "other")),
        root=(UID - 1, home(tmp_path, "root")),
        bare=(UID, str(tmp_path / "bare")),
        linked=(UID, str(tmp_path / "linked")),
        filed=(UID, str(tmp_path / "filed")),
        homeless=(UID, ""),
        gone=(UID, "/nonexistent"),
    )


def users(accounts: ListedAccounts, listing: bool = False) -> Resource:
    root = Resource()
    root.put_child("users", UserFolder(least_uid=UID, accounts=accounts, listing=listing))
    return Rewritten(root, [TildeToUsers()])


@pytest.mark.parametrize("path", ["/~anna/", "/users/anna/", "/~anna/index.html"])
def test_a_user_has_pages(serve: Serve, accounts: ListedAccounts, path: str) -> None:
    assert serve(users(accounts)).get(path).body == b"<title>anna</title>"


@pytest.mark.parametrize("path", ["/users/~anna/", "/~~anna/", "/~%7Eanna/", "/anna/"])
def test_no_other_spelling_leads_around_who_guards_those(
    serve: Serve, accounts: ListedAccounts, path: str
) -> None:
    assert serve(users(accounts)).get(path).status == 404


def test_a_slash_is_added_at_the_address_the_client_knows(
    serve: Serve, accounts: ListedAccounts
) -> None:
    reply = serve(users(accounts)).get("/~anna?a=1")
    assert (reply.status, reply.get("location")) == (301, "/~anna/?a=1")


@pytest.mark.parametrize(
    "name",
    [
        "nobody-here",
        "other",
        "root",
        "bare",
        "linked",
        "filed",
        "homeless",
        "gone",
        "",
        "Anna",
        "..",
        "%2e%2e",
        "anna%2f..%2fbert",
        "..%2fanna",
        "anna:x",
        "%ff",
    ],
)
def test_nobody_else_has_and_all_are_told_the_same(
    serve: Serve, accounts: ListedAccounts, name: str
) -> None:
    served = serve(users(accounts))
    reply = served.get(f"/~{name}/")
    if name != "%ff":
        assert reply.body == served.get("/~who/").body
    assert reply.status in (400, 404)


def test_users_come_and_go_while_the_server_runs(
    serve: Serve, accounts: ListedAccounts, tmp_path: Path
) -> None:
    served = serve(users(accounts))
    assert served.get("/~bare/").status == 404
    home(tmp_path, "bare/x")
    (tmp_path / "bare" / "x" / "public_html").rename(tmp_path / "bare" / "public_html")
    assert served.get("/~bare/").status == 200
    (tmp_path / "bare" / "public_html").rename(tmp_path / "bare" / "private")
    assert served.get("/~bare/").status == 404


def test_links_out_of_the_folder_and_scripts_are_not_served(
    serve: Serve, accounts: ListedAccounts, tmp_path: Path
) -> None:
    pages = tmp_path / "anna" / "public_html"
    (pages / "out.html").symlink_to(tmp_path / "bert" / "public_html" / "index.html")
    (pages / "etc").symlink_to("/etc")
    for name in ("page.rpy", "run.cgi", "page.php"):
        (pages / name).write_text("resource = 1/0  # secret")
    served = serve(users(accounts))
    assert served.get("/~anna/out.html").status == 404
    assert served.get("/~anna/etc/passwd").status == 404
    for name in ("page.rpy", "run.cgi", "page.php", "page.rpy.bak"):
        reply = served.get(f"/~anna/{name}")
        assert reply.status in (403, 404)
        assert b"secret" not in reply.body


def test_users_are_listed_only_if_that_is_wanted(serve: Serve, accounts: ListedAccounts) -> None:
    assert serve(users(accounts)).get("/users/").status == 404
    served = serve(users(accounts, listing=True))
    page = served.get("/users/").body.decode()
    assert [name for name in ("anna", "bert") if f"./{name}/" in page] == ["anna", "bert"]
    assert not any(f"./{name}/" in page for name in ("other", "root", "bare", "linked", "gone"))
    assert served.get("/users").get("location") == "./users/"
    assert served.get("/users/", method="POST").status == 405


def test_the_folder_may_have_another_name_but_leads_nowhere_else(
    serve: Serve, tmp_path: Path
) -> None:
    accounts = ListedAccounts.of(anna=(UID, home(tmp_path, "anna", "www")))
    served = serve(UserFolder("www", least_uid=UID, accounts=accounts))
    assert served.get("/anna/").body == b"<title>anna</title>"
    for folder in ("", ".", "..", "a/b", "/etc", "a\0"):
        with pytest.raises(UserFolderError):
            UserFolder(folder)


@pytest.mark.parametrize(
    "settings",
    [{"processors": {}}, {"follow_links_out": True}, {"not_found": "a.html"}, {"colour": 1}],
)
def test_what_would_run_a_users_code_cannot_be_set(settings: dict[str, Any]) -> None:
    with pytest.raises(StaticError):
        UserFolder(settings=settings)


def test_the_users_are_those_of_the_system(serve: Serve) -> None:
    accounts = SystemAccounts()
    found = accounts.find("root")
    assert found is not None
    assert (found.uid, found in list(accounts.all())) == (0, True)
    assert accounts.find("no such user") is None
    assert accounts.find("a\0b") is None
    assert serve(UserFolder()).get("/root/").status == 404
