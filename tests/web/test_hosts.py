"""Virtual hosts, asked for over connections."""

import subprocess
from pathlib import Path

import httpx2
import pytest

from perdure.app.web.hostname import HostError
from perdure.app.web.request import Request
from perdure.app.web.resource import ErrorPage, Resource, Wrapper
from perdure.app.web.routing.hostfolder import HostFolder
from perdure.app.web.routing.hosts import VHostMonster, VirtualHosts
from perdure.app.web.site import Site
from perdure.app.web.static import File, StaticError

from .conftest import Reply, Serve, Served, contexts
from .test_hostname import HOSTILE


class Told(Resource):
    """Says which of several it is, and what it sees of the request."""

    is_leaf = True

    def __init__(self, name: str) -> None:
        self.name = name

    def render_GET(self, request: Request) -> str:
        scheme = "https" if request.secure else "http"
        return f"{self.name}: {scheme} {request.host} {request.path} {request.prepath} {request.postpath}"


def hosts() -> VirtualHosts:
    found = VirtualHosts(Told("default"))
    for name in ("example.org", "bücher.example", "::1", "*.example.org", "*.deep.example.org"):
        found.add_host(name, Told(name))
    return found


def ask(served: Served, host: str, path: str = "/") -> Reply:
    with served.connect() as client:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        return client.ask(head.encode("latin-1"))


def answering(served: Served, host: str) -> str:
    return ask(served, host).body.decode().partition(": http")[0]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.ORG:8080", "example.org"),
        ("example.org.", "example.org"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "bücher.example"),
        ("[::1]:8080", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("www.example.org", "*.example.org"),
        ("a.b.example.org", "*.example.org"),
        ("a.deep.example.org", "*.deep.example.org"),
        ("deep.example.org", "*.example.org"),
        ("other.org", "default"),
        ("org", "default"),
        ("notexample.org", "default"),
        ("", "default"),
    ],
)
def test_each_host_has_its_own_resource(serve: Serve, host: str, name: str) -> None:
    assert answering(serve(hosts()), host) == name


def test_a_request_without_host_gets_the_default(serve: Serve) -> None:
    with serve(hosts()).connect() as client:
        assert client.ask(b"GET / HTTP/1.0\r\n\r\n").body.startswith(b"default")


def test_an_absolute_address_outranks_the_host_field(serve: Serve) -> None:
    with serve(hosts()).connect() as client:
        reply = client.ask(
            b"GET http://EXAMPLE.org:80/a HTTP/1.1\r\nHost: other.org\r\nConnection: close\r\n\r\n"
        )
    assert reply.body.startswith(b"example.org: ")


def test_hosts_come_and_go(serve: Serve) -> None:
    found = hosts()
    served = serve(found)
    served.call(lambda: found.remove_host("EXAMPLE.org."))
    assert answering(served, "example.org") == "default"
    served.call(lambda: found.add_host("new.net", Told("new")))
    assert answering(served, "new.net") == "new"
    with pytest.raises(HostError, match="no such host"):
        found.remove_host("example.org")


@pytest.mark.parametrize("name", ["", "*", "*.", "a.*", "example.org:80", "a/b", "*.*.org"])
def test_what_is_no_host_is_not_added(name: str) -> None:
    with pytest.raises(HostError):
        VirtualHosts().add_host(name, Told("x"))


def test_an_unknown_host_is_told_so_with_its_name(serve: Serve) -> None:
    reply = ask(serve(VirtualHosts()), "nobody.example:80")
    assert (reply.status, b"no site named nobody.example here" in reply.body) == (404, True)
    assert ask(serve(VirtualHosts()), "").status == 404


@pytest.mark.parametrize("host", [each for each in HOSTILE if each and each.isascii()])
def test_a_hostile_host_reaches_no_site(serve: Serve, host: str) -> None:
    served = serve(hosts())
    reply = ask(served, host)
    assert reply.status in (400, 431)
    assert b"<script>" not in reply.body
    assert answering(served, "example.org") == "example.org"


