"""What the options of ``mkapp web`` do, each by a request."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from perdure.app.web.gateways.wsgi import WSGIApplication
from perdure.app.web.resource import Resource
from perdure.app.web.routing.hosts import VirtualHosts
from perdure.persist.capture import capture
from perdure.persist.errors import PerdureError

from ..web.conftest import Reply, Served
from ..web.kinds.auth import CHEAP
from .webmade import ask, made, serving

PROGRAM = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\nrun %s' "$PATH_INFO"
"""


class Hello(Resource):
    """A page of a class."""

    is_leaf = True

    def render_GET(self, request: object) -> str:
        return "hello"


def wsgi(environ: dict[str, str], start_response: object) -> list[bytes]:
    """An application."""
    assert callable(start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi " + environ["PATH_INFO"].encode()]


@pytest.fixture(name="site")
def site_fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "docs").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Home</title>" + " " * 1000)
    (folder / "about.html").write_text("about")
    (folder / "docs" / "a.txt").write_text("a")
    (folder / "lost.j2").write_text("lost {{ status }} {{ path }}")
    (folder / "run.cgi").write_text(PROGRAM)
    (folder / "run.cgi").chmod(0o755)
    return folder


@pytest.fixture(name="other")
def other_fixture(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("other")
    return tmp_path / "other"


def texts(served: Served, *paths: str, host: str = "x") -> list[str]:
    return [ask(served, path, host=host).body.decode().strip() for path in paths]


def test_hosts_have_folders_and_the_rest_the_path(site: Path, other: Path) -> None:
    hosts = other.parent / "hosts"
    (hosts / "third.org").mkdir(parents=True)
    (hosts / "third.org" / "index.html").write_text("third")
    options = ("--vhost", f"*.example.org={other}", "--host-folder", hosts)
    with serving("--path", site, *options) as served:
        assert texts(served, "/", host="www.example.org") == ["other"]
        assert texts(served, "/", host="third.org:80") == ["third"]
        assert "Home" in texts(served, "/", host="fourth.org")[0]
    with serving(*options) as served:
        assert texts(served, "/", host="a.example.org") == ["other"]
        assert ask(served, host="fourth.org").status == 404


def test_users_have_pages_beside_the_path_or_alone(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    (tmp_path / "public_html").mkdir()
    (tmp_path / "public_html" / "index.html").write_text("anna's")
    os.chown(tmp_path / "public_html", 1234, 1234) if os.getuid() == 0 else None
    uid = 1234 if os.getuid() == 0 else os.getuid()
    entry = pwd.struct_passwd(("anna", "x", uid, uid, "", str(tmp_path), ""))
    monkeypatch.setattr(pwd, "getpwnam", {"anna": entry}.__getitem__)
    with serving("--path", site, "--users") as served:
        assert texts(served, "/~anna/", "/users/anna/") == ["anna's", "anna's"]
        assert "Home" in texts(served, "/")[0]
    with serving("--users") as served:
        assert texts(served, "/~anna/", "/users/anna/") == ["anna's", "anna's"]
        assert ask(served, "/anna/").status == 404
    guards = tmp_path / "guards"
    guards.write_text(f"ada:{CHEAP.record('lovelace')}\n")
    guards.chmod(0o600)
    with serving("--users", "--auth", f"/users/anna={guards}") as served:
        for path in ("/~anna/", "/users/anna/", "/users//anna/", "/~anna;x/"):
            assert ask(served, path).status == 401, path
        for path in ("/users/~anna/", "/~~anna/"):
            assert ask(served, path).status == 404, path


def test_a_path_is_passed_on_to_a_server_behind(site: Path, other: Path) -> None:
    with serving("--path", other) as behind:
        endpoint = f"tcp:{behind.address[1]}:interface=127.0.0.1"
        with serving("--path", site, "--proxy", f"/api/={endpoint}") as served:
            assert texts(served, "/api/", "/about.html") == ["other", "about"]
        with serving("--proxy", f"/={endpoint}") as served:
            assert texts(served, "/") == ["other"]
        with serving("--proxy", f"/api={endpoint}") as served:
            assert [ask(served, path).status for path in ("/api/", "/", "/a")] == [200, 404, 404]


def test_clients_are_led_where_they_may_go(site: Path, other: Path) -> None:
    with serving("--path", other) as behind:
        there = f"127.0.0.1:{behind.address[1]}"
        private = ("--forward-private", "127.0.0.0/8")
        with serving("--path", site, "--forward-proxy", there, *private) as served:
            assert texts(served, f"http://{there}/", "/about.html") == ["other", "about"]
            assert ask(served, "http://127.0.0.1:1/").status == 403


def test_a_path_leads_elsewhere(site: Path) -> None:
    options = ("--redirect", "/old=https://example.org/new", "--alias", "/us=/about.html")
    with serving("--path", site, *options, "--rewrite", r"/d-(\w)", r"/docs/\1.txt") as served:
        assert ask(served, "/old/x?y=1").get("location") == "https://example.org/new/x?y=1"
        assert texts(served, "/us", "/d-a") == ["about", "a"]
    with serving("--redirect", "/=https://example.org/") as served:
        assert ask(served, "/a").get("location") == "https://example.org/a"


def test_an_application_of_python_is_the_root() -> None:
    with serving("--wsgi", f"{__name__}:wsgi") as served:
        assert texts(served, "/a/b") == ["wsgi /a/b"]
    with serving("--wsgi", f"{__name__}.wsgi", "--redirect", "/a=https://x.org/") as served:
        assert texts(served, "/b") == ["wsgi /b"]
        assert ask(served, "/a").status == 302


def test_programs_are_run_when_that_is_asked_for_and_never_shown(site: Path) -> None:
    with serving("--path", site, "--cgi") as served:
        assert texts(served, "/run.cgi/more") == ["run /more"]
    for options in ((), ("--php",), ("--no-scripts",)):
        with serving("--path", site, *options) as served:
            assert ask(served, "/run.cgi").status == 403


def test_parts_are_for_those_who_say_who_they_are(site: Path, other: Path) -> None:
    users, others = other / "users", other / "others"
    users.write_text(f"ada:{CHEAP.record('lovelace')}\n")
    others.write_text(f"bob:{CHEAP.record('builder')}\n")
    for file in (users, others):
        file.chmod(0o600)
    ada = "Authorization: Basic YWRhOmxvdmVsYWNl"
    bob = "Authorization: Basic Ym9iOmJ1aWxkZXI="
    options = ("--auth", f"/docs={users}", "--login", f"/docs/deep={others}", "--realm", "lab")
    (site / "docs" / "deep").mkdir()
    (site / "docs" / "deep" / "b.txt").write_text("b")
    with serving("--path", site, *options, "--alias", "/d=/docs") as served:
        for path in ("/docs/a.txt", "/d/a.txt", "//docs/a.txt", "/DOCS/a.txt"):
            assert ask(served, path).get("www-authenticate") == 'Basic realm="lab", charset="UTF-8"'
            assert ask(served, path, bob).status == 401
        assert ask(served, "/docs/a.txt", ada).body == b"a"
        assert ask(served, "/d/a.txt", ada).body == b"a"
        assert ask(served, "/docs/deep/b.txt", ada).status == 401
        assert ask(served, "/docs/deep/b.txt", bob).body == b"b"
        sent = ask(served, "/docs/deep/b.txt", "Accept: text/html").get("location") or ""
        assert sent.startswith("/docs/deep/login?next=")
        assert b'name="password"' in ask(served, sent).body
        assert ask(served, "/about.html").body == b"about"
    with serving("--path", site, "--auth", f"/={users}") as served:
        assert [ask(served, "/").status, ask(served, "/", ada).status] == [401, 200]


def digested(served: Served, algorithm: str) -> str:
    """The user ada's proof for /a.txt, by the challenge of this algorithm."""
    challenges = ask(served, "/a.txt").get_all("www-authenticate")
    challenge = next(each for each in challenges if f"algorithm={algorithm}," in each)
    nonce = re.search(r'nonce="([^"]+)"', challenge)
    assert nonce

    def hashed(text: str) -> str:
        return hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()

    known = f"{hashed('ada:lab:lovelace')}:{nonce[1]}:00000001:c:auth:{hashed('GET:/a.txt')}"
    return (
        f'Authorization: Digest username="ada", realm="lab", nonce="{nonce[1]}", uri="/a.txt",'
        f' algorithm={algorithm}, qop=auth, nc=00000001, cnonce="c", response="{hashed(known)}"'
    )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_password_may_be_proved_by_what_a_file_for_digest_has(site: Path, algorithm: str) -> None:
    kept = hashlib.new(algorithm.replace("-", ""), b"ada:lab:lovelace").hexdigest()
    users = site / "users"
    users.write_text(f"ada:lab:{kept}\n")
    users.chmod(0o600)
    (site / "a.txt").write_text("a")
    with serving("--path", site, "--digest", f"/={users}", "--realm", "lab") as served:
        assert ask(served, "/a.txt").status == 401
        assert ask(served, "/a.txt", digested(served, algorithm)).body == b"a"
    with pytest.raises(PerdureError, match="realm 'restricted'; say --realm 'lab'"):
        made("--path", site, "--digest", f"/={users}")


def test_templates_are_pages_and_find_each_other(site: Path) -> None:
    (site / "hello.txt.jinja").write_text("hello {{ request.path }}")
    with serving("--path", site, "--templates", ".jinja") as served:
        reply = ask(served, "/hello.txt.jinja")
    assert (reply.get("content-type"), reply.body) == (
        "text/plain; charset=utf-8",
        b"hello /hello.txt.jinja",
    )


def test_a_body_may_be_as_large_as_was_said() -> None:
    with serving("--wsgi", f"{__name__}:wsgi", "--max-body", "1k") as served:
        statuses = [post(served, b"x" * length).status for length in (1024, 1025)]
    assert statuses == [200, 413]
    limits = made("--wsgi", f"{__name__}:wsgi", "--max-body", "2G").site.limits
    assert limits is not None
    assert (limits.body, limits.upload) == (2 << 30, 2 << 30)


def post(served: Served, body: bytes) -> Reply:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with served.connect() as client:
        return client.ask(head.encode() + body)


def test_so_many_threads_as_were_asked_for_answer() -> None:
    root = made("--wsgi", f"{__name__}:wsgi", "--wsgi-threads", "3").site.resource
    assert isinstance(root, WSGIApplication)
    assert root.threads == 3


def test_scripts_of_other_sites_may_do_what_was_said(site: Path) -> None:
    origin = "https://app.example.org"
    options = ("--cors-method", "PUT", "--cors-header", "Content-Type", "--cors-credentials")
    with serving("--path", site, "--cors", origin, *options) as served:
        head = f"OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n"
        with served.connect() as client:
            reply = client.ask(f"{head}Access-Control-Request-Method: PUT\r\n\r\n".encode())
    assert reply.get("access-control-allow-origin") == origin
    assert reply.get("access-control-allow-methods") == "GET, HEAD, POST, PUT"
    assert reply.get("access-control-allow-headers") == "Content-Type"
    assert reply.get("access-control-allow-credentials") == "true"


def test_a_single_page_application_answers_where_there_is_no_page(site: Path) -> None:
    with serving("--path", site, "--spa", "index.html") as served:
        reply = ask(served, "/any/where", "Accept: text/html")
    assert (reply.status, b"Home" in reply.body) == (200, True)


def test_folders_are_listed_unless_not(site: Path) -> None:
    with serving("--path", site) as served:
        assert ask(served, "/docs/").status == 200
    with serving("--path", site, "--no-listing", "--forbidden", site / "lost.j2") as served:
        reply = ask(served, "/docs/")
    assert (reply.status, reply.body) == (403, b"lost 403 /docs/")


def test_errors_have_pages_of_the_site_whatever_answers(site: Path) -> None:
    page = site / "lost.j2"
    with serving("--path", site, "--not-found", page, "--error-page", f"405={page}") as served:
        assert texts(served, "/gone") == ["lost 404 /gone"]
        assert ask(served, "/gone").status == 404


def test_replies_have_the_fields_that_were_asked_for(site: Path) -> None:
    options = (
        *("--cache-control", "text/plain=max-age=60", "--cache-control", "no-cache"),
        *("--csp", "default-src 'self'", "--add-header", "X-Mood: fine"),
    )
    with serving("--path", site, *options, "--cors", "https://app.example.org") as served:
        page, text = ask(served, "/"), ask(served, "/docs/a.txt", "Origin: https://app.example.org")
    assert page.get("cache-control") == "no-cache"
    assert page.get("content-security-policy") == "default-src 'self'"
    assert page.get("x-mood") == "fine"
    assert text.get("cache-control") == "max-age=60"
    assert text.get("content-security-policy") is None
    assert text.get("access-control-allow-origin") == "https://app.example.org"


def test_what_nobody_has_said_is_not_written_down_so_that_later_versions_know_better(
    site: Path,
) -> None:
    options = ("--proxy", "/api=tcp:81", "--forward-proxy", "*:443", "--compress")
    service = made("--path", site, *options)
    names = capture(service).names
    assert "perdure.app.web.proxy.reverseproxy:ReverseProxy" in names
    assert [name for name in names if name.endswith("Limits")] == []
    assert b"manifest+json" not in capture(service).stream


def test_our_own_pages_are_protected_without_being_asked(site: Path) -> None:
    users = site / "users"
    users.write_text(f"ada:{CHEAP.record('lovelace')}\n")
    users.chmod(0o600)
    options = ("--login", f"/in={users}")
    with serving("--path", site, *options) as served:
        pages = {path: ask(served, path) for path in ("/docs/", "/gone", "/in/login")}
        pages["unreadable"] = ask(served, "/", "Broken field")
    for path, page in pages.items():
        policy = page.get("content-security-policy") or ""
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert page.get("x-content-type-options") == "nosniff", path


def test_replies_are_compressed_when_that_is_asked_for(site: Path) -> None:
    for options, coding in (((), None), (("--compress",), "gzip")):
        with serving("--path", site, *options) as served:
            assert ask(served, "/", "Accept-Encoding: gzip").get("content-encoding") == coding


def test_proxies_are_believed_when_they_are_named(site: Path, tmp_path: Path) -> None:
    service = made("--path", site, "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "unix")
    assert service.site.trusted_proxies == ("10.0.0.0/8", "unix")
    assert made("--path", site, "--display-tracebacks").site.display_tracebacks


def test_settings_of_files_are_those_of_every_folder(site: Path, other: Path) -> None:
    (other / "home.txt").write_text("home")
    vhost = ("--vhost", f"a.org={other}")
    root = made("--path", site, *vhost, "--index", "home.txt").site.resource
    assert isinstance(root, VirtualHosts)
    with serving("--path", site, *vhost, "--index", "home.txt", "--no-listing") as served:
        assert texts(served, "/", host="a.org") == ["home"]
        assert ask(served, "/").status == 403


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to serve"),
        (("--path", ".", "--class", "a.B"), "--path and --class: only one"),
        (("--wsgi", "a:b", "--asgi", "a:b"), "--wsgi and --asgi: only one"),
        (("--wsgi", "nowhere:app"), "nowhere"),
        (("--wsgi", "nowhere"), "nowhere"),
        (("--asgi", "os:nothing"), "nothing"),
        (("--class", "os.getcwd"), "not a Resource"),
        (("--class", "getcwd"), "expected module.Class"),
        (("--users", "--index", "a"), "--index: only for files, of --path"),
        (("--redirect", "/=https://a.org/", "--index", "a"), "--index: only for files"),
        (("--path", ".", "--no-scripts", "--php"), "--php: not together with --no-scripts"),
        (("--path", ".", "--auth", "/a"), "expected /PATH=FILE"),
        (("--path", ".", "--auth", "/a=/nowhere"), "/nowhere"),
        (("--users", "--auth", "/~a=/etc/hosts"), "/~a is answered as /users/a, so guard that"),
        (("--path", ".", "--alias", "/a=/b", "--auth", "/a/c=/etc/hosts"), "answered as /b/c"),
        (("--path", ".", "--users", "--redirect", "/users=/x"), "--users: they are at /users"),
        (("--path", ".", "--auth", "/a=/etc/hosts", "--login", "/a/=/etc/hosts"), "already"),
        (("--path", ".", "--auth", "a=/etc/hosts"), "place 'a'"),
        (("--path", ".", "--realm", "x"), "--realm: only with --auth, --login, --digest"),
        (("--path", ".", "--forward-client", "10.0.0.0/8"), "only with --forward-proxy"),
        (("--path", ".", "--forward-proxy", "example.org"), "example.org"),
        (
            ("--path", ".", "--forward-proxy", "*:80", "--forward-client", "me"),
            "--forward-client: 'me'",
        ),
        (("--path", ".", "--proxy", "/=tcp:80"), "nothing to be served besides"),
        (("--path", ".", "--proxy", "tcp:80"), "expected /PATH=ENDPOINT"),
        (("--path", ".", "--proxy", "/a=tcp:x"), "endpoint 'tcp:x'"),
        (("--path", ".", "--proxy", "a=tcp:80"), "--proxy: place 'a'"),
        (("--path", ".", "--proxy", "/a=tcp:80", "--redirect", "/a/=/b"), "another at /a"),
        (("--path", ".", "--redirect", "/a=javascript:x"), "--redirect /a=javascript:x: "),
        (("--path", ".", "--alias", "/a"), "expected /OLD=/NEW"),
        (("--path", ".", "--alias", "/a=b"), "--alias /a=b: .*begins with a slash"),
        (("--path", ".", "--rewrite", "/(", "/a"), "--rewrite .*regex"),
        (("--path", ".", "--vhost", "a.org"), "expected HOST=FOLDER"),
        (("--path", ".", "--vhost", "a b=."), "host 'a b'"),
        (("--path", ".", "--vhost", "a.org=/nowhere"), "--vhost .*there is no /nowhere"),
        (("--path", ".", "--spa", "../x"), "--spa: '../x'"),
        (("--path", ".", "--processor", "pl=a.B"), "expected .EXTENSION"),
        (("--path", ".", "--processor", ".pl=B"), "expected module.Class"),
        (("--path", ".", "--cors", "example.org"), "--cors: .*example.org"),
        (("--path", ".", "--cors-method", "PUT"), "--cors-method: only with --cors"),
        (("--path", ".", "--cors", "*", "--cors-method", "P T"), "methods 'P T'"),
        (("--path", ".", "--cors", "*", "--cors-header", "X:"), "headers 'X:'"),
        (("--path", ".", "--cors", "*", "--cors-credentials"), "have to be named"),
        (("--path", ".", "--wsgi-threads", "3"), "--wsgi-threads: only with --wsgi"),
        (("--path", ".", "--templates", "jinja"), "--templates jinja: expected .EXT"),
        (("--path", ".", "--templates", ".t", "--processor", ".t=os.getcwd"), "says otherwise"),
        (("--users", "--templates", ".t"), "--templates: only for files"),
        (("--path", ".", "--csp", "a\nb"), "control characters"),
        (
            ("--path", ".", "--csp", "img-src *; default-src: 'self'"),
            "'default-src:' is no directive",
        ),
        (("--path", ".", "--cache-control", "a\nb"), "control characters"),
        (("--path", ".", "--cache-control", "text/*"), "expected .TYPE,"),
        (("--path", ".", "--cache-control", "text/css="), "expected .TYPE,"),
        (("--path", ".", "--csp", ""), "--csp: an empty text was given"),
        (("--path", ".", "--index", "a", "--index", ""), "--index: an empty text was given"),
        (("--path", ".", "--mime-type", "text"), "such as text/plain"),
        (("--path", ".", "--vhost", "a.org=.", "--vhost", "a.org=/"), "another folder already"),
        (("--path", ".", "--error-page", "404=/etc/hosts", "--error-page", "404=a"), "another for"),
        (("--path", ".", "--error-page", "lost.html"), "expected STATUS=FILE"),
        (("--path", ".", "--error-page", "404=/nowhere"), "--error-page: .*/nowhere"),
        (("--wsgi", "nowhere"), "--wsgi: nowhere: "),
        (("--asgi", "nowhere:app"), "--asgi: nowhere:app: "),
        (("--path", ".", "--error-page", "200=/etc/hosts"), "400 to 599"),
        (("--path", ".", "--error-page", "404=/etc/hosts", "--not-found", "/etc/hosts"), "twice"),
        (("--path", ".", "--add-header", "X"), "expected 'Name: value'"),
        (("--path", ".", "--trusted-proxy", "proxy"), "trusted proxy 'proxy'"),
        (("--path", ".", "--listen", "udp:53"), "endpoint 'udp:53'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PerdureError, match=said) as refused:
        made(*words)
    assert "\n" not in str(refused.value).replace("a\nb", "")
    assert refused.value.exit_status in (os.EX_USAGE, os.EX_CONFIG, os.EX_NOPERM)
