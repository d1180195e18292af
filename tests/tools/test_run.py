"""The ways to run an application, and what happens to its state."""

import os
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Workshop

CONFIG = """
from perdure.app.application import Application
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site


class Tally:
    def __init__(self):
        self.value = 0


class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        tally = request.registry.get_component(Tally, default=Tally)
        tally.value += 1
        return f"visitor {tally.value}"


application = Application("tally")
application.services.append(
    WebService(Site(Page()), [parse_endpoint("tcp:0:interface=127.0.0.1")])
)
"""

BAD_COMPONENT = """
import threading
from perdure.app.web.resource import Resource


class Keeper:
    def __init__(self):
        self.value = 0
        self.lock = None


keeper = registry.get_component(Keeper, default=Keeper)


class Page(Resource):
    def render_GET(self, request):
        keeper.value += 1
        if b"break" in request.query.encode():
            keeper.lock = threading.Lock()
        return f"kept {keeper.value}"


resource = Page()
"""


def test_a_configuration_file_runs_and_its_state_is_saved_too(workshop: Workshop) -> None:
    (workshop.folder / "tally.py").write_text(CONFIG)
    server = workshop.start("-y", "tally.py")
    assert [server.get(""), server.get("")] == ["visitor 1", "visitor 2"]
    assert server.stop().status == 0
    assert "tally-shutdown.snap" in workshop.files()
    server = workshop.start("-y", "tally.py")
    assert server.get("") == "visitor 3"
    assert server.stop().status == 0
    assert workshop.start("-f", "tally-shutdown.snap").get("") == "visitor 4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "application"),
        ("application = 3\n", "application"),
        ("def broken(:\n", "c.py:1: SyntaxError"),
        ("raise RuntimeError('no luck')\n", "no luck"),
    ],
)
def test_a_configuration_file_that_gives_no_application(
    workshop: Workshop, text: str, words: str
) -> None:
    (workshop.folder / "c.py").write_text(text)
    result = workshop.run("rundaemon", "-n", "-y", "c.py")
    assert result.status in (os.EX_CONFIG, os.EX_DATAERR), result
    assert words in result.err
    assert result.err.count("\n") == 1


def test_a_kind_is_built_and_run_in_one_step_and_resumes(workshop: Workshop, site: Path) -> None:
    command = ("web", "--path", site, "--port", "0")
    for visitor in (1, 2):
        server = workshop.start(*command)
        assert f"visitor {visitor}" in server.get("counter.rpy")
        assert server.stop().status == 0