@pytest.mark.parametrize(
    "fields",
    [
        "Host: example.org\r\nHost: other.org",
        "Host: example.org\r\nhost : other.org",
        "Host: example.org\r\n other.org",
        "Host : example.org",
        " Host: example.org",
        "Host: example.org, other.org",
        "Host: example.org\tother",
        "Host: example.org\0",
        "Host: b\xfccher.example",
        "X-Host: example.org",
    ],
)
def test_a_host_that_two_readers_could_read_differently_is_refused(
    serve: Serve, fields: str
) -> None:
    with serve(hosts()).connect() as client:
        reply = client.ask(f"GET / HTTP/1.1\r\n{fields}\r\n\r\n".encode("latin-1"))
    assert reply.status == 400


@pytest.mark.parametrize(
    "target", ["http://user@example.org/", "http://a:b@example.org/", "http:///"]
)
def test_an_absolute_address_with_a_user_or_without_a_host_is_refused(
    serve: Serve, target: str
) -> None:
    with serve(hosts()).connect() as client:
        reply = client.ask(f"GET {target} HTTP/1.1\r\nHost: example.org\r\n\r\n".encode())
    assert reply.status == 400


def test_curl_and_a_library_reach_hosts_by_name(serve: Serve) -> None:
    served = serve(hosts())
    port = served.address[1]
    resolved = f"--resolve example.org:{port}:127.0.0.1"
    url = f"http://example.org:{port}/"
    by_curl = subprocess.run(
        ["curl", "-sS", "--max-time", "20", *resolved.split(), url], capture_output=True, check=True
    )
    assert by_curl.stdout.startswith(b"example.org: ")
    with httpx2.Client() as client:
        reply = client.get(served.url(), headers={"Host": "xn--bcher-kva.example"})
    assert reply.text.startswith("bücher.example: ")


def test_hosts_are_told_apart_by_http2_too(serve: Serve, tmp_path: Path) -> None:
    server, _ = contexts(tmp_path)
    served = serve(hosts(), ssl_context=server, trusted_proxies=("127.0.0.1",))
    port = served.address[1]
    command = ["curl", "-sSk", "--http2", "--max-time", "20", "-w", " HTTP/%{http_version}"]
    names = ["example.org", "www.example.org"]
    urls = [f"https://{name}:{port}/" for name in names]
    for name in names:
        command += ["--resolve", f"{name}:{port}:127.0.0.1"]
    told = subprocess.run([*command, *urls], capture_output=True, check=True, text=True).stdout
    assert told.count("HTTP/2") == 2
    assert told.startswith(f"example.org: https example.org:{port} / ")
    assert "*.example.org: https www.example.org:" in told
    believed = [*command, "-H", "Forwarded: for=192.0.2.1;proto=http;host=www.example.org", urls[0]]
    told = subprocess.run(believed, capture_output=True, check=True, text=True).stdout
    assert told.startswith("*.example.org: http www.example.org / ")


# A folder of hosts.


def host_folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(f"{name}: http")
    return tmp_path


def test_each_folder_is_the_site_of_its_host(serve: Serve, tmp_path: Path) -> None:
    folder = host_folder(tmp_path, "example.org", "bücher.example", ".hidden", "[::1]")
    (folder / "www.example.org").symlink_to("example.org")
    served = serve(HostFolder(folder, Told("default")))
    assert answering(served, "example.org:80") == "example.org"
    assert answering(served, "WWW.example.org") == "example.org"
    assert answering(served, "xn--bcher-kva.example") == "bücher.example"
    assert answering(served, "[::1]") == "[::1]"
    assert answering(served, "other.org") == "default"
    assert ask(served, ".hidden").status == 400
    assert ask(served, "..").status == 400


def test_folders_are_noticed_when_they_come_and_go(serve: Serve, tmp_path: Path) -> None:
    served = serve(HostFolder(tmp_path))
    assert ask(served, "new.org").status == 404
    host_folder(tmp_path, "new.org")
    assert answering(served, "new.org") == "new.org"
    (tmp_path / "new.org").rename(tmp_path / "renamed.org")
    assert ask(served, "new.org").status == 404
    assert answering(served, "renamed.org") == "new.org"
    (tmp_path / "file.org").write_text("no folder")
    assert ask(served, "file.org").status == 404


def test_the_sites_of_a_folder_share_their_settings(serve: Serve, tmp_path: Path) -> None:
    host_folder(tmp_path, "a.org", "b.org")
    for name in ("a.org", "b.org"):
        (tmp_path / name / "home.txt").write_text(f"home of {name}")
    served = serve(HostFolder(tmp_path, settings={"index_names": ["home.txt"]}))
    assert ask(served, "a.org").body == b"home of a.org"
    assert ask(served, "b.org").body == b"home of b.org"


