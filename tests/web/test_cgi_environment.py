"""What a program is told of a request, and what it is not (RFC 3875, 4.1)."""

import os
from pathlib import Path

import pytest

from perdure.app.web.programs.cgi import CGIProcessor, CGIScript, CGISettings
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource, Wrapper
from perdure.app.web.static import File

from .conftest import Connection, Serve, Served
from .program import ENVIRONMENT, HEAD, listed, perl, program


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Served:
    return serve(CGIScript(perl(tmp_path, ENVIRONMENT)))


def told(client: Connection, *fields: bytes, line: bytes = b"GET / HTTP/1.1") -> dict[str, bytes]:
    return listed(client.ask(b"\r\n".join([line, b"Host: example.org:81", *fields, b"", b""])).body)


def test_the_environment_is_made_from_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_SECRET", "key")
    monkeypatch.setenv("HOME", "/home/keeper")
    with served.connect() as client:
        assert told(client, b"A-B: c", line=b"GET /a%20b?c=%64 HTTP/1.1") == {
            "GATEWAY_INTERFACE": b"CGI/1.1",
            "HTTP_A_B": b"c",
            "HTTP_HOST": b"example.org:81",
            "LANG": b"C.UTF-8",
            "PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PATH_INFO": b"/a b",
            "QUERY_STRING": b"c=%64",
            "REMOTE_ADDR": b"127.0.0.1",
            "REQUEST_METHOD": b"GET",
            "REQUEST_URI": b"/a%20b?c=%64",
            "SCRIPT_FILENAME": os.fsencode(tmp_path / "page.cgi"),
            "SCRIPT_NAME": b"",
            "SERVER_NAME": b"example.org",
            "SERVER_PORT": b"81",
            "SERVER_PROTOCOL": b"HTTP/1.1",
            "SERVER_SOFTWARE": b"perdure",
        }


def test_the_host_is_the_one_that_counts(serve: Serve, tmp_path: Path) -> None:
    """RFC 9112, 3.2.2: what chose the site is what its programs are told, and nothing beside it."""
    script = CGIScript(perl(tmp_path, ENVIRONMENT))
    served = serve(script, trusted_proxies=["127.0.0.1"])
    with served.connect() as client:
        environment = told(client, line=b"GET http://real.example:82/ HTTP/1.1")
        assert environment["HTTP_HOST"] == b"real.example:82"
        assert (environment["SERVER_NAME"], environment["SERVER_PORT"]) == (b"real.example", b"82")
        environment = told(client, b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Host: public.example")
        assert environment["HTTP_HOST"] == environment["SERVER_NAME"] == b"public.example"


def test_no_field_can_pass_for_another(served: Served) -> None:
    """CVE-2016-5385, and names that become the same when dashes become underscores."""
    with served.connect() as client:
        fields = (b"Proxy: evil:80", b"X_Forwarded_For: 1", b"X-Real-IP: 2", b"Content_Length: 7")
        environment = told(client, *fields, b"pRoXy: evil:81", b"X.Real: 3", b"Remote-User: root")
    assert environment["HTTP_X_REAL_IP"] == b"2"
    assert environment["HTTP_REMOTE_USER"] == b"root"
    absent = {"HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"}
    assert not (absent | {"HTTP_X.REAL", "REMOTE_USER"}) & environment.keys()


def test_fields_come_together_and_byte_for_byte(served: Served) -> None:
    with served.connect() as client:
        environment = told(
            client, b"A: 1", b"Cookie: a=1", b"a:  2 ", b"Cookie: b=2", b"B: \xe9\xff"
        )
    assert environment["HTTP_A"] == b"1, 2"
    assert environment["HTTP_COOKIE"] == b"a=1; b=2"
    assert environment["HTTP_B"] == b"\xe9\xff"


def test_a_body_is_told_by_its_type_and_length(served: Served) -> None:
    line = b"POST / HTTP/1.1"
    with served.connect() as client:
        environment = told(client, b"Content-Type: a/b", b"Content-Length: 0", line=line)
        assert "CONTENT_LENGTH" not in environment
        client.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc"
        )
        environment = listed(client.reply().body)
    assert environment["CONTENT_LENGTH"] == b"3"
    assert environment["CONTENT_TYPE"] == b"a/b"
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environment.keys()


