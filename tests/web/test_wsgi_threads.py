"""The threads of WSGI applications: how many, what they wait for, and what they change."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from perdure.app.mutations import mutation
from perdure.app.registry import Registry
from perdure.app.web.gateways.gateway import current_registry
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from ..paper import DiskError, Paper
from .conftest import Serve, Served
from .wsgiapps import WAIT, App, Environ, Start, gateway


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Messages:
    """Journaled by its calls."""

    def __init__(self) -> None:
        self.count = 0

    @mutation
    def post(self) -> int:
        self.count += 1
        return self.count


def count() -> int:
    counter = current_registry().get_component(Counter, default=Counter)
    counter.value += 1
    return counter.value


def counts(environ: Environ, start: Start) -> Iterable[bytes]:
    assert environ["perdure.registry"] is current_registry()
    start("200 OK", [])
    return [b"visitor %d" % count()]


def posts(environ: Environ, start: Start) -> Iterable[bytes]:
    messages = current_registry().get_component(Messages, default=Messages)
    number = messages.post()
    start("200 OK", [])
    return [b"message %d" % number]


def looks(environ: Environ, start: Start) -> Iterable[bytes]:
    counter = current_registry().get_component(Counter, default=Counter)
    start("200 OK", [])
    return [b"%d" % counter.value]


def streams(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [])
    for _ in range(2):
        yield b"visitor %d\n" % count()
    count()


def counts_behind(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "5")])
    yield b"hello"
    count()


def fails(environ: Environ, start: Start) -> Iterable[bytes]:
    count()
    raise LookupError("after the change")


def handles(environ: Environ, start: Start) -> Iterable[bytes]:
    """As frameworks do with whatever a view raises."""
    try:
        return posts(environ, start)
    except Exception:  # noqa: BLE001
        start("500 Sorry", [])
        return [b"sorry"]


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(("app", "said"), [(counts, b"visitor 1"), (posts, b"message 1")])
def test_a_reply_waits_until_what_it_tells_of_is_saved(serve: Serve, app: App, said: bytes) -> None:
    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.reply().body == said
    served.arrive(lambda: _is_idle(served))
    # It was looked at in its own turn, and needs not be in all.
    assert not served.ledger.roaming


def test_a_reply_waits_for_what_others_have_changed(serve: Serve) -> None:
    served = serve(gateway(switch(counts=counts, looks=looks)), journal=Paper())
    with served.connect() as client, served.connect() as other:
        client.send(b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(1)
        other.send(b"GET /looks HTTP/1.1\r\nHost: x\r\n\r\n")
        served.arrive(lambda: _is_idle(served))
        assert other.silent()
        served.secure()
        assert other.reply().body == b"1"


def switch(**apps: App) -> App:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        return apps[environ["PATH_INFO"][1:]](environ, start)

    return app


def test_each_piece_waits_until_what_it_tells_of_is_saved(serve: Serve) -> None:
    served = serve(gateway(streams), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.arrive(lambda: served.journal.appended > 0)
        assert client.silent()
        served.arrive(lambda: _is_idle(served))
        served.secure()
        assert client.until(b"0\r\n\r\n").count(b"visitor") == 2
    assert served.registry.get_component(Counter, default=Counter).value == 3


def test_what_a_piece_tells_of_is_saved_before_the_next_is_made(serve: Serve) -> None:
    going_on = threading.Semaphore(0)

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        for _ in range(3):
            yield b"visitor %d\n" % count()
            assert going_on.acquire(timeout=WAIT)

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        for number in (1, 2, 3):
            served.held(number)
            assert client.silent()
            served.secure()
            mark = b"visitor %d\n\r\n" % number
            assert client.until(mark).endswith(mark)
            going_on.release()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


def _load(served: Served) -> int:
    workers = vars(served.site.resource).get("_workers")
    return 0 if workers is None else workers.load


def _is_idle(served: Served) -> bool:
    return _load(served) == 0


def test_what_is_done_behind_the_reply_is_saved(serve: Serve) -> None:
    served = serve(gateway(counts_behind), journal=Paper())
    with served.connect() as client:
        assert client.ask(GET).body == b"hello"
    served.held(1)
    assert served.journal.kinds == [[("Counter", "state")]]


def test_what_was_changed_before_a_failure_is_saved_and_told(serve: Serve) -> None:
    served = serve(gateway(fails), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.reply().status == 500


@pytest.mark.parametrize("app", [counts, posts, handles, streams])
def test_where_nothing_can_be_saved_the_answer_is_503(serve: Serve, app: App) -> None:
    served = serve(gateway(app), journal=Paper(refusal=DiskError()))
    served.call(lambda: served.ledger.failed(DiskError()))
    with served.connect() as client:
        reply = client.ask(GET)
        assert (reply.status, reply.get("retry-after")) == (503, "1")


def test_the_registry_is_that_of_the_server_also_without_a_journal(serve: Serve) -> None:
    served = serve(gateway(counts))
    assert served.get().body == b"visitor 1"
    assert served.get().body == b"visitor 2"


def test_requests_are_answered_beside_each_other_in_as_many_threads(serve: Serve) -> None:
    barrier = threading.Barrier(3, timeout=WAIT)
    threads: set[int] = set()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        threads.add(threading.get_ident())
        barrier.wait()
        start("200 OK", [])
        return [b"together"]

    served = serve(gateway(app, threads=3))
    for _ in range(2):
        with served.connect() as one, served.connect() as two, served.connect() as three:
            for client in (one, two, three):
                client.send(GET)
            assert [client.reply().body for client in (one, two, three)] == [b"together"] * 3
    assert len(threads) == 3


def test_who_comes_when_too_many_wait_is_told_to_come_again(serve: Serve) -> None:
    going_on = threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        assert going_on.wait(WAIT)
        start("200 OK", [])
        return [b"at last"]

    served = serve(gateway(app, threads=1, waiting=1))
    with served.connect() as first, served.connect() as second, served.connect() as third:
        first.send(GET)
        second.send(GET)
        served.arrive(lambda: _load(served) == 2)
        reply = third.ask(GET)
        assert (reply.status, reply.get("retry-after")) == (503, "1")
        going_on.set()
        assert first.reply().body == second.reply().body == b"at last"


def test_the_loop_goes_on_while_a_thread_works(serve: Serve) -> None:
    going_on = threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            assert going_on.wait(WAIT)
        start("200 OK", [])
        return [b"done"]

    served = serve(gateway(app))
    with served.connect() as slow:
        slow.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert served.get().body == b"done"
        assert slow.silent()
        going_on.set()
        assert slow.reply().body == slow.reply().body == b"done"


class Late(Resource):
    """Has below it what it did not have when the server started, as what a script defines."""

    def __init__(self, resource: Resource) -> None:
        self.held = resource

    def get_child(self, segment: str, request: Request) -> Resource:
        return self.held


def as_it_is(resource: Resource) -> Resource:
    return resource


@pytest.mark.parametrize("place", [as_it_is, Late], ids=["in the tree", "of a script"])
@pytest.mark.parametrize("is_journaled", [True, False])
def test_code_that_has_to_do_with_components_is_alone(
    serve: Serve, place: Callable[[Resource], Resource], is_journaled: bool
) -> None:
    inside = threading.Semaphore(1)
    clashes: list[str] = []
    started = threading.Barrier(4, timeout=WAIT)
    begun: set[int] = set()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        if threading.get_ident() not in begun:
            begun.add(threading.get_ident())
            started.wait()
        counter = current_registry().get_component(Counter, default=Counter)
        if not inside.acquire(blocking=False):
            clashes.append("two at once")
        value = counter.value
        threading.Event().wait(0.001)  # so that a second thread would be between the two
        counter.value = value + 1
        inside.release()
        start("200 OK", [])
        return [b"%d" % counter.value]

    journal = {"journal": Instant()} if is_journaled else {}
    served = serve(place(gateway(app, threads=4)), **journal)
    clients = [served.connect() for _ in range(4)]
    for client in clients:
        client.send(GET * 6)
    bodies = {client.reply().body for client in clients for _ in range(6)}
    for client in clients:
        client.socket.close()
    assert not clashes
    assert bodies == {b"%d" % number for number in range(1, 25)}
    assert not served.registry.between_threads.locked()


class Instant(Paper):
    """A journal that is durable at once."""

    def append(self, payload: bytes) -> int:
        self.secured = super().append(payload)
        return self.secured


def test_a_thread_that_waits_for_its_client_is_in_nobodys_way(serve: Serve) -> None:
    piece = bytes(1 << 20)

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        count()
        start("200 OK", [])
        if environ["PATH_INFO"] == "/endless":
            return iter(lambda: piece, b"")
        return [b"done"]

    served = serve(gateway(app), journal=Instant())
    with served.connect() as slow:
        slow.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.until(b"\r\n\r\n")
        assert served.get().body == b"done"
    served.arrive(lambda: _is_idle(served))
    assert not served.registry.between_threads.locked()


def test_no_more_of_a_stream_is_made_than_the_client_takes(serve: Serve) -> None:
    made: list[int] = []
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                made.append(1)
                yield bytes(1 << 18)

        def close(self) -> None:
            closed.set()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return Endless()

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        served.arrive(lambda: any(each.blocked for each in served.server.connections))  # type: ignore[attr-defined]
        seen = len(made)
        assert served.call(lambda: len(made)) - seen <= 8
        assert len(made) < 100
    # The client is gone: the iterable is told, and the thread is free.
    assert closed.wait(WAIT)
    served.arrive(lambda: _is_idle(served))


def test_an_application_goes_on_when_its_client_is_gone(serve: Serve) -> None:
    begun, going_on, done = threading.Event(), threading.Event(), threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        begun.set()
        assert going_on.wait(WAIT)
        count()
        start("200 OK", [])
        done.set()
        return [b"nobody hears"]

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        assert begun.wait(WAIT)
    served.arrive(lambda: not served.server.connections)
    going_on.set()
    assert done.wait(WAIT)
    served.held(1)
    assert registry_value(served.registry) == 1


def test_a_stream_that_nobody_waits_for_any_more_frees_its_thread(serve: Serve) -> None:
    begun, going_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"piece"

        def close(self) -> None:
            closed.set()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        begun.set()
        assert going_on.wait(WAIT)
        start("200 OK", [])
        return Endless()

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        assert begun.wait(WAIT)
    served.arrive(lambda: not served.server.connections)
    going_on.set()
    assert closed.wait(WAIT)
    served.arrive(lambda: _is_idle(served))


def registry_value(registry: Registry) -> int:
    return registry.get_component(Counter, default=Counter).value


def test_a_stop_waits_for_what_goes_on_behind_a_reply(serve: Serve) -> None:
    going_on, done = threading.Event(), threading.Event()

    class Closing:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"

        def close(self) -> None:
            assert going_on.wait(WAIT)
            done.set()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "1")])
        return Closing()

    served = serve(gateway(app))
    assert served.get().body == b"x"
    rest = asyncio.run_coroutine_threadsafe(served.site.quiesce(), served.loop)
    assert not rest.done()
    going_on.set()
    rest.result(WAIT)
    assert done.is_set()


def test_what_ends_late_is_not_counted_for_who_began_since(serve: Serve) -> None:
    """As when a service is stopped and started again, or one application is at two places."""
    begun, going_on = threading.Event(), threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        if environ["PATH_INFO"] == "/slow":
            begun.set()
            assert going_on.wait(WAIT)
        return [b"x"]

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(WAIT)
        closing = served.site.resource.close()
        asyncio.run_coroutine_threadsafe(closing, served.loop).result(WAIT)
        assert served.get().body == b"x"
        going_on.set()
        assert client.reply().body == b"x"
    served.arrive(lambda: _is_idle(served))
    assert served.get().body == b"x"


def test_all_who_wait_for_the_end_of_the_work_hear_of_it(serve: Serve) -> None:
    begun, going_on = threading.Event(), threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        begun.set()
        assert going_on.wait(WAIT)
        start("200 OK", [])
        return [b"x"]

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(GET)
        assert begun.wait(WAIT)
        rests = [
            asyncio.run_coroutine_threadsafe(served.site.quiesce(), served.loop) for _ in range(2)
        ]
        served.call(lambda: None)
        going_on.set()
        for rest in rests:
            rest.result(WAIT)
