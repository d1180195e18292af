"""Every sample that the page of the samples lists runs, by the commands that are given there.

The table of that page is what is run: a row without a test here, or the other way round, is a mistake.
"""

import os
import pwd
import re
import socket
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from perdure.app.web.auth.passwords import Cost

from .publishing import SAMPLES, copy_samples, own_modules, running

Commands = tuple[str, ...]


def listed() -> dict[Commands, str]:
    """The commands of each row of the table, and what the row is about."""
    page = (SAMPLES / "README.md").read_text().partition("## What Twisted's documents show")[2]
    rows = re.findall(r"^\| (.+?) \| .+ \| (`(?:mkapp|rundaemon) .+`) \|$", page, re.MULTILINE)
    return {
        tuple(re.findall(r"`(.+?)`", commands.replace(r"\|", "|"))): about
        for about, commands in rows
    }


@attrs.frozen
class Visit:
    """A request, and what is expected of the reply."""

    path: str
    text: str = ""
    status: int = 200
    host: str = "localhost"
    at: str = "8080.sock"
    field: tuple[str, str] | None = None


@pytest.fixture(autouse=True)
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, with samples and a key of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    copy_samples(tmp_path)
    with own_modules(tmp_path):
        yield tmp_path


V = Visit
PERL = "mkapp web --path samples/cgi --processor .pl=perlscript.PerlScript"
BY_HAND = "rundaemon -y samples/configurations/"
VISITS: dict[Commands, list[Visit]] = {
    ("mkapp web --path samples/site --port 8080",): [V("/about.html", "Halden Skerry")],
    ("mkapp --uid 33 --gid 33 web --path samples/site",): [V("/style.css", "font")],
    ("mkapp web --path samples/site --logfile access.log",): [V("/", "Halden Skerry")],
    ("mkapp web --port 8080 --path samples/hosts --mime-type text/plain",): [
        V("/weather.example/now.rpy", "Wind from the west"),
        V("/harbour.example/", "ferry"),
        V("/", "weather.example/"),
    ],
    ("mkapp web --path samples/pages --ignore-ext .rpy",): [
        V("/hello", "Ahoy from the skerry!"),
        V("/drafts", status=404),
    ],
    ("mkapp web --path samples/pages --index index.cgi --index hello.rpy --index index.html",): [
        V("/", "Ahoy from the skerry!")
    ],
    ("mkapp web --path samples/site --output web.snap.xml",): [V("/", "Halden Skerry")],
    ("mkapp web --path samples/site --output web.snap.py",): [V("/", "Halden Skerry")],
    ('mkapp web --path samples/site --add-header "X-Keeper: Halden"',): [
        V("/", field=("x-keeper", "Halden"))
    ],
    ("mkapp web --path samples/pages",): [
        V("/hello.rpy", "Ahoy from the skerry!"),
        V("/tree.rpy", "You are at /tree.rpy."),
        V("/tree.rpy/any/other", "You are at /tree.rpy/any/other."),
        V("/tree.rpy/north/by/west", "look at by/west."),
        V("/foghorn.asis", "was taken down", status=410, field=("cache-control", "max-age=86400")),
        V("/perl.rpy/", "High water"),
        V("/perl.rpy/tides.pl?days=1", "2026-11-21 18:55"),
        V("/perl.rpy/perlscript.py", status=404),
        V("/users.rpy/nobody-of-that-name/", status=404),
        V("/waiting.py", status=404),
        V("/", "hello.rpy"),
    ],
    ("mkapp web --path samples/site",): [
        V("/counter.rpy", "visitor 1."),
        V("/counter.rpy", "visitor 2."),
        V("/weblog.rpy", "200 new lines"),
    ],
    ("mkapp web --resource-script samples/pages/hours.rpy",): [
        V("/", "(UTC) at /\n", field=("cache-control", "no-cache")),
        V("/tower/", "(UTC) at /tower/\n"),
        V("/cellar", status=404),
    ],
    (
        "mkapp web --path samples/site",
        "websetroot web.snap --service web --resource-script samples/pages/hours.rpy",
    ): [V("/tower", "(UTC) at /tower\n"), V("/about.html", status=404)],
    (
        "mkapp web --path samples/site",
        "python samples/configurations/keep.py",
        "websetroot web.snap --resource tides.trp",
    ): [V("/", "The tide tables"), V("/today", "High at six")],
    ("mkapp web --path samples/site --no-listing",): [
        V("/weblog.rpy", "200 new lines"),
        V("/weblog.rpy", "0 new lines"),
    ],
    (f"{PERL} --index tides.pl --pythonpath samples/cgi",): [V("/", "High water")],
    ("mkapp web --path samples/cgi --cgi --php",): [
        V("/flags.cgi/north", "The flag of north is up."),
        V("/visitors.php", "Who is there?"),
    ],
    ("mkapp web --wsgi almanac:application --pythonpath samples/configurations",): [
        V("/tides", "nothing on /tides")
    ],
    (f"{BY_HAND}wsgi.py",): [V("/", "nothing on /\n")],
    (f"{BY_HAND}hello.py",): [V("/", "Ahoy!"), V("/any/where", "Ahoy!")],
    ("rundaemon -y samples/config.py",): [V("/foghorn", "has sounded 1 times")],
    (f"{BY_HAND}files.py",): [
        V("/", "Ahoy from the skerry!"),
        V("/hours", "(UTC) at /hours"),
        V("/doc/names.md", "# Names", field=("content-type", "text/markdown")),
        V("/cgi-bin/flags.cgi/south", "The flag of south is up."),
        V("/fonts/signs.woff2", field=("content-type", "application/font-woff2")),
    ],
    (f"{BY_HAND}hosts.py",): [
        V("/", "ferry", host="harbour.example"),
        V("/", "Wind from the west", host="weather.example"),
        V("/now", "Wind from the west", host="weather.example"),
        V("/", "Halden Skerry Light", host="elsewhere.example"),
    ],
    ("mkapp web --host-folder samples/hosts",): [
        V("/", "ferry", host="harbour.example"),
        V("/now.rpy", "Wind from the west", host="weather.example"),
        V("/", status=404, host="elsewhere.example"),
    ],
    (f"{BY_HAND}ports.py",): [V("/", "Halden Skerry"), V("/", "Halden Skerry", at="8081.sock")],
    (f"{BY_HAND}dropins.py",): [
        V("/", "ferry", host="harbour.example"),
        V("/hours", "(UTC) at /hours"),
        V("/vhost/https/harbour.example:443/", "ferry"),
        V("/banners/", '"/banners/go/ferry"'),
        V("/banners/go/oil", status=302, field=("location", "https://oil.example/lamps")),
    ],
    (f"{BY_HAND}compressed.py",): [
        V("/about.html", "Halden", field=("content-encoding", "gzip")),
        V("/counter.rpy", "visitor 1.", field=("content-encoding", "gzip")),
    ],
    ("mkapp web --proxy /=tcp:81:interface=localhost",): [V("/", status=502)],
    ("rundaemon -y samples/proxy/split.py",): [
        V("/about.html", "Halden Skerry"),
        V("/foo/trunk", status=502),
    ],
    ("mkapp web --path samples/proxy",): [V("/blog.rpy/", status=502)],
    (
        "mkapp web --path samples/pages --listen unix:inner.sock --output inner.snap",
        f"{BY_HAND}front.py",
    ): [
        V("/hours.rpy", "(UTC) at /hours.rpy\n", host="harbour.example"),
        V("/hours.rpy", status=404, host="elsewhere.example"),
        V("/vhost.rpy/http/harbour.example:80/hello.rpy", "Ahoy", at="inner.sock"),
    ],
    (f"{BY_HAND}distributed.py",): [
        V("/about.html", "Halden Skerry"),
        V("/about.html", "Halden Skerry", at="inner.sock"),
    ],
    (f"{BY_HAND}ping.py", f"{BY_HAND}pong.py"): [
        V("/", text, host=host, at=at)
        for at in ("8080.sock", "8081.sock")
        for host, text in (("harbour.example", "ferry"), ("weather.example", "Wind"))
    ],
    ("rundaemon -y samples/banners/standalone.py",): [
        V("/", '"/go/ferry"'),
        V("/", '"/go/oil"'),
        V("/go/ferry", status=302, field=("location", "https://ferry.example/")),
        V("/go/soap", status=404),
        V("/put", status=404),
    ],
    ("mkapp web --path samples/banners",): [V("/inside.rpy", '"/inside.rpy/go/ferry"')],
    (
        "rundaemon -y samples/banners/published.py",
        "mkapp web --resource-script samples/banners/shown.rpy",
    ): [
        V("/", "To the skerry by ferry"),
        V("/go/oil", status=302, field=("location", "https://oil.example/lamps")),
    ],
    (f"{BY_HAND}echo.py",): [
        V("/", "<b>Ahoy</b>"),
        V("/?say=%3Cfog%3E", "The cliff says: <b>&lt;fog&gt;</b>"),
    ],
}