def test_settings_that_a_file_does_not_take_are_refused(tmp_path: Path) -> None:
    for settings in ({"colour": 1}, {"path": "/"}, {"index_names": "index.html"}):
        with pytest.raises(StaticError):
            HostFolder(tmp_path, settings=settings)
    with pytest.raises(StaticError, match="no such folder"):
        HostFolder(tmp_path / "none").check()


def test_a_resource_that_counts_as_nothing_is_one_all_the_same(
    tmp_path: Path, serve: Serve
) -> None:
    class Shelf(Told):
        def __len__(self) -> int:
            return 0

    hosts = VirtualHosts(Shelf("default"), {"example.org": Shelf("example.org")})
    served = serve(hosts)
    assert answering(served, "example.org") == "example.org"
    assert answering(served, "other.example") == "default"
    reply = serve(VHostMonster(Shelf("wrapped"))).get("/http/example.org/x")
    assert reply.body.startswith(b"wrapped: http example.org /x")
    folder = serve(HostFolder(tmp_path, Shelf("default")))
    assert answering(folder, "other.example") == "default"


# The monster.


def test_the_monster_alone_leads_to_the_whole_site_and_around_no_guard(serve: Serve) -> None:
    class Guard(Wrapper):
        def __init__(self, wrapped: Resource) -> None:
            self.wrapped = wrapped

        def enter(self, request: Request) -> Resource:
            return ErrorPage(401) if request.host == "guarded.example" else self.wrapped

    root = Resource()
    root.put_child("open", ErrorPage(410))
    root.put_child("vhost", VHostMonster())
    served = serve(Guard(root))
    assert served.get("/vhost/http/open.example:80/open").status == 410
    assert served.get("/vhost/http/guarded.example/open").status == 401
    assert served.get("/vhost/http/open.example/vhost/http/guarded.example/open").status == 401
    assert served.get("/vhost/http/open.example" * 40 + "/open").status == 410


def monster(tmp_path: Path) -> Resource:
    (tmp_path / "docs").mkdir()
    found = VirtualHosts(Told("default"), {"example.org": Told("example.org")})
    found.add_host("files.org", File(tmp_path))
    root = Resource()
    root.put_child("vhost", VHostMonster(found))
    root.put_child("", Told("root"))
    return root


def test_the_monster_makes_of_a_path_the_address_the_client_knows(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve(monster(tmp_path))
    reply = ask(served, "inner", "/vhost/https/example.org:8443/a/b%20c?q=1")
    expected = "example.org: https example.org:8443 /a/b%20c [] ['a', 'b c']"
    assert reply.body.decode() == expected
    assert ask(served, "inner", "/vhost/http/other.org/").body.startswith(
        b"default: http other.org /"
    )
    assert ask(served, "inner", "/").body.startswith(b"root: http inner /")


def test_redirects_behind_the_monster_are_right_for_the_client(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve(monster(tmp_path))
    reply = ask(served, "inner", "/vhost/https/files.org/docs?x=1")
    assert (reply.status, reply.get("location")) == (301, "/docs/?x=1")
    assert b"vhost" not in ask(served, "inner", "/vhost/https/files.org/docs/").body


@pytest.mark.parametrize(
    "path",
    [
        "/vhost",
        "/vhost/",
        "/vhost/http",
        "/vhost/http/example.org",
        "/vhost/ftp/example.org/",
        "/vhost/HTTP/example.org/",
        "/vhost/http/exa%6Dple..org/",
        "/vhost/http/a%2Fb/",
        "/vhost/http/a%0d%0aX:1/",
        "/vhost/http//",
    ],
)
def test_what_the_monster_cannot_read_is_not_found(serve: Serve, tmp_path: Path, path: str) -> None:
    assert ask(serve(monster(tmp_path)), "inner", path).status == 404


def test_what_hosts_lead_to_is_checked_at_the_start(tmp_path: Path) -> None:
    gone = File(tmp_path / "none")
    for resource in (
        VirtualHosts(gone),
        VirtualHosts(ErrorPage(404), {"a.org": gone}),
        VHostMonster(gone),
        HostFolder(tmp_path, gone),
    ):
        with pytest.raises(StaticError):
            Site(resource).check()
