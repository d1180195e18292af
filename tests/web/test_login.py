"""The page to log in at: what it lets in, what it keeps out, and how it looks to a browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.web.auth.basicauth import Basic
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.formlogin import FormLogin, local_path
from perdure.app.web.auth.lockout import Lockout
from perdure.app.web.auth.protected import Protected
from perdure.app.web.auth.users import RegisteredUsers, Users
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.sessions import KeptSession
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from ..convert.browser import EXECUTABLE, Browser, browsing
from .conftest import Serve, Served
from .enrolment import ADA, CHEAP, Who, enrolled, guarded

HTML = {"Accept": "text/html,*/*;q=0.8"}


class Desk(Resource):
    """A page for browsers."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        return f'<!doctype html><title>desk</title><link rel=icon href="data:,"><p>{request.user}'


@pytest.fixture(name="served")
def served_fixture(serve: Serve) -> Served:
    served = serve(guarded(FormLogin(), keeper=Doorkeeper(RegisteredUsers())))
    enrolled(served, ada="lovelace", charles="babbage")
    return served


@pytest.fixture(name="browser")
def browser_fixture(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.url(), headers=HTML) as browser:
        yield browser


def token(page: httpx2.Response) -> str:
    match = re.search(r'name="token" value="([\w-]{43})"', page.text)
    assert match
    return match[1]


def log_in(
    browser: httpx2.Client, name: str = "ada", password: str = "lovelace", after: str = ""
) -> httpx2.Response:
    path = "/private/login" + (f"?next={after}" if after else "")
    data = {"token": token(browser.get(path)), "name": name, "password": password}
    return browser.post(path, data=data)


def test_who_is_not_logged_in_is_sent_to_the_page_and_back(browser: httpx2.Client) -> None:
    sent = browser.get("/private/deep/er?a=b&c=d")
    assert sent.status_code == 303
    location = sent.headers["location"]
    assert location == "/private/login?next=/private/deep/er%3Fa%3Db%26c%3Dd"
    data = {"token": token(browser.get(location)), "name": "ada", "password": "lovelace"}
    done = browser.post(location, data=data)
    assert (done.status_code, done.headers["location"]) == (303, "/private/deep/er?a=b&c=d")
    assert browser.get("/private/deep/er").text == "ada at deep/er"
    assert browser.get("/private").text == "ada at "


@pytest.mark.parametrize(
    ("path", "login"), [("/private", "/private/login"), ("/private/", "/private/login")]
)
def test_the_page_is_below_what_is_protected(browser: httpx2.Client, path: str, login: str) -> None:
    assert browser.get(path).headers["location"].partition("?")[0] == login
    assert log_in(browser).headers["location"] == "/private/"


def test_a_program_is_not_sent_to_a_page_for_people(serve: Serve, served: Served) -> None:
    assert served.get("/private").status == 403
    assert served.get("/private", "Accept: text/html", method="POST").status == 403
    both = serve(guarded(FormLogin(), Basic("the lab")))
    enrolled(both, ada="lovelace")
    assert both.get("/private").get("www-authenticate") == 'Basic realm="the lab", charset="UTF-8"'
    assert both.get("/private", ADA).body == b"ada at "
    assert both.get("/private", "Accept: text/html").status == 303


def test_what_is_wrong_is_said_and_no_more(browser: httpx2.Client) -> None:
    pages = [log_in(browser, *said) for said in (("ada", "x"), ("nobody", "x"), ("a\tb", "x"))]
    assert [page.status_code for page in pages] == [403] * 3
    assert all("Name or password is wrong." in page.text for page in pages)
    assert 'value="nobody"' in pages[1].text
    assert browser.get("/private").status_code == 303
    evil = log_in(browser, '"><script>', "x").text
    assert "<script>" not in evil


def test_at_a_login_the_cookie_is_another(served: Served, browser: httpx2.Client) -> None:
    browser.get("/private/login")
    before = browser.cookies["perdure_session"]
    log_in(browser)
    after = browser.cookies["perdure_session"]
    assert before != after
    for cookie, status in ((before, 303), (after, 200)):
        field = f"Cookie: perdure_session={cookie}"
        assert served.get("/private", field, "Accept: text/html").status == status