@pytest.mark.parametrize("commands", VISITS, ids=[" and ".join(each) for each in VISITS])
def test_a_sample_is_served(commands: Commands) -> None:
    with running(commands) as run:
        for visit in VISITS[commands]:
            reply = run.ask(visit.path, at=visit.at, host=visit.host)
            assert reply.status_code == visit.status, (visit, reply.text)
            assert visit.text in reply.text, visit
            if visit.field is not None:
                name, value = visit.field
                assert reply.headers[name].startswith(value), (visit, reply.headers)


STORIES: dict[str, Commands] = {
    "users": ("mkapp web --users",),
    "university": (f"{BY_HAND}university.py",),
    "personal": (f"{BY_HAND}personal.py",),
    "forward": (f"{BY_HAND}forward.py",),
    "sightings": (
        "mkapp web --resource-script samples/pages/sightings.rpy --pythonpath samples/site",
    ),
    "banners": ("mkapp banners",),
}
PAGES: Commands = ("mkapp web --path samples/pages",)


def test_all_that_is_listed_is_run_and_all_that_is_run_is_listed() -> None:
    assert set(listed()) == {*VISITS, *STORIES.values()}


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who has an account."""
    home = tmp_path / "ada"
    (home / "public_html").mkdir(parents=True)
    (home / "public_html/index.html").write_text("<p>Ada's own.</p>\n")
    number = os.getuid() or 1234
    os.chown(home / "public_html", number, -1)
    entry = pwd.struct_passwd(("ada", "x", number, number, "", str(home), "/bin/sh"))

    def getpwnam(name: str) -> pwd.struct_passwd:
        return {"ada": entry}[name]

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    return home


@pytest.mark.skipif(0 < os.getuid() < 1000, reason="the user is one of a service")
@pytest.mark.parametrize("story", ["users", "university"])
def test_users_have_pages(ada: Path, story: str) -> None:
    with running(STORIES[story]) as run:
        assert run.ask("/~ada/").text == "<p>Ada's own.</p>\n"
        assert run.ask("/~nobody/").status_code == 404
        if story == "university":
            assert "Halden Skerry Light" in run.ask("/").text
            assert run.ask("/users/ada/").status_code == 200
            assert run.ask("/cgi-bin/flags.cgi/west").text == "The flag of west is up.\n"
            assert "# Names" in run.ask("/doc/names.md").text


def test_users_have_servers(ada: Path) -> None:
    with running(STORIES["personal"]) as run:
        assert run.ask("/servers/ada/").status_code == 404
        theirs = ("mkapp web --path ada/public_html --listen unix:ada/.perdure-web.sock",)
        with running(theirs):
            os.chown(ada / ".perdure-web.sock", os.getuid() or 1234, -1)
            assert run.ask("/servers/ada/").text == "<p>Ada's own.</p>\n"
            assert run.ask("/", host="ada.people.example").text == "<p>Ada's own.</p>\n"
            assert run.ask("/", host="grace.people.example").status_code == 404
            assert "Halden Skerry" in run.ask("/", host="people.example").text
            (ada / ".perdure-web.sock").rename(ada / "other.sock")
            (ada / ".perdure-web.sock").symlink_to(ada / "other.sock")
            assert run.ask("/servers/ada/").status_code == 404
            (ada / "other.sock").rename(ada / ".perdure-web.sock")


def test_a_proxy_leads_where_it_may() -> None:
    with running(STORIES["forward"]) as run:
        elsewhere = {"target": b"http://elsewhere.example/"}
        assert run.ask("/", host="elsewhere.example", extensions=elsewhere).status_code == 403
        assert run.ask("/").status_code == 404


def test_the_monster_leads_around_no_guard() -> None:
    users_with_ada()
    with running(("mkapp web --path samples/pages --auth /hello.rpy=users",)) as run:
        led = "/vhost.rpy/http/harbour.example:80"
        assert run.ask(f"{led}/hours.rpy").text.endswith(" at /hours.rpy\n")
        assert run.ask(f"{led}/hello.rpy").status_code == 401
        assert run.ask(f"{led}/hello.rpy", auth=("ada", "lovelace")).status_code == 200


def users_with_ada() -> None:
    """A file ``users``, in which ada has the password lovelace."""
    users = Path("users")
    users.touch(0o600)
    users.write_text(f"ada:{Cost(ln=10).record('lovelace')}\n")


def test_a_static_page_follows_a_log() -> None:
    with running(STORIES["sightings"]) as run:
        shown = run.ask("/").text
        assert shown.count("<tr>") == 35
        with open("samples/access.log", "a") as log:
            log.write(
                '1.2.3.4 - - [21/Nov/2026:09:00:00 +0000] "GET /new HTTP/1.1" 200 1 "x" "-"\n'
            )
        alarms = run.applications[0].registry.alarms
        assert [each.method for each in alarms.all()] == ["refresh"]
        run.call(lambda: alarms.all()[0].component.refresh())
        assert "<td>/new</td>" in run.ask("/").text


def test_a_package_brings_a_kind_of_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads(Path("samples/banners/pyproject.toml").read_text())["project"]
    info = tmp_path / "installed/skerry_banners-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skerry-banners\nVersion: 1.0\n")
    offers = project["entry-points"]["perdure.kinds"]
    (info / "entry_points.txt").write_text(
        "[perdure.kinds]\n" + "".join(f"{name} = {place}\n" for name, place in offers.items())
    )
    monkeypatch.setattr(
        sys, "path", [*sys.path, str(info.parent), str(tmp_path / "samples/banners")]
    )
    with running(STORIES["banners"]) as run:
        assert "To the skerry by ferry" in run.ask("/").text
    users_with_ada()
    with running(("mkapp banners --users users",)) as run:
        soap = {"name": "soap", "text": "Soap & towels", "link": "https://soap.example/"}
        assert run.ask("/put", method="POST", data=soap).status_code == 401
        ada = ("ada", "lovelace")
        assert run.ask("/put", method="POST", data=soap, auth=ada).status_code == 201
        bad = {**soap, "link": "javascript:alert()"}
        assert run.ask("/put", method="POST", data=bad, auth=ada).status_code == 422
        assert "Soap &amp; towels" in "".join(run.ask("/").text for _ in range(3))
        assert run.ask("/go/soap").headers["location"] == "https://soap.example/"


def test_a_module_that_is_being_written_is_read_again() -> None:
    with running(PAGES) as run:
        assert "The first draft." in run.ask("/draft.rpy").text
        module = Path("samples/pages/drafts.py")
        module.write_text(module.read_text().replace("first draft", "last version"))
        assert "The last version." in run.ask("/draft.rpy").text


def test_a_visitor_has_a_number_of_their_own() -> None:
    with running(PAGES) as run:
        first = run.ask("/yours.rpy")
        assert "visit number 1." in first.text
        cookies = {"Cookie": first.headers["set-cookie"].partition(";")[0]}
        assert "visit number 2." in run.ask("/yours.rpy", headers=cookies).text
        assert "visit number 1." in run.ask("/yours.rpy").text


def test_a_page_knows_who_has_waited_for_it() -> None:
    with running(PAGES) as run:
        assert run.ask("/patience.rpy?seconds=0").text.endswith("opens.</p>\n")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("8080.sock")
            client.sendall(b"GET /patience.rpy?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
            while b"climbs down" not in client.recv(65536):
                pass
        while "0 have not" in run.ask("/patience.rpy/count").text:
            pass
        assert "1 have waited, 1 have not." in run.ask("/patience.rpy/count").text
