"""Sessions as browsers and pages see them: by real sockets, with a clock that the tests set."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.app.naming import UnnamedError
from perdure.app.registry import ComponentError
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import PreparedResponse, Response
from perdure.app.web.session import SessionError
from perdure.app.web.sessions import KeptSession
from perdure.app.web.signing import SigningKey
from perdure.app.web.static import File

from ..paper import DiskError, Paper
from .conftest import Connection, Reply, Serve, Served

COOKIE = re.compile(
    r"perdure_session=([A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}); Path=/; HttpOnly; SameSite=Lax",
    re.ASCII,
)


class Basket:
    """What a visitor has."""

    def __init__(self) -> None:
        self.count = 0


class Stock:
    """A component of the application."""

    def __init__(self) -> None:
        self.returned = 0

    def take_back(self, basket: Basket) -> None:
        self.returned += basket.count

    def fail(self) -> None:
        raise LookupError("as it was told")

    async def wait(self) -> None:
        """Takes its time."""


def put_in(request: Request) -> str:
    basket = request.session.get_component(Basket, default=Basket)
    basket.count += 1
    return f"{basket.count} in it"


class Shop(Resource):
    """Everything that a page can do with a session, by the name of it."""

    def __init__(self) -> None:
        self.going_on = asyncio.Event()
        self.began = 0

    def get_child(self, segment: str, request: Request) -> Resource:
        return Page(getattr(self, segment))

    def hello(self, request: Request) -> Rendered:
        return "hello"

    def put(self, request: Request) -> Rendered:
        return put_in(request)

    def look(self, request: Request) -> Rendered:
        basket = request.session.get_component(Basket)
        return "nothing" if basket is None else f"{basket.count} in it"

    def login(self, request: Request) -> Rendered:
        request.session.rotate()
        return put_in(request)

    def logout(self, request: Request) -> Rendered:
        request.session.expire()
        return "bye"

    def anew(self, request: Request) -> Rendered:
        request.session.expire()
        return put_in(request)

    def response(self, request: Request) -> Rendered:
        return Response(put_in(request), 201)

    def prepared(self, request: Request) -> Rendered:
        return PreparedResponse.of(Response(put_in(request)))

    def fails(self, request: Request) -> Rendered:
        put_in(request)
        raise LookupError("after the change")

    async def waits(self, request: Request) -> str:
        request.session.is_kept  # noqa: B018 - asked for before the other request comes
        self.began += 1
        await self.going_on.wait()
        return put_in(request)

    async def stream(self, request: Request) -> AsyncIterator[str]:
        yield put_in(request)
        yield ", " + put_in(request)

    async def late(self, request: Request) -> AsyncIterator[str]:
        yield "begun"
        try:
            put_in(request)
        except SessionError as error:
            yield f": {error}"

    def holds(self, request: Request) -> Rendered:
        stock = request.registry.get_component(Stock, default=Stock)
        basket = request.session.get_component(Basket, default=Basket)
        basket.count += 3
        request.session.notify_on_expire(stock.fail)
        request.session.notify_on_expire(stock.take_back, basket)
        return "3 in it"


class Page(Resource):
    is_leaf = True

    def __init__(self, render: Callable[[Request], Any]) -> None:
        self._render = render

    def render_GET(self, request: Request) -> Rendered:
        rendered: Rendered = self._render(request)
        return rendered


class Clock:
    """Seconds since 1970, that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 2e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="served")
def served_fixture(serve: Serve) -> Served:
    return serve(Shop())


@pytest.fixture(name="clock")
def clock_fixture(served: Served) -> Clock:
    return set_clock(served)


def set_clock(served: Served) -> Clock:
    clock = Clock()
    served.server.sessions.clock = clock
    return clock


def cookies(reply: Reply) -> list[str]:
    return [value for name, value in reply.fields if name == "set-cookie"]


def given(reply: Reply) -> str:
    """The cookie in a reply, as it is sent back."""
    (field,) = cookies(reply)
    match = COOKIE.fullmatch(field)
    assert match, field
    return f"Cookie: perdure_session={match[1]}"


def kept(served: Served) -> list[KeptSession]:
    return [each for each in served.registry.components.values() if isinstance(each, KeptSession)]


def tick(served: Served) -> None:
    served.call(served.server.sessions.tick)


