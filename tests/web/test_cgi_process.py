"""Processes of programs: bounded in number, time and memory, and ended with all they started."""

import asyncio
import os
import resource
import signal
from pathlib import Path

import pytest

from perdure.app.web.programs.cgi import CGILimits, CGIProcessor, CGIScript, CGISettings
from perdure.app.web.resource import Resource
from perdure.app.web.static import File

from .conftest import Connection, Serve, Served
from .program import HEAD, children, gone, is_there, limited, perl, program, state_of

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
FAMILY = HEAD + "; sleep 999 & echo $$ $! ready; wait"
"""A page that tells the numbers of its process and of another that it started, and never ends."""


def family(client: Connection) -> tuple[int, int]:
    client.send(GET)
    client.until(b"\r\n\r\n")
    first, second = client.until(b"ready\n").split()[-3:-1]
    return int(first), int(second)


class Page(Resource):
    def render_GET(self, request: object) -> str:
        return "fine"


def with_page(script: Resource) -> Resource:
    root = Resource()
    root.put_child("", script)
    root.put_child("page", Page())
    return root


def test_a_program_ends_with_its_client_and_all_it_started(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, FAMILY)))
    with served.connect() as client:
        pids = family(client)
        assert all(map(is_there, pids))
    gone(*pids)
    assert not children() & {*pids}


def test_one_that_has_said_nothing_ends_with_its_client(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, "echo $$ > pid; exec sleep 999")))
    with served.connect() as client:
        client.send(GET)
        served.arrive(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    gone(int((tmp_path / "pid").read_text()))


def test_a_lack_of_descriptors_costs_one_reply(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, HEAD + "; echo fine")))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with served.connect() as client:
        assert client.ask(GET).body == b"fine\n"
        descriptors = len(os.listdir("/proc/self/fd"))
        highest = max(map(int, os.listdir("/proc/self/fd")))
        for room in range(1, 9):
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + room, hard))
            try:
                client.send(GET)
                reply = client.reply()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert reply.status in (200, 500)
        assert client.ask(GET).body == b"fine\n"
        served.arrive(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


def test_one_that_will_not_end_is_made_to(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.app.web.programs.cgiprocess._GRACE", 0.05)
    served = serve(CGIScript(program(tmp_path, "trap '' TERM PIPE HUP\n" + FAMILY)))
    with served.connect() as client:
        pids = family(client)
    gone(*pids)


def test_programs_end_with_the_server(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, FAMILY)))
    with served.connect() as client:
        pids = family(client)
        asyncio.run_coroutine_threadsafe(served.server.drain(0), served.loop).result(20)
    gone(*pids)


def test_what_a_program_leaves_behind_ends_with_it(serve: Serve, tmp_path: Path) -> None:
    path = program(tmp_path, HEAD + "; sleep 999 >/dev/null 2>&1 & echo $!")
    gone(int(serve(CGIScript(path)).get().body))


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
def test_what_is_left_behind_holds_no_reply_open(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: str
) -> None:
    for name in ("_AFTER", "_GRACE"):
        monkeypatch.setattr(f"perdure.app.web.programs.cgiprocess.{name}", 0.05)
    path = program(tmp_path, f"{HEAD}; ({deaf}sleep 999; sleep 999) & echo $!")
    reply = serve(CGIScript(path)).get()
    assert reply.status == 200
    gone(int(reply.body))


