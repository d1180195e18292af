"""Applications of other frameworks, built by `mkapp` and run by `rundaemon`."""

import os
import signal
from pathlib import Path

import httpx2
import pytest

from .conftest import Workshop

SAMPLES = Path(__file__).parents[2] / "samples"
LISTEN = "--listen=tcp:0:interface=127.0.0.1"

LIFE = """\
from perdure.app.web.gateways.gateway import current_registry


class Diary:
    def __init__(self):
        self.lines = []


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], flush=True)
            if message["type"] == "lifespan.startup":
                diary = current_registry().get_component(Diary, default=Diary)
                diary.lines.append("started")
                scope["state"]["greeting"] = "hello"
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    diary = current_registry().get_component(Diary)
    text = f"{scope['state']['greeting']} {diary.lines}"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})


async def fails(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\\n  ...\\nKeyError: 'DB'"})


async def raises(scope, receive, send):
    await receive()
    raise LookupError("no database")


number = 5
"""


def test_what_a_flask_site_was_told_survives_a_kill(workshop: Workshop) -> None:
    folder = SAMPLES / "flask_site"
    workshop.mkapp("web", "--wsgi", "board:app", "--pythonpath", folder, LISTEN)
    running = workshop.start("-f", "web.snap")
    for text in ("one", "two"):
        reply = httpx2.post(running.url, data={"author": "Ada", "text": text})
        assert reply.status_code == 303
    running.stop(signal.SIGKILL)
    running = workshop.start("-f", "web.snap")
    page = running.get("/")
    assert "<b>Ada</b>: one" in page
    assert "<b>Ada</b>: two" in page
    assert running.stop().status == 0


def test_an_application_is_told_of_the_start_and_of_the_stop(workshop: Workshop) -> None:
    (workshop.folder / "life.py").write_text(LIFE)
    workshop.mkapp("web", "--asgi", "life:app", "--pythonpath", ".", LISTEN)
    running = workshop.start("-f", "web.snap")
    assert running.get("/") == "hello ['started']"
    stopped = running.stop()
    assert stopped.status == 0
    said = stopped.out + stopped.err
    assert said.index("lifespan.startup") < said.index("runs as process")
    assert "lifespan.shutdown" in said
    running = workshop.start("-f", "web.snap")
    assert running.get("/") == "hello ['started', 'started']"


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("life:fails", os.EX_SOFTWARE, "did not start: KeyError: 'DB'"),
        ("life:raises", os.EX_SOFTWARE, "did not start: LookupError: no database"),
    ],
)
def test_one_that_does_not_start_keeps_the_server_from_it_with_one_line(
    workshop: Workshop, name: str, status: int, reason: str
) -> None:
    (workshop.folder / "life.py").write_text(LIFE)
    workshop.mkapp("web", "--asgi", name, "--pythonpath", ".", LISTEN)
    result = workshop.run("rundaemon", "-n", "-f", "web.snap", "--logfile", "log")
    assert result.status == status
    assert result.err.count("\n") == 1
    assert name in result.err
    assert reason in result.err


def test_a_name_that_leads_nowhere_is_one_line(workshop: Workshop) -> None:
    result = workshop.run("mkapp", "web", "--asgi", "nowhere:app", LISTEN)
    assert result.status == os.EX_USAGE
    assert result.err.count("\n") == 1
    assert "--asgi: nowhere:app: no module is called nowhere" in result.err
