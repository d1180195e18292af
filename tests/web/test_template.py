"""Pages made from templates."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from perdure.app.application import Application
from perdure.app.web.errors import HTTPError
from perdure.app.web.request import Request
from perdure.app.web.response import Response
from perdure.app.web.static import File
from perdure.app.web.template import Template, TemplateError, TemplateFile

from ..paper import DiskError, Paper
from .conftest import Serve


class Counter:
    def __init__(self) -> None:
        self.value = 0


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir(mode=0o755)
    write(folder, "layout.html", "<title>{{ title }}</title>{% block main %}{% endblock %}")
    return folder


class Counting(Template):
    async def context(self, request: Request) -> Mapping[str, object]:
        counter = request.registry.get_component(Counter, default=Counter)
        counter.value += 1
        return {"counter": counter}


def test_a_page_finds_what_it_is_given_and_escapes_all_of_it(folder: Path, serve: Serve) -> None:
    page = (
        "{% extends 'layout.html' %}{% block main %}"
        "{{ request.path }} {{ counter.value }} {{ registry | length }}{% endblock %}"
    )
    write(folder, "front.html", page)
    served = serve(Counting("front.html", folder=folder, title="<&'\">"))
    reply = served.get("/")
    assert reply.body == b"<title>&lt;&amp;&#39;&#34;&gt;</title>/ 1 1"
    assert reply.get("content-type") == "text/html; charset=utf-8"
    assert reply.get("content-length") == str(len(reply.body))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.jinja", "text/html; charset=utf-8"),
        ("page.txt.j2", "text/plain; charset=utf-8"),
        ("feed.xml.jinja", "application/xml"),
    ],
)
def test_the_name_says_the_type_and_all_types_are_escaped(
    folder: Path, serve: Serve, name: str, kind: str
) -> None:
    write(folder, name, "{{ request.args.q }}")
    site = File(folder, processors={".jinja": TemplateFile, ".j2": TemplateFile})
    reply = serve(site).get(f"/{name}?q=<b>")
    assert reply.get("content-type") == kind
    assert reply.body == b"&lt;b&gt;"


def test_asynchronous_functions_and_iterators_are_awaited(folder: Path, serve: Serve) -> None:
    class Waiting(Template):
        async def context(self, request: Request) -> Mapping[str, object]:
            async def numbers() -> AsyncIterator[int]:
                for number in range(3):
                    await asyncio.sleep(0)
                    yield number

            async def name() -> str:
                return "light"

            return {"numbers": numbers, "name": name}

    write(folder, "a.html", "{{ name() }}:{% for n in numbers() %}{{ n }}{% endfor %}")
    assert serve(Waiting("a.html", folder=folder)).get().body == b"light:012"


def test_what_is_there_leaves_while_the_rest_is_waited_for(folder: Path, serve: Serve) -> None:
    class Slow(Template):
        async def context(self, request: Request) -> Mapping[str, object]:
            self.go_on = go_on = asyncio.Event()

            async def tide() -> str:
                await go_on.wait()
                return "low"

            return {"tide": tide}

    write(folder, "a.html", "The tide is {{ tide() }}.")
    page = Slow("a.html", folder=folder)
    served = serve(page)
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in client.until(b"\r\n\r\n")
        assert client.until(b"The tide is \r\n")
        served.call(page.go_on.set)
        assert client.until(b"0\r\n\r\n") == b"4\r\nlow.\r\n0\r\n\r\n"


def test_a_long_page_leaves_in_few_pieces(folder: Path, serve: Serve) -> None:
    write(folder, "a.html", "{% for n in range(20000) %}{{ n }},{% endfor %}")
    served = serve(Template("a.html", folder=folder))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.until(b"\r\n\r\n")
        pieces: list[bytes] = []
        while size := int(client.until(b"\r\n"), 16):
            pieces.append(client.exactly(size))
            client.exactly(2)
    assert b"".join(pieces).decode() == "".join(f"{n}," for n in range(20000))
    assert len(pieces) < 10
    assert served.get(method="HEAD").status == 200


def test_a_client_that_leaves_ends_the_page(folder: Path, serve: Serve) -> None:
    ends: list[str] = []

    class Endless(Template):
        async def context(self, request: Request) -> Mapping[str, object]:
            async def lines() -> AsyncIterator[str]:
                try:
                    while True:
                        yield "x" * 1000
                finally:
                    ends.append("closed")

            return {"lines": lines}

    write(folder, "a.html", "{% for line in lines() %}{{ line }}{% endfor %}")
    served = serve(Endless("a.html", folder=folder))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.until(b"xxx")
    served.arrive(lambda: ends == ["closed"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one\n{{ missing }}", "bad.html:2: UndefinedError: 'missing' is undefined"),
        ("{{ request.nothing }}", "bad.html:1: UndefinedError"),
        ("one\ntwo\n{% if %}", "bad.html:3: Expected an expression"),
        ("\n{{ 1 / 0 }}", "bad.html:2: ZeroDivisionError"),
        ("{% include 'gone.html' %}", "there is no template 'gone.html'"),
        ("{% include '../secret.html' %}", "there is no template '../secret.html'"),
        ("{% include 'link.html' %}", "there is no template 'link.html'"),
        ("{% include inner %}", "inner.html:3: UndefinedError"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_with_file_and_line(
    folder: Path, serve: Serve, caplog: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    write(folder, "bad.html", text)
    write(folder, "inner.html", "\n\n{{ missing }}")
    write(folder.parent, "secret.html", "secret")
    (folder / "link.html").symlink_to(folder.parent / "secret.html")
    page = Template("bad.html", folder=folder, inner="inner.html")
    with caplog.at_level(logging.ERROR):
        reply = serve(page).get()
    assert reply.status == 500
    assert told in caplog.text
    assert b"missing" not in reply.body
    reply = serve(page, display_tracebacks=True).get()
    assert b"TemplateError" in reply.body


def test_what_goes_wrong_later_cuts_the_connection(
    folder: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "a.html", "{% for n in range(20000) %}{{ n }},{% endfor %}\n{{ missing }}")
    with serve(Template("a.html", folder=folder)).connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert "a.html:2: UndefinedError" in caplog.text


def test_a_changed_template_is_noticed_also_where_others_use_it(folder: Path, serve: Serve) -> None:
    write(folder, "a.html", "{% extends 'layout.html' %}")
    served = serve(Template("a.html", folder=folder, title="x"))
    assert served.get().body == b"<title>x</title>"
    write(folder, "layout.html", "<h1>{{ title }}, and more</h1>")
    assert served.get().body == b"<h1>x, and more</h1>"


def test_a_template_that_others_may_write_is_not_used(
    folder: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "a.html", "x")
    (folder / "a.html").chmod(0o666)
    assert serve(Template("a.html", folder=folder)).get().status == 500
    assert "chmod go-w" in caplog.text


def test_a_missing_template_keeps_the_server_from_starting(folder: Path) -> None:
    with pytest.raises(TemplateError, match=r"there is no template 'gone\.html'"):
        Template("gone.html", folder=folder).check()
    with pytest.raises(TemplateError, match="there is no template"):
        Template("../templates.html", folder=folder).check()


def test_a_page_waits_until_what_it_changed_is_durable(folder: Path, serve: Serve) -> None:
    application = Application("web")
    application.registry.set_component(Counter, Counter())
    write(folder, "a.html", "{{ counter.value }}")
    served = serve(Counting("a.html", folder=folder), journal=Paper(), application=application)
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.reply().body == b"1"
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(2)
        served.call(lambda: served.ledger.failed(DiskError()))
        assert client.reply().status == 503


def test_other_methods_may_answer_with_the_page_too(folder: Path, serve: Serve) -> None:
    class Form(Template):
        async def render_POST(self, request: Request) -> Response:
            if request.args.get("no"):
                raise HTTPError(403, "Not that.")
            return await self.page(request, 422, [("X-Mine", "1")], told="again")

    write(folder, "a.html", "{{ told }}")
    served = serve(Form("a.html", folder=folder, told="first"))
    assert served.get().body == b"first"
    reply = served.get(method="POST")
    assert (reply.status, reply.body, reply.get("x-mine")) == (422, b"again", "1")
    assert served.get("/?no=1", method="POST").status == 403