def test_one_that_closed_its_output_is_not_waited_for(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.app.web.programs.cgiprocess._AFTER", 0.05)
    path = program(tmp_path, HEAD + "; echo $$; exec >&- 2>&-; exec sleep 999")
    gone(int(serve(CGIScript(path)).get().body))


def test_nothing_is_left_of_many_runs(serve: Serve, tmp_path: Path) -> None:
    served = serve(
        CGIScript(program(tmp_path, "cat >/dev/null; " + HEAD + "; echo $$; echo x >&2"))
    )
    body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    with served.connect() as client:
        client.ask(body)
        before, descriptors = children(), len(os.listdir("/proc/self/fd"))
        pids = [int(client.ask(body).body) for _ in range(30)]
        gone(*pids)
        served.arrive(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
        assert children() <= before


def test_clients_that_leave_with_the_end_of_a_reply_leave_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    script = CGIScript(program(tmp_path, HEAD + "; sleep 999 >/dev/null & echo $! >&2; echo fine"))
    served = serve(script)
    served.get()
    served.arrive(lambda: inside(script) == 0)
    before, descriptors = children(), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert served.get().body == b"fine\n"
    served.arrive(lambda: inside(script) == 0)
    served.arrive(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
    assert children() <= before


def test_a_header_that_does_not_come_is_answered_504(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = program(tmp_path, "echo Content-Type: text/plain; exec sleep 999")
    reply = serve(limited(path, head_time=0.05)).get()
    assert reply.status == 504
    assert b"took too long" in reply.body
    assert "header was not complete after 0.05 s" in caplog.text


def test_the_whole_time_is_bounded(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(limited(program(tmp_path, "exec sleep 999"), time=0.05))
    assert served.get().status == 504
    assert "it ran for 0.05 s" in caplog.text


def test_a_reply_that_was_begun_is_cut_off_when_its_time_is_over(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve(limited(program(tmp_path, FAMILY), time=0.3))
    with served.connect() as client:
        pids = family(client)
        assert not client.rest().endswith(b"0\r\n\r\n")
    gone(*pids)


def test_time_is_bounded_also_when_the_client_takes_nothing(serve: Serve, tmp_path: Path) -> None:
    served = serve(
        limited(
            perl(tmp_path, 'print "A: b\nStatus: 200\n\n"; print $$, " " x 65536 while 1'), time=0.3
        )
    )
    with served.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        pid = int(client.until(b"  ").split()[1])
        # It has ended, and waits with its reply for the client.
        served.arrive(lambda: state_of(pid)[0] in "Z")
    gone(pid)


def test_memory_and_computing_time_are_bounded(serve: Serve, tmp_path: Path) -> None:
    path = perl(tmp_path, r'my $room = "x" x 300_000_000; print "Status: 200\n\n", length $room;')
    assert serve(CGIScript(path)).get().body == b"300000000"
    assert serve(limited(path, memory=200_000_000)).get().status == 502
    served = serve(limited(program(tmp_path, "while :; do :; done"), cpu=1))
    assert served.get().status == 502


def test_no_bound_is_wider_than_the_server_has_it_itself(serve: Serve, tmp_path: Path) -> None:
    path = program(tmp_path, HEAD + "; sleep 0.2; ulimit -Hv; ulimit -Ht; ulimit -Hc")
    served = serve(limited(path, memory=1 << 62, cpu=7))
    assert served.get().body.split()[1:] == [b"8", b"0"]
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


def test_the_end_by_a_signal_is_no_end_of_a_reply(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(CGIScript(program(tmp_path, HEAD + "; echo half; kill -SEGV $$")))
    with served.connect() as client:
        client.send(GET)
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert f"it was ended by {signal.SIGSEGV.name}" in caplog.text


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """A program that waits for a line in ``gate``."""
    os.mkfifo(tmp_path / "gate")
    return program(tmp_path, HEAD + "; read line < gate; echo $line")


def test_so_many_run_and_so_many_wait(serve: Serve, gated: Path) -> None:
    script = limited(gated, processes=1, waiting=1)
    served = serve(with_page(script))
    with served.connect() as first, served.connect() as second, served.connect() as third:
        first.send(GET)
        first.until(b"\r\n\r\n")
        second.send(GET)
        served.arrive(lambda: inside(script) == 2)
        refused = third.ask(GET)
        assert (refused.status, refused.get("retry-after")) == (503, "10")
        assert served.get("/page").body == b"fine"
        (gated.parent / "gate").write_text("one\n")
        assert first.until(b"0\r\n\r\n").startswith(b"4\r\none\n")
        (gated.parent / "gate").write_text("two\n")
        assert second.reply().body == b"two\n"
        assert third.ask(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n").body == b"fine"
        served.arrive(lambda: inside(script) == 0)


def test_waiting_takes_no_longer_than_it_may(serve: Serve, gated: Path) -> None:
    served = serve(limited(gated, processes=1, wait_time=0.05))
    with served.connect() as first, served.connect() as second:
        first.send(GET)
        first.until(b"\r\n\r\n")
        assert second.ask(GET).status == 503


def test_who_leaves_the_queue_takes_no_place(serve: Serve, gated: Path) -> None:
    script = limited(gated, processes=1, waiting=1)
    served = serve(script)
    with served.connect() as first:
        first.send(GET)
        first.until(b"\r\n\r\n")
        with served.connect() as second:
            second.send(GET)
            served.arrive(lambda: inside(script) == 2)
        served.arrive(lambda: inside(script) == 1)
    served.arrive(lambda: inside(script) == 0)


def test_a_processor_bounds_all_its_programs_together(serve: Serve, gated: Path) -> None:
    other = program(gated.parent, HEAD, "other.cgi")
    processor = CGIProcessor(CGIScript, CGISettings(CGILimits(processes=1, wait_time=0.05)))
    served: Served = serve(File(gated.parent, processors={".cgi": processor}))
    with served.connect() as client:
        client.send(b"GET /page.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        client.until(b"\r\n\r\n")
        assert served.get(f"/{other.name}").status == 503


def inside(script: CGIScript) -> int:
    """How many requests run or wait."""
    places = vars(script).get("_places")
    return 0 if places is None else places.inside


@pytest.mark.parametrize("limits", [{"processes": 0}, {"time": -1}, {"cpu": "60"}, {"head": None}])
def test_limits_are_positive(limits: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be more than 0"):
        CGILimits(**limits)  # type: ignore[arg-type]