def test_a_form_that_was_not_given_to_this_browser_logs_nobody_in(
    served: Served, browser: httpx2.Client
) -> None:
    with httpx2.Client(base_url=served.url(), headers=HTML) as other:
        stolen = token(other.get("/private/login"))
    browser.get("/private/login")
    right = {"name": "ada", "password": "lovelace"}
    for data in (right, {**right, "token": stolen}, {**right, "token": ""}, {"token": "é"}):
        page = browser.post("/private/login", data=data)
        assert (page.status_code, "Please try again." in page.text) == (403, True)
    assert browser.get("/private").status_code == 303
    own = {**right, "token": token(browser.get("/private/login"))}
    for site in ("cross-site", "same-site"):
        page = browser.post("/private/login", data=own, headers={"Sec-Fetch-Site": site})
        assert (page.status_code, "from another site" in page.text) == (403, True)
    assert browser.post("/private/login", data=own).status_code == 303


@pytest.mark.parametrize(
    "there",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "evil"),
        *("/%0d%0aSet-Cookie:x", "javascript:alert(1)", "/\t/evil.example", "http:/evil", "", "/é"),
    ],
)
def test_nobody_is_sent_to_another_site(browser: httpx2.Client, there: str) -> None:
    page = browser.get("/private/login", params={"next": there})
    data = {"token": token(page), "name": "ada", "password": "lovelace"}
    done = browser.post("/private/login", params={"next": there}, data=data)
    assert done.headers["location"] in ("/private/", "/%0d%0aSet-Cookie:x")
    assert "x" not in done.cookies


@settings(max_examples=200)
@given(st.text(alphabet="/\\:.?#@ \t\r\nax\xe9\0%", max_size=8))
def test_a_path_that_is_local_stays_so_for_a_browser(text: str) -> None:
    if local_path(text) is not None:
        # As the URL standard has it: blanks are stripped, tabs and newlines left out.
        seen = re.sub(r"[\t\r\n]", "", text.strip(" \0")).replace("\\", "/")
        assert re.match(r"/(?!/)", seen)
        assert seen == text


def test_who_logs_out_is_nobody_any_more(served: Served, browser: httpx2.Client) -> None:
    log_in(browser)
    page = browser.get("/private/logout")
    assert "Log out" in page.text
    cookie = browser.cookies["perdure_session"]
    assert browser.post("/private/logout").status_code == 403, "no other site can do it"
    assert browser.get("/private").status_code == 200
    done = browser.post("/private/logout", data={"token": token(page)})
    assert (done.status_code, done.headers["location"]) == (303, "/private/login")
    for field in (f"Cookie: perdure_session={cookie}", "X: y"):
        assert served.get("/private", field, "Accept: text/html").status == 303
    assert browser.get("/private/logout").headers["location"] == "/private/login"
    assert browser.post("/private/logout").headers["location"] == "/private/login"


def test_who_is_removed_or_gets_another_password_is_logged_out(
    served: Served, browser: httpx2.Client
) -> None:
    users = served.registry.get_component(Users)
    assert users is not None
    log_in(browser)
    assert browser.get("/private").status_code == 200
    served.call(lambda: users.set_password("ada", "byron"))
    assert browser.get("/private").status_code == 303
    log_in(browser, "ada", "byron")
    assert browser.get("/private").status_code == 200
    served.call(lambda: users.remove("ada"))
    assert browser.get("/private").status_code == 303


def test_who_logged_in_is_known_where_the_users_are_the_same_and_nowhere_else(
    serve: Serve,
) -> None:
    root = Resource()
    for path, users in (("a", None), ("b", None), ("c", "others")):
        keeper = Doorkeeper(RegisteredUsers(users))
        root.put_child(path, Protected(Who(), keeper, FormLogin(login="private")))
    served = serve(root)
    others = enrolled(served, ada="lovelace")
    served.call(lambda: served.registry.set_component(Users, others, name="others"))
    with httpx2.Client(base_url=served.url(), headers=HTML) as browser:
        data = {"token": token(browser.get("/a/private")), "name": "ada", "password": "lovelace"}
        assert browser.post("/a/private", data=data).status_code == 303
        assert [browser.get(f"/{each}").status_code for each in "abc"] == [200, 200, 303]


