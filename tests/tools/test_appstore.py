"""``appstore`` as a process, on the state of servers that were killed."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import SAMPLE, Running, Workshop

VISITS = 9
"""How often the counter was asked for: after 4 of these a checkpoint was taken."""


def heard(server: Running, words: str) -> str:
    """The next line of its log with `words`."""
    assert server.process.stdout is not None
    return next(line for line in server.process.stdout if words in line)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed server has left, and in `home` the user's key."""
    top = tmp_path_factory.mktemp("killed")
    folder = top / "work"
    folder.mkdir()
    workshop = Workshop(folder, {**os.environ, "PERDURE_HOME": str(top / "home")})
    site = shutil.copytree(SAMPLE, folder / "site")
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    try:
        for number in range(1, VISITS + 1):
            assert f"visitor {number}" in server.get("counter.rpy")
            if number == 4:
                server.process.send_signal(signal.SIGUSR1)
                heard(server, "checkpoint ")
    finally:
        server.stop(signal.SIGKILL)
    return top


@pytest.fixture
def web(killed: Path, tmp_path: Path) -> Iterator[Workshop]:
    """A copy of that, to be worked on."""
    shutil.copytree(killed, tmp_path / "copy")
    environment = {**os.environ, "PERDURE_HOME": str(tmp_path / "copy" / "home")}
    workshop = Workshop(tmp_path / "copy" / "work", environment)
    yield workshop
    for running in workshop.running:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)


def store(workshop: Workshop, *arguments: str | Path) -> str:
    """Run ``appstore``, which must succeed without a complaint."""
    result = workshop.run("appstore", *arguments)
    assert (result.status, result.err) == (0, ""), result
    return result.out


def contents(workshop: Workshop) -> dict[str, bytes]:
    """All files that are kept."""
    return {
        str(path): path.read_bytes()
        for path in workshop.folder.rglob("web*/*")
        if path.is_file() and "site" not in path.parts
    }


def times(workshop: Workshop) -> dict[int, str]:
    """When each record was written, as the log tells."""
    log = store(workshop, "log", "web")
    return {int(number): time for number, time in re.findall(r"^(\d+)  (\S+)$", log, re.MULTILINE)}


def test_a_list_says_what_is_kept_and_what_a_start_takes(web: Workshop) -> None:
    listed = store(web, "list", "web")
    assert "does not run" in listed
    assert re.search(r"web\.generations/000001\.snap +record 4 .* signed by you +<- start", listed)
    assert "records 5 to 9" in listed
    assert listed.endswith(
        "a start takes web.generations/000001.snap and 5 records that came after\n"
    )
    assert store(web, "list", "web.snap") == listed
    assert store(web, "list", "web.generations/000001.snap") == listed


def test_programs_get_the_same_as_json(web: Workshop) -> None:
    found = json.loads(store(web, "list", "--json", "web"))
    assert (found["application"], found["process"]) == ("web", None)
    (state,) = found["states"]
    assert (state["sequence"], state["syntax"], state["signed_by"]) == (4, "pickle", "you")
    assert [segment["tagged_by"] for segment in found["journal"]] == ["you"] * len(found["journal"])
    assert found["start"]["replays"] == 5


def test_looking_changes_nothing(web: Workshop) -> None:
    before = contents(web)
    for command in ("list", "verify", "log"):
        store(web, command, "web")
    store(web, "recover", "web", "--sequence", "6", "-o", "six.snap.py")
    store(web, "export", "web", "1", "-o", "one.snap.xml")
    assert contents(web) == before


def test_the_log_says_what_changed(web: Workshop) -> None:
    lines = store(web, "log", "web").splitlines()
    assert "    = application.registry[visits.Counter]: visits.Counter(value=5)" in lines[:3]
    assert lines[-2].startswith("9  20")
    assert lines[-1] == "    ~ application.registry[visits.Counter].value: 8 -> 9"
    assert store(web, "log", "web", "--last", "1").splitlines() == lines[-2:]
    since = times(web)[8]
    assert store(web, "log", "web", "--since", since).splitlines() == lines[-4:]
    for key in ("visits.Counter", "registry[visits.Counter]"):
        assert store(web, "log", "web", "--component", key, "--last", "2").count("visits") == 2