def test_fresh_starts_without_state_and_keeps_the_old(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    server.get("counter.rpy")
    server.stop()
    before = (workshop.folder / "web-shutdown.snap").read_bytes()
    server = workshop.start("--fresh", "-f", "web.snap")
    assert "visitor 1" in server.get("counter.rpy")
    server.stop()
    kept = list((workshop.folder / "web.generations").iterdir())
    assert before in [each.read_bytes() for each in kept]


def test_a_state_is_never_overwritten_but_becomes_a_generation(
    workshop: Workshop, site: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    states: list[bytes] = []
    for _ in range(3):
        server = workshop.start("-f", "web.snap")
        server.get("counter.rpy")
        server.stop()
        states.append((workshop.folder / "web-shutdown.snap").read_bytes())
    kept = sorted((workshop.folder / "web.generations").iterdir())
    assert [each.read_bytes() for each in kept] == states[:2]


@pytest.mark.parametrize("options", [(), ("--fresh",)])
def test_without_saving_the_state_is_left_as_it_was(
    workshop: Workshop, site: Path, options: tuple[str, ...]
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("--no-save", "-f", "web.snap")
    server.get("counter.rpy")
    assert server.stop().status == 0
    assert "web-shutdown.snap" not in workshop.files()
    workshop.start("-f", "web.snap").stop()
    state = (workshop.folder / "web-shutdown.snap").read_bytes()
    workshop.start("--no-save", *options, "-f", "web.snap").stop()
    assert (workshop.folder / "web-shutdown.snap").read_bytes() == state


def test_an_older_state_is_run_from_where_it_lies_and_becomes_the_newest(
    workshop: Workshop, site: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    for _ in range(2):
        server = workshop.start("-f", "web.snap")
        server.get("counter.rpy")
        server.stop()
    server = workshop.start("-f", "web.generations/000001.snap")
    assert "visitor 2" in server.get("counter.rpy")
    assert server.stop().status == 0
    assert "visitor 3" in workshop.start("-f", "web.snap").get("counter.rpy")


def test_a_service_that_cannot_be_saved_costs_no_state(workshop: Workshop) -> None:
    (workshop.folder / "tally.py").write_text(
        CONFIG.replace(
            "tally.value += 1", "tally.value += 1; self.lock = __import__('threading').Lock()"
        )
    )
    server = workshop.start("-y", "tally.py")
    assert server.get("") == "visitor 1"
    result = server.stop()
    assert result.status == os.EX_DATAERR
    assert "lock" in result.err
    assert workshop.start("-y", "tally.py").get("") == "visitor 2"


def test_a_task_that_will_not_end_keeps_neither_the_state_nor_the_process(
    workshop: Workshop, site: Path
) -> None:
    (site / "stubborn.rpy").write_text(
        "import asyncio, threading\n"
        "from perdure.app.web.resource import Resource\n"
        "class Stubborn(Resource):\n"
        "    async def stay(self):\n"
        "        while True:\n"
        "            try:\n"
        "                await asyncio.Event().wait()\n"
        "            except asyncio.CancelledError:\n"
        "                pass\n"
        "    async def render_GET(self, request):\n"
        "        tasks.append(asyncio.create_task(self.stay()))\n"
        "        return 'begun'\n"
        "tasks = []\n"
        "resource = Stubborn()\n"
    )
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    assert server.get("stubborn.rpy") == "begun"
    assert server.stop().status == 0
    assert "web-shutdown.snap" in workshop.files()


def test_state_and_run_files_go_where_they_are_sent(workshop: Workshop, site: Path) -> None:
    for name in ("state", "run"):
        (workshop.folder / name).mkdir()
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap", "--statedir", "state", "--rundir", "run")
    assert (workshop.folder / "run" / "web.pid").exists()
    assert server.stop().status == 0
    assert (workshop.folder / "state" / "web-shutdown.snap").exists()
    assert "web-shutdown.snap" not in workshop.files()


def test_one_component_that_cannot_be_saved_costs_no_other_and_keeps_its_last_good_form(
    workshop: Workshop, site: Path
) -> None:
    (site / "keeper.rpy").write_text(BAD_COMPONENT)
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    assert server.get("keeper.rpy") == "kept 1"
    server.get("counter.rpy")
    assert server.stop().status == 0
    server = workshop.start("-f", "web.snap")
    assert server.get("keeper.rpy?break") == "kept 2"
    server.get("counter.rpy")
    result = server.stop()
    assert result.status == os.EX_DATAERR
    assert "Keeper].lock" in result.err
    assert result.err.count("\n") == 1
    server = workshop.start("-f", "web.snap")
    assert server.get("keeper.rpy") == "kept 2", "it goes on from the form that was good"
    assert "visitor 3" in server.get("counter.rpy")


def test_requests_in_progress_are_finished_before_the_end(workshop: Workshop, site: Path) -> None:
    (site / "slow.rpy").write_text(
        "import asyncio\n"
        "from perdure.app.web.resource import Resource\n"
        "begun = asyncio.Event()\n"
        "class Slow(Resource):\n"
        "    async def render_POST(self, request):\n"
        "        return await request.read()\n"
        "resource = Slow()\n"
    )
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /slow.rpy HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 4\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        server.process.send_signal(signal.SIGTERM)
        client.sendall(b"done")
        reply = b""
        while data := client.recv(1000):
            reply += data
    assert reply.endswith(b"done")
    assert server.stop(0).status == 0


def test_a_second_interrupt_does_not_wait_for_requests(workshop: Workshop, site: Path) -> None:
    (site / "stuck.rpy").write_text(
        "import asyncio\n"
        "from perdure.app.web.resource import Resource\n"
        "class Stuck(Resource):\n"
        "    async def render_GET(self, request):\n"
        "        await asyncio.Event().wait()\n"
        "        return ''\n"
        "resource = Stuck()\n"
    )
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    server.get("counter.rpy")
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /stuck.rpy HTTP/1.1\r\nHost: x\r\n\r\n")
        server.get("counter.rpy")
        server.process.send_signal(signal.SIGINT)
        # Two signals that come at once are one: the second waits until the first was heard.
        assert server.process.stdout is not None
        assert any("work in progress" in line for line in server.process.stdout)
        result = server.stop(signal.SIGINT)
    assert result.status == 0, result
    assert "visitor 3" in workshop.start("-f", "web.snap").get("counter.rpy")


def test_readiness_and_the_end_are_told_to_a_supervisor(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        address = workshop.folder / "notify"
        supervisor.bind(str(address))
        workshop.environment["NOTIFY_SOCKET"] = str(address)
        workshop.environment["WATCHDOG_USEC"] = "200000"
        server = workshop.start("-f", "web.snap")

        def heard(word: str) -> bool:
            return any(word in supervisor.recv(200).decode() for _ in range(100))

        assert heard("READY=1\nMAINPID=")
        assert heard("WATCHDOG=1")
        server.stop()
        assert heard("STOPPING=1")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="perdure-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@as_root
def test_the_server_becomes_the_user_it_was_told_to_be(
    workshop: Workshop, site: Path, open_folder: Path
) -> None:
    copy = shutil.copytree(site, open_folder / "site")
    state = open_folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    workshop.mkapp("--uid", "nobody", "web", "--path", copy, "--port", "0", "--gid", "65534")
    server = workshop.start("-f", "web.snap", "--statedir", state)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Gid:\t65534\t65534\t65534\t65534" in status
    assert "visitor 1" in server.get("counter.rpy")
    assert server.stop().status == 0
    saved = (state / "web-shutdown.snap").stat()
    assert (saved.st_uid, stat.S_IMODE(saved.st_mode)) == (65534, 0o600)
    # What that user wrote may be anybody's work: root resumes it only as that user.
    refused = workshop.run("rundaemon", "-n", "-f", state / "web-shutdown.snap")
    assert refused.status == os.EX_NOPERM
    assert "belongs to user 65534" in refused.err
    assert "visitor 2" in workshop.start("-f", "web.snap", "--statedir", state).get("counter.rpy")


@as_root
def test_a_folder_that_only_root_may_write_is_found_before_the_ports_open(
    workshop: Workshop, site: Path, open_folder: Path
) -> None:
    workshop.mkapp("--uid", "nobody", "web", "--path", site, "--port", "0")
    result = workshop.run("rundaemon", "-n", "-f", "web.snap", "--statedir", open_folder)
    assert result.status == os.EX_CANTCREAT, result
    assert str(open_folder) in result.err
    assert result.err.count("\n") == 1
    assert "runs as" not in result.out


@as_root
def test_a_server_sees_only_what_is_inside_its_root(
    workshop: Workshop, site: Path, open_folder: Path
) -> None:
    shutil.copytree(site, open_folder / "inside")
    (workshop.folder / "caged.py").write_text(
        "from perdure.app.application import Application\n"
        "from perdure.app.endpoints import parse_endpoint\n"
        "from perdure.app.web import static\n"
        "from perdure.app.web.service import WebService\n"
        "from perdure.app.web.site import Site\n"
        "root = static.File('/inside', processors=static.DEFAULT_PROCESSORS)\n"
        "application = Application('caged')\n"
        "application.services.append(\n"
        "    WebService(Site(root), [parse_endpoint('tcp:0:interface=127.0.0.1')]))\n"
    )
    server = workshop.start(*("-y", "caged.py", "--chroot", open_folder, "--statedir", open_folder))
    assert "visitor 1" in server.get("counter.rpy")
    assert server.stop().status == 0
    assert (open_folder / "caged-shutdown.snap").exists()
    server = workshop.start(*("-y", "caged.py", "--chroot", open_folder, "--statedir", open_folder))
    assert "visitor 2" in server.get("counter.rpy")
    assert server.stop().status == 0


@as_root
def test_a_state_folder_outside_of_the_root_is_refused(
    workshop: Workshop, site: Path, open_folder: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    result = workshop.run("rundaemon", "-n", "-f", "web.snap", "--chroot", open_folder)
    assert result.status == os.EX_CONFIG
    assert "--statedir" in result.err


def test_options_of_the_run_may_stand_after_the_kind(workshop: Workshop, site: Path) -> None:
    (workshop.folder / "state").mkdir()
    server = workshop.start("web", "--path", site, "--statedir", "state", "--port", "0")
    assert server.stop().status == 0
    assert (workshop.folder / "state" / "web-shutdown.snap").exists()
