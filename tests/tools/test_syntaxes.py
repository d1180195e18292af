"""A person opens an application as text, changes it, and runs it."""

import os
import re
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.trust import Signer

from .conftest import Result, Running, Workshop

TEXTS = [("xml", ".xml"), ("source", ".py")]
texts = pytest.mark.parametrize(("syntax", "suffix"), TEXTS, ids=["xml", "source"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def converted(workshop: Workshop, name: str, syntax: str) -> Path:
    """Put `name` beside itself in another syntax, as its owner would."""
    source = workshop.folder / name
    found = snapshot.read(source)
    signer = Signer.of_user(Path(workshop.environment["PERDURE_HOME"]))
    form = table.by_name(syntax)
    target = source.with_name(source.name + form.suffix)
    own = found.is_signed_by(signer)
    snapshot.put(target, found.passport, found.content, form, signer if own else None)
    return target


def change(path: Path, pattern: str, value: str) -> None:
    """Change what `pattern` captures in the text at `path`, which must be there once."""
    text = path.read_text()
    found = [*re.finditer(pattern, text)]
    assert len(found) == 1, (pattern, text)
    start, end = found[0].span(1)
    path.write_text(text[:start] + value + text[end:])


PORT = {
    "xml": r'value="port"/>\s*<int value="(\d+)"',
    "source": r"port=(\d+)",
}
VALUE = {
    "xml": r'value="value"/>\s*<int value="(3)"',
    "source": r"value=(3)",
}


@pytest.fixture
def port(workshop: Workshop, site: Path) -> int:
    """The port of the counter's site, which three visitors have seen; its state is saved."""
    number = free_port()
    workshop.mkapp("web", "--path", site, "--port", str(number))
    server = workshop.start("-f", "web.snap")
    assert [visitor(server) for _ in range(3)] == [1, 2, 3]
    assert server.stop().status == 0
    return number


def visitor(server: Running) -> int:
    found = re.search(r"visitor[^0-9]*(\d+)", server.get("counter.rpy"))
    assert found
    return int(found[1])


def one_line(result: Result, status: int, *words: str) -> None:
    assert result.status == status, result
    assert result.err.count("\n") == 1, result.err
    for word in words:
        assert re.search(word, result.err), result.err


@texts
def test_a_person_changes_the_port_and_the_count_and_sees_both(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    other = free_port()
    change(text, PORT[syntax], str(other))
    change(text, VALUE[syntax], "41")

    server = workshop.start("-f", text.name)
    assert server.url.endswith(f":{other}/")
    assert visitor(server) == 42
    assert server.stop().status == 0
    assert snapshot.read(text).syntax == syntax
    assert f"web-shutdown.snap{suffix}" in workshop.files()
    assert "web-shutdown.snap" not in workshop.files()
    kept = sorted(each.name for each in (workshop.folder / "web.generations").iterdir())
    assert kept == ["000001.snap", f"000002.snap{suffix}"]

    server = workshop.start("-f", text.name)
    assert visitor(server) == 43
    assert server.stop().status == 0

    # The blueprint takes the newest state, whatever its syntax.
    server = workshop.start("-f", "web.snap")
    assert server.url.endswith(f":{port}/")
    assert visitor(server) == 44
    assert server.stop().status == 0
    assert "web-shutdown.snap" in workshop.files()
    assert f"web-shutdown.snap{suffix}" not in workshop.files()


@texts
def test_a_blueprint_in_text_is_run_and_its_state_kept_in_that_syntax(
    workshop: Workshop, site: Path, syntax: str, suffix: str
) -> None:
    name = f"web.snap{suffix}"
    workshop.mkapp("-o", name, "web", "--path", site, "--port", "1")
    assert snapshot.read(workshop.folder / name).syntax == syntax
    number = free_port()
    change(workshop.folder / name, PORT[syntax], str(number))
    server = workshop.start("-f", name)
    assert server.url.endswith(f":{number}/")
    assert visitor(server) == 1
    assert server.stop().status == 0
    assert f"web-shutdown.snap{suffix}" in workshop.files()
    server = workshop.start("-f", name)
    assert visitor(server) == 2
    assert server.stop().status == 0


@texts
def test_a_text_that_was_cut_refuses_the_start_and_stays_as_it_is(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    data = text.read_bytes()[:-200]
    text.write_bytes(data)
    before = workshop.files()
    result = workshop.run("rundaemon", "-n", "-f", text.name)
    one_line(result, os.EX_DATAERR, rf"web-shutdown\.snap{suffix}:\d+:\d+: ")
    assert text.read_bytes() == data
    assert workshop.files() == [*before, "web.lock"] or workshop.files() == before


@texts
def test_a_value_of_another_type_refuses_the_start(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    whole = {"xml": r'value="port"/>\s*(<int value="\d+"/>)', "source": r"port=(\d+)"}[syntax]
    value = {"xml": '<string value="http"/>', "source": "'http'"}[syntax]
    change(text, whole, value)
    before = workshop.files()
    result = workshop.run("rundaemon", "-n", "-f", text.name)
    place = r"application\.services\[0\]\.endpoints\[0\]\.port"
    one_line(
        result,
        os.EX_DATAERR,
        rf"web-shutdown\.snap{suffix}:\d+: {place}: expected a whole number, got",
    )
    assert workshop.files() == before


@texts
def test_a_text_that_names_something_new_says_so_and_runs_nothing(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    change(text, r"(?s)processors.*(perdure\.app\.web\.script\.ResourceScript)", "os.system")
    result = workshop.run("rundaemon", "-n", "-f", text.name)
    changed = (
        r"changed since it was signed: it now names os\.system.*nothing was run.*"
        r"os\.system is of Python itself"
    )
    one_line(result, os.EX_NOPERM, rf"web-shutdown\.snap{suffix}: it was {changed}")
    checked = workshop.run("appconvert", "--check", text.name)
    assert checked.status == 0
    assert re.search(
        r"valid .*; it was changed since it was signed: it now names os\.system", checked.out
    )
    assert "take that out; os.system is of Python itself" in checked.out
    assert "--trust" not in checked.out


@texts
def test_a_text_whose_head_was_changed_is_a_strangers(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    change(text, r"written='?\"?(\d+)", "1999")
    result = workshop.run("rundaemon", "-n", "-f", text.name)
    one_line(result, os.EX_NOPERM, "its passport was changed since it was signed")


@texts
def test_a_broken_export_beside_the_state_is_told_and_nothing_is_lost(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    text.write_bytes(text.read_bytes()[:-200])
    before = workshop.files()
    result = workshop.run("rundaemon", "-n", "-f", "web.snap")
    told = r"web-shutdown\.snap \(written \S+\) beside it is sound.*mend it, or move it away"
    one_line(result, os.EX_DATAERR, rf"web-shutdown\.snap{suffix}:\d+:\d+: .*{told}")
    assert "--fresh" not in result.err
    assert workshop.files() == before
    text.unlink()
    assert visitor(workshop.start("-f", "web.snap")) == 4


@texts
def test_an_export_beside_the_state_does_not_count_for_a_binary_blueprint(
    workshop: Workshop, port: int, syntax: str, suffix: str
) -> None:
    text = converted(workshop, "web-shutdown.snap", syntax)
    change(text, VALUE[syntax], "41")
    server = workshop.start("-f", "web.snap")
    assert "takes the state of" in server.said
    told = rf"(?m)^[\d:]+ {text} has another state, which is not taken; to run it: -f {text}$"
    assert re.search(told, server.said)
    assert visitor(server) == 4
    assert server.stop().status == 0
    kept = [each.name for each in (workshop.folder / "web.generations").iterdir()]
    assert sorted(kept) == [f"000001.snap{suffix}", "000002.snap"]


def test_a_daemon_tells_its_terminal_of_a_state_that_is_not_taken(
    workshop: Workshop, port: int
) -> None:
    text = converted(workshop, "web-shutdown.snap", "xml")
    change(text, VALUE["xml"], "41")
    result = workshop.run("rundaemon", "-f", "web.snap")
    os.kill(int((workshop.folder / "web.pid").read_text()), signal.SIGKILL)
    assert result.status == 0
    told = f"warning: {text} has another state, which is not taken; to run it: -f {text}"
    assert result.err == f"rundaemon: {told}\n"
    assert "web runs as process" in result.out


def test_a_generation_in_text_is_run_as_it_is(workshop: Workshop, port: int) -> None:
    text = converted(workshop, "web-shutdown.snap", "xml")
    server = workshop.start("-f", text.name)
    assert server.stop().status == 0
    # The binary original may have become one too, if it was written in the second of the save.
    (older,) = workshop.folder.joinpath("web.generations").glob("*.snap.xml")
    server = workshop.start("-f", older)
    assert visitor(server) == 4
    assert server.stop().status == 0
    assert "web-shutdown.snap.xml" in workshop.files()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@texts
def test_a_text_is_saved_and_read_by_a_user_who_cannot_see_the_program(
    workshop: Workshop, site: Path, syntax: str, suffix: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="perdure-test-") as name:
        root = Path(name)
        root.chmod(0o755)
        shutil.copytree(site, root / "site")
        (root / "state").mkdir()
        os.chown(root / "state", 65534, 65534)
        blueprint = workshop.folder / f"web.snap{suffix}"
        workshop.mkapp(
            *("--uid", "nobody", "-o", blueprint, "web", "--path", root / "site", "--port", "0")
        )
        change(blueprint, rf"path\W+(?:string value=\W)?({name}/site)\W", "/site")
        options = ("-f", blueprint, "--chroot", root, "--statedir", root / "state")
        for count in (1, 2):
            server = workshop.start(*options)
            assert visitor(server) == count
            assert server.stop().status == 0
            assert [*root.glob("state/*.snap*")] == [root / f"state/web-shutdown.snap{suffix}"]