def test_who_is_logged_in_is_so_after_a_restart(
    serve: Serve, served: Served, browser: httpx2.Client
) -> None:
    log_in(browser)
    saved = served.call(lambda: capture(served.application).stream)
    restored = restore(saved, Policy.everything())
    assert isinstance(restored, Application)
    again = serve(guarded(FormLogin()))
    again.call(lambda: again.registry.adopt(restored.registry))
    field = f"Cookie: perdure_session={browser.cookies['perdure_session']}"
    assert again.get("/private", field).body == b"ada at "
    # As an attacker's own server would sign it.
    foreign = serve(guarded(FormLogin()))
    enrolled(foreign, ada="lovelace")
    with httpx2.Client(base_url=foreign.url(), headers=HTML) as other:
        log_in(other)
        cookie = f"Cookie: perdure_session={other.cookies['perdure_session']}"
    assert again.get("/private", cookie).status == 403


def test_wrong_tries_cost_time_here_too(serve: Serve) -> None:
    served = serve(
        guarded(FormLogin(), keeper=Doorkeeper(RegisteredUsers(), lockout=Lockout(free=2)))
    )
    enrolled(served, ada="lovelace")
    with httpx2.Client(base_url=served.url(), headers=HTML) as browser:
        statuses = [log_in(browser, password=f"{each}").status_code for each in range(2)]
        page = log_in(browser)
    assert [*statuses, page.status_code] == [403, 403, 429]
    assert page.headers["retry-after"] == "1"
    assert "too many attempts" in page.text


def test_the_page_is_kept_by_no_cache_and_in_no_frame(browser: httpx2.Client) -> None:
    page = browser.get("/private/login")
    assert "no-store" in page.headers["cache-control"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"


def test_a_login_is_bounded(browser: httpx2.Client) -> None:
    mine = token(browser.get("/private/login"))
    data = {"token": mine, "name": "ada", "password": "x" * 20_000}
    assert browser.post("/private/login", data=data).status_code == 413
    data["password"] = "x" * 5_000
    assert browser.post("/private/login", data=data).status_code == 403


# A browser that is one.

needs_chromium = pytest.mark.skipif(EXECUTABLE is None, reason="there is no Chromium")


def go(tab: Browser, url: str) -> None:
    tab.follow(f"location.href = '{url}'")


def fill(tab: Browser, name: str, password: str) -> None:
    tab.run(f"($('[name=name]').value = '{name}', $('[name=password]').value = '{password}')")
    tab.follow("$('button').click()")


@needs_chromium
def test_people_log_in_and_out_with_a_browser(serve: Serve, tmp_path: Path) -> None:
    root = Resource()
    root.put_child("desk", Protected(Desk(), Doorkeeper(RegisteredUsers()), FormLogin()))
    served = serve(root)
    users = Users(cost=CHEAP)
    users.add("ada", "lovelace")
    served.call(lambda: served.registry.set_component(Users, users))
    pictures = Path(os.environ.get("PERDURE_TEST_PICTURES", tmp_path))
    with browsing(tmp_path / "profile") as tab:
        for width, scheme in ((1200, "dark"), (360, "light")):
            tab.resize(width, 640, scheme)
            go(tab, served.url("/desk/drawer"))
            assert tab.run("location.pathname") == "/desk/login"
            assert tab.run("document.documentElement.scrollWidth <= innerWidth")
            tab.picture(pictures / f"login-{width}.png")
        cookies = tab.call("Network.getCookies")["cookies"]
        assert [(each["httpOnly"], each["sameSite"]) for each in cookies] == [(True, "Lax")]
        assert tab.run("document.cookie") == ""
        fill(tab, "ada", "babbage")
        assert tab.run("texts('.note')") == ["Name or password is wrong."]
        assert tab.run("$('[name=name]').value") == "ada"
        tab.picture(pictures / "login-wrong.png")
        fill(tab, "ada", "lovelace")
        assert tab.run("location.pathname") == "/desk/drawer"
        assert tab.run("texts('p')") == ["ada"]
        (session,) = served.call(
            lambda: [each for each in served.registry if isinstance(each, KeptSession)]
        )
        assert cookies[0]["value"].partition(".")[0] not in session.name
        go(tab, served.url("/desk/logout"))
        tab.follow("$('button').click()")
        assert tab.run("location.pathname") == "/desk/login"
        go(tab, served.url("/desk/drawer"))
        assert tab.run("location.pathname") == "/desk/login"
