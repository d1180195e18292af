"""Each mistake gets one line that says what, where and what to do, and a proper status."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from .conftest import Result, Workshop


def one_line(result: Result, status: int, *words: str) -> None:
    assert result.status == status, result
    assert result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err, result.err


@pytest.fixture
def built(workshop: Workshop, site: Path) -> Path:
    """A blueprint of the sample site."""
    workshop.mkapp("web", "--path", site, "--port", "0")
    return workshop.folder / "web.snap"


@pytest.fixture
def stopped(workshop: Workshop, built: Path) -> Path:
    """The state of a server that ran once, with a counter at 1."""
    server = workshop.start("-f", built)
    server.get("counter.rpy")
    assert server.stop().status == 0
    return workshop.folder / "web-shutdown.snap"


def test_a_missing_snapshot(workshop: Workshop) -> None:
    one_line(workshop.run("rundaemon", "-f", "no.snap"), os.EX_NOINPUT, "no.snap", "mkapp")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_snapshot(workshop: Workshop, built: Path, part: float) -> None:
    data = built.read_bytes()
    built.write_bytes(data[: int(len(data) * part)])
    one_line(workshop.run("rundaemon", "-n", "-f", "web.snap"), os.EX_DATAERR, "web.snap")


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.999])
def test_a_flipped_bit(workshop: Workshop, built: Path, part: float) -> None:
    data = bytearray(built.read_bytes())
    data[int(len(data) * part)] ^= 1
    built.write_bytes(data)
    one_line(workshop.run("rundaemon", "-n", "-f", "web.snap"), os.EX_DATAERR, "web.snap")


@pytest.mark.parametrize(
    "foreign", [b"GIF89a" * 100, pickle.dumps([1]), b"<?xml version='1.0'?><a/>", b"\n"]
)
def test_a_foreign_file(workshop: Workshop, foreign: bytes) -> None:
    (workshop.folder / "x.snap").write_bytes(foreign)
    one_line(workshop.run("rundaemon", "-f", "x.snap"), os.EX_DATAERR, "x.snap")


def test_damaged_state_stops_the_start_and_stays_as_it_is(
    workshop: Workshop, built: Path, stopped: Path
) -> None:
    data = bytearray(stopped.read_bytes())
    data[len(data) // 2] ^= 1
    stopped.write_bytes(data)
    journal = workshop.folder / "web.journal"
    journal.rename(workshop.folder / "elsewhere")
    result = workshop.run("rundaemon", "-n", "-f", built)
    one_line(result, os.EX_DATAERR, "web-shutdown.snap", "--fresh")
    assert stopped.read_bytes() == data
    assert not journal.exists()


def test_damaged_state_is_made_up_for_where_the_journal_has_it_all(
    workshop: Workshop, built: Path, stopped: Path
) -> None:
    data = bytearray(stopped.read_bytes())
    data[len(data) // 2] ^= 1
    stopped.write_bytes(data)
    server = workshop.start("-f", built)
    assert "web-shutdown.snap" in server.said
    assert "make up for it" in server.said
    assert "visitor 2" in server.get("counter.rpy")
    assert stopped.read_bytes() == data


def test_a_path_that_is_not_there(workshop: Workshop) -> None:
    one_line(workshop.run("mkapp", "web", "--path", "nowhere"), os.EX_USAGE, "nowhere", "--path")
    assert workshop.files() == []


def test_a_site_that_has_gone_since(workshop: Workshop, site: Path, built: Path) -> None:
    shutil.rmtree(site)
    one_line(workshop.run("rundaemon", "-n", "-f", built), os.EX_CONFIG, str(site))


def test_an_unknown_kind_names_those_there_are(workshop: Workshop) -> None:
    one_line(workshop.run("mkapp", "mial"), os.EX_USAGE, "mial", "known: web")
    one_line(workshop.run("rundaemon", "mial"), os.EX_USAGE, "mial", "known: web")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["web"], ["--path"]),
        (["web", "--path", ".", "--class", "a.B"], ["one of"]),
        (["web", "--class", "no.such.Thing"], ["no.such.Thing", "--pythonpath"]),
        (["web", "--class", "json.JSONDecoder"], ["not a Resource"]),
        (["web", "--class", "thing"], ["module.Class"]),
        (["web", "--path", ".", "--processor", "php=x.Y"], [".EXTENSION=module.Class"]),
        (["web", "--path", ".", "--processor", ".x=no.such.Y"], ["no.such.Y"]),
        (["web", "--path", ".", "--add-header", "nonsense"], ["Name: value"]),
        (["web", "--path", ".", "--add-header", "A: b\r\nC: d"], ["A"]),
        (["web", "--path", ".", "--port", "99999"], ["--port"]),
        (["web", "--path", ".", "--listen", "tcp:http"], ["tcp"]),
        (["web", "--path", ".", "--listen", "carrier-pigeon:1"], ["carrier-pigeon", "tcp"]),
        (["web", "--path", ".", "--listne", "tcp:1"], ["--listne"]),
        (["web", "--path", ".", "-o", "no/such/folder/web.snap"], ["no/such/folder"]),
        (["web", "--path", ".", "-o", ".hidden"], ["name"]),
    ],
)
def test_options_that_make_no_sense(
    workshop: Workshop, arguments: list[str], words: list[str]
) -> None:
    result = workshop.run("mkapp", *arguments)
    assert result.status in (os.EX_USAGE, os.EX_CONFIG, os.EX_CANTCREAT, os.EX_NOINPUT), result
    one_line(result, result.status, *words)
    assert workshop.files() == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-f", "a", "-y", "b"],
        ["-f", "a", "web"],
        ["-f", "a", "--umask", "9"],
        ["-l", "-", "web"],
    ],
)
def test_a_run_of_nothing_or_of_two_things(workshop: Workshop, arguments: list[str]) -> None:
    one_line(workshop.run("rundaemon", *arguments), os.EX_USAGE, "rundaemon --help")


def test_a_class_that_cannot_be_imported_is_named_and_the_rest_runs(
    workshop: Workshop, site: Path, stopped: Path
) -> None:
    (site / "visits.py").unlink()
    server = workshop.start("-f", stopped)
    assert server.stop().status == 0
    assert "visits.Counter is parked: visits.Counter: there is no module visits" in server.said


def test_a_strangers_snapshot_runs_only_when_its_modules_are_trusted(
    workshop: Workshop, site: Path, stopped: Path
) -> None:
    workshop.environment["PERDURE_HOME"] += "-of-another-user"
    refused = workshop.run("rundaemon", "-n", "-f", stopped)
    one_line(refused, os.EX_NOPERM, "web-shutdown.snap", "visits", "--trust")
    trusted = ("--trust", "visits", "--trust", "perdure.app.web.script")
    server = workshop.start(*trusted, "--pythonpath", site, "-f", stopped)
    assert "2" in server.get("counter.rpy")


def test_a_snapshot_that_names_os_system_runs_nothing(workshop: Workshop, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from perdure.persist import snapshot\n"
        "from perdure.persist.trust import Signer\n"
        "class Bomb:\n"
        "    def __reduce__(self): return os.system, ('touch exploded',)\n"
        "Bomb.__module__ = 'bomb'\n"
        "snapshot.write(Path('bomb.snap'), [Bomb()], application='bomb', holds='blueprint',\n"
        "               signer=Signer.of_user())\n"
    )
    stranger = {**workshop.environment, "PERDURE_HOME": str(tmp_path / "stranger")}
    subprocess.run(
        [sys.executable, "-c", program], cwd=workshop.folder, env=stranger, check=True, timeout=60
    )
    result = workshop.run("rundaemon", "-n", "-f", "bomb.snap")
    one_line(result, os.EX_NOPERM, "bomb.snap", "system")
    assert workshop.files() == ["bomb.snap"]


def test_a_script_with_an_error_costs_its_own_page_only(
    workshop: Workshop, site: Path, built: Path
) -> None:
    (site / "broken.rpy").write_text("resource = 1 / 0\n")
    server = workshop.start("-f", built)
    reply = httpx2.get(server.url + "broken.rpy")
    assert reply.status_code == 500
    assert "ZeroDivisionError" not in reply.text
    assert "visitor 1" in server.get("counter.rpy")
    assert "division" in server.stop().out


@pytest.mark.parametrize("minutes", ["nan", "inf", "0", "soon"])
def test_checkpoints_are_so_many_minutes_apart(
    workshop: Workshop, built: Path, minutes: str
) -> None:
    result = workshop.run("rundaemon", "-n", "-f", built, "--checkpoint-every", minutes)
    one_line(result, os.EX_USAGE, minutes)


def test_an_unwritable_state_folder_is_found_before_the_ports_open(
    workshop: Workshop, built: Path
) -> None:
    # A file system that refuses even root: nothing can be made in there.
    result = workshop.run("rundaemon", "-n", "-f", built, "--statedir", "/proc")
    assert result.status in (os.EX_CANTCREAT, os.EX_IOERR, os.EX_NOPERM), result
    one_line(result, result.status, "/proc")
    assert "runs as process" not in result.out


def test_a_second_server_of_the_same_application_is_refused(
    workshop: Workshop, built: Path
) -> None:
    first = workshop.start("-f", built)
    result = workshop.run("rundaemon", "-n", "-f", built, "--pidfile", "other.pid")
    one_line(result, os.EX_TEMPFAIL, str(first.process.pid))
    assert "Lighthouse" in first.get("/") or first.get("/")


def test_a_server_killed_outright_leaves_nothing_that_stops_the_next(
    workshop: Workshop, built: Path, stopped: Path
) -> None:
    server = workshop.start("-f", built)
    server.process.send_signal(signal.SIGKILL)
    server.process.communicate()
    again = workshop.start("-f", built)
    assert "visitor 2" in again.get("counter.rpy")


def test_mkapp_does_not_write_over_state_or_over_somebodys_file(
    workshop: Workshop, site: Path, stopped: Path
) -> None:
    before = stopped.read_bytes()
    result = workshop.run("mkapp", "-o", stopped, "web", "--path", site)
    one_line(result, os.EX_CANTCREAT, "state")
    assert stopped.read_bytes() == before
    (workshop.folder / "notes").write_text("mine")
    one_line(workshop.run("mkapp", "-o", "notes", "web", "--path", site), os.EX_CANTCREAT, "notes")
    assert (workshop.folder / "notes").read_text() == "mine"


def test_a_limit_for_a_rehearsal_that_nobody_asked_for(workshop: Workshop, built: Path) -> None:
    result = workshop.run("rundaemon", "-n", "-f", built, "--rehearsal-limit", "5")
    one_line(result, os.EX_USAGE, "--rehearsal-limit goes with --rehearse")