def test_a_visitor_is_known_by_the_cookie(served: Served) -> None:
    first = served.get("/put")
    assert first.body == b"1 in it"
    cookie = given(first)
    second = served.get("/put", cookie)
    assert (second.body, cookies(second)) == (b"2 in it", [])
    assert served.get("/put").body == b"1 in it"
    assert served.get("/look", "Cookie: a=b; " + cookie[8:] + "; c=d").body == b"2 in it"


def test_browsers_keep_the_cookie(served: Served) -> None:
    with httpx2.Client(base_url=served.url()) as browser:
        texts = [browser.get("/" + path).text for path in ("put", "put", "login", "logout", "put")]
    assert texts == ["1 in it", "2 in it", "3 in it", "bye", "1 in it"]


def test_nothing_is_kept_of_whom_nothing_is_remembered(served: Served, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    served.site.resource = Shop()
    served.site.resource.put_child("files", File(tmp_path))
    for path in ("/hello", "/look", "/files/a.txt", "/nowhere/at/all", "/logout"):
        assert not cookies(served.get(path)), path
    assert not kept(served)
    assert not len(served.server.sessions)


def test_head_begins_no_session(served: Served) -> None:
    reply = served.get("/put", method="HEAD")
    assert reply.status == 200
    assert not cookies(reply)
    assert not kept(served)
    cookie = given(served.get("/put"))
    for path in ("/put", "/login"):
        assert not cookies(served.get(path, cookie, method="HEAD"))
    assert served.get("/look", cookie).body == b"3 in it"


@pytest.mark.parametrize(
    "path", ["put", "response", "prepared", "stream", "fails", "anew", "login"]
)
def test_whatever_the_reply_is_the_cookie_goes_with_it(served: Served, path: str) -> None:
    cookie = given(served.get("/" + path))
    assert served.get("/look", cookie).body.endswith(b"in it")


def test_what_depends_on_the_visitor_is_in_no_shared_cache(served: Served) -> None:
    cookie = given(served.get("/put"))
    for path in ("/put", "/look", "/stream"):
        for reply in (served.get(path), served.get(path, cookie)):
            assert reply.get("cache-control") == "private", path
    assert served.get("/hello", cookie).get("cache-control") is None


def test_over_tls_the_cookie_is_one_that_only_this_host_can_have_set(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    served = serve(Shop(), ssl_context=tls[0])
    with httpx2.Client(
        verify=tls[1], base_url=served.url().replace("127.0.0.1", "localhost")
    ) as browser:
        reply = browser.get("/put")
        match = re.fullmatch(
            r"__Host-perdure_session=([\w-]{43}\.[\w-]{43}); Path=/; HttpOnly; SameSite=Lax; Secure",
            reply.headers["set-cookie"],
            re.ASCII,
        )
        assert match
        assert browser.get("/put").text == "2 in it"
        for name in ("perdure_session", "__host-perdure_session"):
            headers = {"cookie": f"{name}={match[1]}"}
            assert (
                httpx2.get(str(browser.base_url) + "look", verify=tls[1], headers=headers).text
                == "nothing"
            )
    (session,) = kept(served)
    assert match[1] not in session.name


# What an attacker may try.


@pytest.mark.parametrize("path", ["/put", "/login", "/response"])
def test_an_id_that_the_server_has_not_given_is_never_taken_over(served: Served, path: str) -> None:
    for value in ("x", "A" * 43, "", '"A"', "\xe9", "A" * 2000):
        cookie = given(served.get(path, f"Cookie: perdure_session={value}"))
        assert cookie != f"Cookie: perdure_session={value}"
        assert served.get("/look", f"Cookie: perdure_session={value}").body == b"nothing"


def test_a_cookie_that_was_tampered_with_is_none(served: Served) -> None:
    cookie = given(served.get("/put"))
    for changed in (
        cookie[:-1],
        cookie + "A",
        cookie.swapcase(),
        cookie[:-1] + chr(ord(cookie[-1]) ^ 1),
    ):
        assert served.get("/look", changed).body == b"nothing", changed
    (session,) = kept(served)
    assert served.get("/look", f"Cookie: perdure_session={session.name}").body == b"nothing"


def test_a_cookie_that_another_application_signed_is_refused_before_the_table_is_looked_at(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = given(served.get("/put"))
    bits, _, signature = cookie.partition("=")[2].partition(".")
    looked: list[str] = []
    find = served.server.sessions.get

    def get(name: str) -> KeptSession | None:
        looked.append(name)
        return find(name)

    monkeypatch.setattr(served.server.sessions, "get", get)
    for forged in (
        f"{bits}.{SigningKey().sign('perdure_session', bits)}",
        f"{bits[::-1]}.{signature}",
        bits,
        f"{bits}.",
        f".{signature}",
    ):
        assert served.get("/look", f"Cookie: perdure_session={forged}").body == b"nothing"
    assert not looked
    assert served.get("/look", cookie).body == b"1 in it"
    assert looked


def test_without_the_key_no_cookie_given_so_far_is_good(served: Served) -> None:
    cookie = given(served.get("/put"))
    served.call(lambda: served.registry.remove_component(SigningKey))
    assert served.get("/look", cookie).body == b"nothing"
    assert served.get("/look", given(served.get("/put"))).body == b"1 in it"
    assert served.get("/look", cookie).body == b"nothing"


def test_of_several_cookies_the_one_that_is_good_counts(served: Served) -> None:
    cookie = given(served.get("/put"))
    assert served.get("/look", f"Cookie: perdure_session=x; {cookie[8:]}").body == b"1 in it"


def test_who_knows_the_cookie_from_before_the_login_is_not_logged_in(served: Served) -> None:
    before = given(served.get("/put"))
    after = given(served.get("/login", before))
    assert after != before
    assert served.get("/look", before).body == b"nothing"
    assert served.get("/look", after).body == b"2 in it"
    assert len(kept(served)) == len(served.server.sessions) == 1


def test_who_has_a_request_going_on_with_the_former_cookie_is_not_logged_in_either(
    served: Served,
) -> None:
    shop = served.site.resource
    assert isinstance(shop, Shop)
    before = given(served.get("/put"))
    with served.connect() as attacker:
        attacker.send(f"GET /waits HTTP/1.1\r\nHost: x\r\n{before}\r\n\r\n".encode())
        served.arrive(lambda: shop.began == 1)
        after = given(served.get("/login", before))
        served.call(shop.going_on.set)
        reply = attacker.reply()
    assert (reply.body, cookies(reply)) == (b"1 in it", [])
    assert served.get("/look", after).body == b"2 in it"
    assert len(kept(served)) == 1


def test_who_logs_out_is_forgotten_and_the_browser_told(served: Served) -> None:
    cookie = given(served.get("/put"))
    reply = served.get("/logout", cookie)
    assert cookies(reply) == ["perdure_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]
    assert served.get("/look", cookie).body == b"nothing"
    assert not kept(served)
    assert not len(served.server.sessions)
    again = given(served.get("/anew", given(served.get("/put"))))
    assert served.get("/look", again).body == b"1 in it"
    assert len(kept(served)) == 1


# At the same time.


def test_two_tabs_have_one_basket(served: Served) -> None:
    shop = served.site.resource
    assert isinstance(shop, Shop)
    cookie = given(served.get("/put"))
    asked = f"GET /waits HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n".encode()
    with served.connect() as one, served.connect() as other:
        one.send(asked)
        other.send(asked)
        served.arrive(lambda: shop.began == 2)
        assert served.get("/put", cookie).body == b"2 in it"
        served.call(shop.going_on.set)
        assert {one.reply().body, other.reply().body} == {b"3 in it", b"4 in it"}
    assert len(kept(served)) == 1


def test_pipelined_requests_each_have_their_own(served: Served) -> None:
    cookie = given(served.get("/put"))
    paths = [
        ("put", cookie),
        ("put", "X: y"),
        ("hello", cookie),
        ("login", cookie),
        ("put", cookie),
    ]
    with served.connect() as client:
        client.send(
            b"".join(
                f"GET /{path} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n".encode()
                for path, field in paths
            )
        )
        replies = [client.reply() for _ in paths]
    assert [reply.body for reply in replies] == [
        b"2 in it",
        b"1 in it",
        b"hello",
        b"3 in it",
        b"1 in it",
    ]
    assert [len(cookies(reply)) for reply in replies] == [0, 1, 0, 1, 1]


def test_a_session_cannot_begin_when_the_head_has_left(served: Served) -> None:
    assert b"the reply has begun to leave" in served.get("/late").body
    assert not kept(served)
    assert served.get("/late", given(served.get("/put"))).body == b"begun"


# Time.


def test_a_session_lasts_as_long_as_it_is_used(served: Served, clock: Clock) -> None:
    cookie = given(served.get("/put"))
    for number in range(2, 6):
        clock.now += 899
        assert served.get("/put", cookie).body == b"%d in it" % number
        tick(served)
    clock.now += 899
    tick(served)
    assert served.get("/look", cookie).body == b"5 in it"
    clock.now += 990
    assert served.get("/look", cookie).body == b"nothing", "also before it is looked for"
    tick(served)
    assert not kept(served)
    assert not len(served.server.sessions)


def test_the_limit_is_that_of_the_site(serve: Serve) -> None:
    served = serve(Shop(), limits=Limits(session_time=10))
    clock = set_clock(served)
    cookie = given(served.get("/put"))
    clock.now += 9.9
    assert served.get("/look", cookie).body == b"1 in it"
    clock.now += 11
    assert served.get("/look", cookie).body == b"nothing"


def test_what_wants_to_know_of_the_end_is_called_once(
    served: Served, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = given(served.get("/holds"))
    assert served.get("/put", cookie).body == b"4 in it"
    clock.now += 1000
    tick(served)
    tick(served)
    (stock,) = [each for each in served.registry.components.values() if isinstance(each, Stock)]
    assert stock.returned == 4
    assert "as it was told" in caplog.text
    served.get("/logout", given(served.get("/holds")))
    assert stock.returned == 7


def test_a_flood_drives_out_itself_and_not_those_who_come_back(serve: Serve) -> None:
    served = serve(Shop(), limits=Limits(sessions=5))
    clock = set_clock(served)
    cookie = given(served.get("/put"))
    assert served.get("/put", cookie).body == b"2 in it"
    tick(served)
    last = ""
    for _ in range(20):
        clock.now += 1
        last = given(served.get("/put"))
    assert len(kept(served)) == len(served.server.sessions) == 5
    assert served.get("/look", cookie).body == b"2 in it"
    assert served.get("/look", last).body == b"1 in it"


# What is written.


def ask(path: str, cookie: str = "X: y") -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n".encode()


@pytest.fixture(name="written")
def written_fixture(serve: Serve) -> Served:
    return serve(Shop(), journal=Paper())


def held(served: Served, client: Connection, records: int, data: bytes) -> Reply:
    """The reply, which is held until what it tells of is durable."""
    client.send(data)
    served.held(records)
    assert client.silent()
    served.secure()
    return client.reply()


def test_the_cookie_leaves_when_the_session_is_durable(written: Served) -> None:
    with written.connect() as client:
        cookie = given(held(written, client, 1, ask("put")))
        assert held(written, client, 2, ask("put", cookie)).body == b"2 in it"
        renewed = given(held(written, client, 3, ask("login", cookie)))
        assert client.ask(ask("look", renewed)).body == b"3 in it"
        assert held(written, client, 4, ask("logout", renewed)).body == b"bye"
    begun, used, moved, ended = [[kind for _, kind in each] for each in written.journal.kinds]
    assert (begun, used, ended) == (["state", "state"], ["state"], ["gone"])
    assert moved[-2:] == ["gone", "state"], "it has moved, and is what it was"


def test_visits_that_change_nothing_write_hardly_anything(written: Served) -> None:
    clock = set_clock(written)
    with written.connect() as client:
        cookie = given(held(written, client, 1, ask("put")))
        clock.now += 1
        assert client.ask(ask("look", cookie)).body == b"1 in it"
        tick(written)
        assert written.call(lambda: written.journal.appended) == 2, "that it came back"
        written.secure()
        for second in range(10):
            clock.now += second
            client.ask(ask("look", cookie))
            tick(written)
        assert written.call(lambda: written.journal.appended) == 2
        clock.now += 90
        assert client.ask(ask("look", cookie)).body == b"1 in it"
        tick(written)
        assert written.call(lambda: written.journal.appended) == 3
        written.secure()


def test_the_end_is_one_record_with_what_it_calls(written: Served) -> None:
    clock = set_clock(written)
    with written.connect() as client:
        held(written, client, 1, ask("holds"))
        held(written, client, 2, ask("put"))
    clock.now += 1000
    tick(written)
    assert written.call(lambda: written.journal.appended) == 3
    last = [
        (key.rpartition(".")[2].partition(":")[0], kind)
        for key, kind, _ in written.journal.entries[-1]
    ]
    assert sorted(last) == [("KeptSession", "gone"), ("KeptSession", "gone"), ("Stock", "state")]


def fail(served: Served) -> None:
    def failing() -> None:
        served.journal.refusal = DiskError()
        served.ledger.failed(DiskError())

    served.call(failing)


def recover(served: Served) -> None:
    def recovering() -> None:
        served.journal.refusal = None
        served.ledger.recovered()

    served.call(recovering)


def test_while_nothing_can_be_written_no_session_begins_and_none_is_lost(written: Served) -> None:
    clock = set_clock(written)
    with written.connect() as client:
        cookie = given(held(written, client, 1, ask("put")))
        client.send(ask("put"))
        written.held(2)
        fail(written)
        refused = client.reply()
        assert (refused.status, cookies(refused)) == (503, [])
        for path in ("put", "login", "logout", "put"):
            refused = client.ask(ask(path, cookie))
            assert (refused.status, cookies(refused)) == (503, []), path
        for seconds in (100, 800, 800):
            clock.now += seconds
            reply = client.ask(ask("look", cookie))
            assert (reply.status, reply.body) == (200, b"1 in it"), "what only looks is answered"
            tick(written)
        clock.now += 1000
        tick(written)
        assert len(kept(written)) == 1, "its end could not be written"
        recover(written)
        tick(written)
        assert not kept(written)
        assert not len(written.server.sessions)
        written.secure()


def test_while_nothing_can_be_written_nobody_is_told_of_ends(
    written: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """What was called would be undone, and called again, for as long as the disk is full."""
    clock = set_clock(written)
    with written.connect() as client:
        held(written, client, 1, ask("holds"))
    fail(written)
    clock.now += 1000
    for _ in range(3):
        tick(written)
    assert "Stock.fail" not in caplog.text
    recover(written)
    tick(written)
    assert caplog.text.count("at the end of a session, failed") == 1
    written.secure()


def test_an_end_that_is_undone_comes_again(written: Served) -> None:
    clock = set_clock(written)
    with written.connect() as client:
        held(written, client, 1, ask("holds"))
    clock.now += 1000
    tick(written)
    assert not kept(written)
    fail(written)
    assert len(kept(written)) == 1
    recover(written)
    tick(written)
    assert not kept(written)
    (stock,) = [each for each in written.registry.components.values() if isinstance(each, Stock)]
    assert stock.returned == 3
    written.secure()


# The contract of components.


class Contract(Resource):
    """Says what each misuse comes to."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        session = request.session
        stock = request.registry.get_component(Stock, default=Stock)
        assert not session.is_kept
        assert session.get_component(Basket) is None
        refused: list[tuple[type[Exception], Callable[[], object]]] = [
            (ComponentError, lambda: session.remove_component(Basket)),
            (ComponentError, lambda: session.get_component(Basket, default=lambda: None)),  # type: ignore[arg-type, return-value] # pyright: ignore[reportArgumentType]
            (ComponentError, lambda: session.set_component(Basket, None)),  # pyright: ignore[reportArgumentType]
            (UnnamedError, lambda: session.get_component("Basket")),  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
            (UnnamedError, lambda: session.notify_on_expire(lambda: None)),
            (SessionError, lambda: session.notify_on_expire(stock.wait)),
            (SessionError, lambda: session.notify_on_expire(Basket)),
        ]
        for error, call in refused:
            with pytest.raises(error):
                call()
        assert not session.is_kept
        session.rotate()
        assert not session.is_kept
        basket = session.get_component(Basket, default=Basket)
        assert session.is_kept
        assert session.get_component(Basket) is basket
        assert session.get_component(Basket, name="other") is None
        session.set_component(Basket, Basket(), name="other")
        assert session.get_component(Basket, name="other") is not basket
        assert session.remove_component(Basket) is basket
        assert session.get_component(Basket) is None
        assert request.registry.get_component(Basket) is None
        session.touch()
        assert request.session is session
        return "as promised"


def test_components_of_a_session_keep_the_contract_of_the_registry(serve: Serve) -> None:
    assert serve(Contract()).get().body == b"as promised"