def test_a_server_begins_at_the_moment_that_was_recovered(web: Workshop) -> None:
    kept = contents(web)
    said = store(web, "recover", "web", "--at", times(web)[7])
    assert "the state after record 7 of 20" in said
    assert "the next start takes it" in said
    assert kept.items() <= contents(web).items(), "what was newer is kept"
    server = web.start("-f", "web.snap")
    assert "web-shutdown.snap" in server.said
    assert "visitor 8" in server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    assert "visitor 9" in web.start("-f", "web.snap").get("counter.rpy")


def test_one_can_change_ones_mind(web: Workshop) -> None:
    store(web, "recover", "web", "--sequence", "5")
    assert "any more: a history of its own begins here" in store(web, "log", "web")
    store(web, "recover", "web", "--sequence", "8")
    assert "visitor 9" in web.start("-f", "web.snap").get("counter.rpy")


def test_the_blueprint_may_be_named_and_the_folder(web: Workshop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    blueprint = (web.folder / "web.snap").rename(elsewhere / "web.snap")
    store(web, "recover", blueprint, "--statedir", web.folder, "--sequence", "6")
    server = web.start("-f", blueprint, "--statedir", web.folder)
    assert "visitor 7" in server.get("counter.rpy")


def test_a_snapshot_elsewhere_runs_by_itself(web: Workshop) -> None:
    before = contents(web)
    store(web, "recover", "web", "--sequence", "7", "-o", "seven.snap.xml")
    assert contents(web) == before
    shown = web.run("appconvert", "--show", "registry[visits.Counter].value", "seven.snap.xml").out
    assert shown == "application.registry[visits.Counter].value: 7\n"
    again = web.run("appstore", "recover", "web", "--sequence", "7", "-o", "seven.snap.xml")
    assert again.status == os.EX_CANTCREAT
    store(web, "recover", "web", "--sequence", "8", "-o", "seven.snap.xml", "--force")


@pytest.mark.parametrize("form", ["xml", "source", "pickle", "html"])
def test_a_generation_is_exported_in_any_syntax_without_its_code(web: Workshop, form: str) -> None:
    shutil.rmtree(web.folder / "site")
    assert "up to record 4" in store(web, "export", "web", "1", "--to", form)
    (path,) = web.folder.glob("web-000001.snap*")
    if form != "html":
        assert "signed by you" in web.run("appconvert", "--check", path).out
        assert web.run("appconvert", "--diff", path, "web.generations/000001.snap").status == 0
    assert web.run("appstore", "export", "web", "1", "--to", form).status == os.EX_CANTCREAT


def test_an_export_goes_to_standard_output(web: Workshop) -> None:
    assert "visits.Counter" in store(web, "export", "web", "newest", "--to", "source", "-o", "-")


def test_while_it_runs_it_can_be_looked_at_and_not_changed(web: Workshop) -> None:
    server = web.start("-f", "web.snap")
    assert "visitor 10" in server.get("counter.rpy")
    assert f"runs as process {server.process.pid}" in store(web, "list", "web")
    store(web, "verify", "web")
    assert "9 -> 10" in store(web, "log", "web", "--last", "1")
    store(web, "recover", "web", "--sequence", "10", "-o", "ten.snap")
    for arguments in (("recover", "web", "--sequence", "6"), ("prune", "web", "--keep", "1")):
        result = web.run("appstore", *arguments)
        assert result.status == os.EX_TEMPFAIL
        assert f"process {server.process.pid} already runs web" in result.err
    assert "visitor 11" in server.get("counter.rpy")


def test_pruning_leaves_what_the_others_need(web: Workshop) -> None:
    for number in (5, 6, 7):
        store(web, "recover", "web", "--sequence", str(number))
    said = store(web, "prune", "web", "--keep", "2")
    assert "removed web.generations/000001.snap\n" in said
    assert re.search(r"\d+ files? removed, .*B more room", said)
    assert "sound" in store(web, "verify", "web")
    assert "visitor 8" in web.start("-f", "web.snap").get("counter.rpy")


def test_nothing_is_pruned_while_what_would_stay_is_damaged(web: Workshop) -> None:
    store(web, "recover", "web", "--sequence", "6")
    store(web, "recover", "web", "--sequence", "7")
    state = web.folder / "web-shutdown.snap"
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    before = contents(web)
    result = web.run("appstore", "prune", "web", "--keep", "1")
    assert result.status == os.EX_DATAERR
    assert "nothing is removed" in result.err
    assert contents(web) == before