def test_passwords_are_not_told_unless_asked_for(serve: Serve, tmp_path: Path) -> None:
    path = perl(tmp_path, ENVIRONMENT)
    field = "Authorization: Basic a2VlcGVyOmxhbXA="
    assert "HTTP_AUTHORIZATION" not in listed(serve(CGIScript(path)).get("/", field).body)
    script = CGIScript(path, settings=CGISettings(passes_authorization=True))
    assert listed(serve(script).get("/", field).body)["HTTP_AUTHORIZATION"].startswith(b"Basic ")


def test_who_asks_is_told(serve: Serve, tmp_path: Path) -> None:
    class Known(Wrapper):
        def __init__(self) -> None:
            self.wrapped = CGIScript(perl(tmp_path, ENVIRONMENT))

        def enter(self, request: Request) -> Resource:
            request.user = "keeper"
            return self.wrapped

    environment = listed(serve(Known()).get("/", "Authorization: Digest x").body)
    assert (environment["REMOTE_USER"], environment["AUTH_TYPE"]) == (b"keeper", b"Digest")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("x", b"x", b"80"),
        ("[::1]", b"[::1]", b"80"),
        ("[::1]:81", b"[::1]", b"81"),
        ("", b"localhost", b"80"),
    ],
)
def test_the_server_is_called_as_the_client_does(
    served: Served, host: str, name: bytes, port: bytes
) -> None:
    with served.connect() as client:
        reply = client.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    environment = listed(reply.body)
    assert (environment["SERVER_NAME"], environment["SERVER_PORT"]) == (name, port)
    assert "HTTPS" not in environment


def test_the_path_is_split_where_the_program_is(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir(mode=0o755)
    perl(tmp_path, ENVIRONMENT, "sub/index.cgi")
    served = serve(
        File(
            tmp_path,
            processors={".cgi": CGIScript},
            index_names=["index.cgi"],
            ignored_extensions=[".cgi"],
        )
    )
    for path, script, rest in (
        ("/sub/index.cgi", b"/sub/index.cgi", b""),
        ("/sub/index.cgi/", b"/sub/index.cgi", b"/"),
        ("/sub/index.cgi/%C3%A9/b", b"/sub/index.cgi", "/é/b".encode()),
        ("/sub/", b"/sub/", b""),
        ("/sub/index", b"/sub/index", b""),
    ):
        environment = listed(served.get(path).body)
        assert (environment["SCRIPT_NAME"], environment["PATH_INFO"]) == (script, rest)


def test_settings_add_to_it_and_replace_nothing(serve: Serve, tmp_path: Path) -> None:
    given = {"LAMP": "Fresnel", "PATH": "/usr/bin", "REMOTE_ADDR": "6.6.6.6"}
    (tmp_path / "site").mkdir(mode=0o755)
    perl(tmp_path / "site", ENVIRONMENT)
    processor = CGIProcessor(CGIScript, CGISettings(environment=given))
    served = serve(File(tmp_path / "site", processors={".cgi": processor}))
    environment = listed(served.get("/page.cgi").body)
    assert environment["LAMP"] == b"Fresnel"
    assert environment["PATH"] == b"/usr/bin"
    assert environment["REMOTE_ADDR"] == b"127.0.0.1"


@pytest.mark.parametrize("given", [{"A=B": "c"}, {"": "c"}, {"A": "\0"}])
def test_settings_refuse_what_no_environment_can_have(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="environment of CGISettings cannot have"):
        CGISettings(environment=given)


def test_it_works_in_its_own_folder_with_our_mask_and_no_descriptor_of_ours(
    serve: Serve, tmp_path: Path
) -> None:
    text = HEAD + "; pwd; umask; for each in /proc/self/fd/*; do readlink $each; done"
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        served = serve(CGIScript(program(tmp_path, text)))
        before = os.umask(0o027)
        try:
            folder, mask, *descriptors = served.get().body.decode().split()
        finally:
            os.umask(before)
    assert (folder, mask) == (str(tmp_path), "0027")
    assert not [each for each in descriptors if "socket" in each or "secret" in each]
    assert descriptors[0] == "/dev/null"
