"""``appstore`` on what is damaged, foreign or not there: one line, a status, and nothing is lost."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from perdure.tools.subject import AccessError, Subject, identity_of

from .conftest import COMMANDS, SAMPLE, Workshop
from .test_appstore import contents, killed, store, times, web
from .test_crash import open_folder

__all__ = ["killed", "open_folder", "web"]


def fail(workshop: Workshop, status: int, *arguments: str | Path) -> str:
    """Run ``appstore``, which must fail with one line; what is kept stays as it is."""
    before = contents(workshop)
    result = workshop.run("appstore", *arguments)
    assert (result.status, result.err.count("\n")) == (status, 1), result
    assert result.err.startswith("appstore: ")
    assert contents(workshop) == before
    return result.err


def segments(workshop: Workshop) -> list[Path]:
    return sorted(workshop.folder.glob("web.journal/*.log"))


def generation(workshop: Workshop) -> Path:
    return workshop.folder / "web.generations" / "000001.snap"


def spoil(path: Path, place: int) -> None:
    """Change eight bytes; a negative place is counted from the end."""
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + 8] = bytes(byte ^ 0xFF for byte in data[place : place + 8])
    path.write_bytes(data)


def middle(path: Path) -> int:
    """Where the third frame of a segment is."""
    data = path.read_bytes()
    place = 0
    for _ in range(3):
        place = data.index(b"\xb5pf\n", place + 1)
    return place + 40


ALL = [
    ("list", "NAME"),
    ("verify", "NAME"),
    ("log", "NAME"),
    ("recover", "NAME", "--sequence", "1"),
    ("export", "NAME", "1"),
    ("prune", "NAME", "--keep", "1"),
]


def named(arguments: tuple[str, ...], name: str) -> list[str]:
    return [name if each == "NAME" else each for each in arguments]


@pytest.mark.parametrize("arguments", ALL)
def test_an_application_that_is_not_there_is_told(
    web: Workshop, arguments: tuple[str, ...]
) -> None:
    said = fail(web, os.EX_NOINPUT, *named(arguments, "wbe"))
    assert "no state of wbe is kept in" in said
    assert "there is that of web;" in said


@pytest.mark.parametrize("arguments", ALL)
def test_an_empty_folder_has_no_state(workshop: Workshop, arguments: tuple[str, ...]) -> None:
    assert "no state of web is kept" in fail(workshop, os.EX_NOINPUT, *named(arguments, "web"))
    assert workshop.files() == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), os.EX_USAGE, "Missing command"),
        (("list",), os.EX_USAGE, "Missing argument 'APPLICATION'"),
        (("list", "no/such"), os.EX_USAGE, "is no application"),
        (("list", "no.snap"), os.EX_NOINPUT, "there is no such file"),
        (("list", "web", "--statedir", "nowhere"), os.EX_USAGE, "does not exist"),
        (("recover", "web"), os.EX_USAGE, "one of --at TIME, --sequence"),
        (("recover", "web", "--at", "1 day ago", "--sequence", "2"), os.EX_USAGE, "one of"),
        (("recover", "web", "--at", "soon"), os.EX_USAGE, "expected a time such as"),
        (("recover", "web", "--at", "2999-01-01"), os.EX_USAGE, "in the future"),
        (("recover", "web", "--at", "2001-01-01"), os.EX_NOINPUT, "nothing is kept of 200"),
        (("recover", "web", "--sequence", "99"), os.EX_NOINPUT, "the nearest before it is 9"),
        (("recover", "web", "--sequence", "2"), os.EX_NOINPUT, "not kept any more"),
        (("recover", "web", "--sequence", "6", "--force"), os.EX_USAGE, "goes with -o"),
        (("recover", "web", "--sequence", "6", "-o", "web.snap"), os.EX_CANTCREAT, "already"),
        (("recover", "web", "--sequence", "6", "-o", "-"), os.EX_USAGE, "name a file"),
        (("recover", "web", "--sequence", "6", "-o", "no/x.snap"), os.EX_CANTCREAT, "make the"),
        (("export", "web", "7"), os.EX_NOINPUT, "generation: there are 1"),
        (("export", "web", "x" * 999), os.EX_NOINPUT, "has no state"),
        (("prune", "web"), os.EX_USAGE, "Missing option '--keep'"),
        (("prune", "web", "--keep", "0"), os.EX_USAGE, "0 is not in the range"),
    ],
)
def test_each_mistake_costs_one_line(
    web: Workshop, arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert words in fail(web, status, *arguments)


def test_an_application_that_has_no_state_yet_says_what_makes_one(web: Workshop) -> None:
    for path in web.folder.glob("web.generations/*"):
        path.unlink()
    said = fail(web, os.EX_NOINPUT, "export", "web", "newest")
    assert "web has no state yet: a checkpoint or a stop writes one, and appstore recover" in said
    assert "there are none" in fail(web, os.EX_NOINPUT, "export", "web", "1")


def test_a_log_without_such_records_is_empty(web: Workshop) -> None:
    result = web.run("appstore", "log", "web", "--component", "no.Such")
    assert (result.status, result.out) == (0, "")
    assert "there is no such record" in result.err


def test_a_damaged_record_is_told_and_the_others_are_shown(web: Workshop) -> None:
    path = segments(web)[-1]
    spoil(path, middle(path))
    result = web.run("appstore", "verify", "web")
    assert result.status == os.EX_DATAERR
    assert "the record 7 is lost; a start has to do without" in result.err
    result = web.run("appstore", "log", "web")
    assert result.status == os.EX_DATAERR
    assert "the record 7 is lost" in result.err
    assert ".value: 6 -> 8" in result.out
    result = web.run("appstore", "recover", "web", "--sequence", "8")
    assert result.status == 0
    assert "the record 7 is lost" in result.err
    assert "visitor 9" in web.start("-f", "web.snap").get("counter.rpy")


def test_a_torn_tail_is_no_damage(web: Workshop) -> None:
    path = segments(web)[-1]
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data[:-5])
    assert "bytes that were never finished are cut" in store(web, "verify", "web")
    result = web.run("appstore", "log", "web")
    assert result.status == 0
    assert "bytes at the end were not finished" in result.err


def test_a_damaged_state_is_told_with_what_it_costs(web: Workshop) -> None:
    store(web, "recover", "web", "--sequence", "6")
    spoil(generation(web), -100)
    result = web.run("appstore", "verify", "web")
    assert result.status == os.EX_DATAERR
    assert "000001.snap" in result.err
    assert "nothing is lost as long as there is a newer state" in result.err
    assert "a start takes web-shutdown.snap" in result.out
    shutdown = web.folder / "web-shutdown.snap"
    spoil(shutdown, -100)
    result = web.run("appstore", "verify", "web")
    assert result.status == os.EX_DATAERR
    assert "a start refuses" in result.out
    assert web.run("rundaemon", "-n", "-f", "web.snap").status == os.EX_DATAERR, "it was right"


@pytest.mark.parametrize("content", [b"", b"PERDURE SNAPSHOT 1\n", b"\0" * 500, b"<snapshot", b"x"])
def test_whatever_a_state_has_become_the_others_are_told(web: Workshop, content: bytes) -> None:
    extra = web.folder / "web.generations" / "000002.snap"
    extra.write_bytes(content)
    listed = web.run("appstore", "list", "web")
    assert (listed.status, listed.err) == (0, "")
    assert "000002.snap" in listed.out
    assert "damaged" in listed.out
    assert web.run("appstore", "verify", "web").status == os.EX_DATAERR


@pytest.mark.parametrize("content", [b"", b"PERDURE JOURNAL 9\n{}\n", b"\0" * 500, b"no segment"])
def test_whatever_a_segment_has_become_there_is_no_traceback(web: Workshop, content: bytes) -> None:
    segments(web)[-1].write_bytes(content)
    for command in ("list", "verify", "log"):
        result = web.run("appstore", command, "web")
        assert "Traceback" not in result.err
        assert result.status in (0, os.EX_DATAERR)
    assert web.run("appstore", "verify", "web").status == os.EX_DATAERR


def test_another_users_journal_is_shown_and_not_believed(web: Workshop, tmp_path: Path) -> None:
    web.environment["PERDURE_HOME"] = str(tmp_path / "other")
    shutil.rmtree(web.folder / "site")
    result = web.run("appstore", "log", "web", "--last", "1")
    assert result.status == 0
    assert "not written with this user's key" in result.err
    assert "value: 8 -> 9" in result.out
    assert "signed by somebody else" in store(web, "list", "web")
    result = web.run("appstore", "verify", "web")
    assert result.status == os.EX_NOPERM
    result = web.run("appstore", "recover", "web", "--sequence", "6")
    assert result.status in (os.EX_NOPERM, os.EX_DATAERR)
    assert "--trust" in result.err or "this user's key" in result.err


def test_code_that_cannot_be_found_is_told_by_recover_alone(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    for _ in range(2):
        server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    site.rename(workshop.folder / "moved")
    shutil.copytree(workshop.folder / "moved", site, ignore=shutil.ignore_patterns("visits.py"))
    store(workshop, "log", "web")
    store(workshop, "verify", "web")
    said = fail(workshop, os.EX_DATAERR, "recover", "web", "--sequence", "1")
    assert "--pythonpath" in said
    moved = workshop.folder / "moved"
    store(workshop, "recover", "web", "--sequence", "1", "--pythonpath", moved)


@pytest.mark.parametrize("module", ["os", "visits"])
def test_a_strangers_state_is_recovered_by_the_rules_of_a_run(
    web: Workshop, tmp_path: Path, module: str
) -> None:
    shutil.rmtree(web.folder / "web.journal")
    web.environment["PERDURE_HOME"] = str(tmp_path / "other")
    arguments = ("recover", "web", "--sequence", "4", "-o", "four.snap")
    assert "--trust" in fail(web, os.EX_NOPERM, *arguments)
    trust = ["--trust", module, "--trust", "perdure.app.web.script"]
    paths = ["--pythonpath", str(web.folder / "site")]
    if module == "os":
        assert "never trusted" in fail(web, os.EX_USAGE, *arguments, *trust)
    else:
        assert "not signed" in store(web, *arguments, *trust, *paths)
        assert "not signed" in web.run("appconvert", "--check", "four.snap").out


def test_another_users_state_is_not_changed(web: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(AccessError, match="and this is user 4711; run as that user"):
        identity_of(Subject("web", web.folder, None).store())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_changes_it_as_the_user_that_the_server_became(open_folder: Path) -> None:
    environment = {**os.environ, "PERDURE_HOME": str(open_folder / "home")}
    workshop = Workshop(open_folder, environment)
    site = shutil.copytree(SAMPLE, open_folder / "site")
    state = open_folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    workshop.mkapp("--uid", "nobody", "web", "--path", site, "--port", "0", "--gid", "65534")
    server = workshop.start("-f", "web.snap", "--statedir", state)
    try:
        for _ in range(4):
            server.get("counter.rpy")
    finally:
        server.stop(signal.SIGKILL)
    said = store(workshop, "recover", "web.snap", "--statedir", state, "--sequence", "3")
    assert "not signed" not in said
    assert (state / "web-shutdown.snap").stat().st_uid == 65534
    store(workshop, "prune", "web.snap", "--statedir", state, "--keep", "1")
    server = workshop.start("-f", "web.snap", "--statedir", state)
    try:
        assert "visitor 4" in server.get("counter.rpy")
    finally:
        server.stop(signal.SIGKILL)


def test_what_may_not_be_read_is_told(web: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    listdir = os.listdir

    def refuse(path: Path) -> list[str]:
        if str(path).endswith(".journal"):
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(AccessError, match="this user may not read it") as caught:
        Subject("web", web.folder, None).store()
    assert caught.value.exit_status == os.EX_NOPERM


def test_recovery_that_is_killed_leaves_one_of_both_states(web: Workshop) -> None:
    """At whatever moment: the next start finds the state of then, or the newest as before."""
    moment = times(web)[6]
    for number in range(8):
        process = subprocess.Popen(
            [COMMANDS / "appstore", "recover", "web", "--at", moment],
            cwd=web.folder,
            env=web.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            process.communicate(timeout=0.15 + number * 0.05)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        result = web.run("appstore", "verify", "web")
        assert (result.status, result.err) == (0, "")
    recovered = web.folder / "web-shutdown.snap"
    wanted = "visitor 7" if recovered.exists() else "visitor 10"
    assert wanted in web.start("-f", "web.snap").get("counter.rpy")
