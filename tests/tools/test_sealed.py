"""Sealed applications as they are run: nothing of them is on the disk in the clear, whatever happens."""

import base64
import os
import pty
import re
import secrets
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest

from perdure.persist import snapshot

from .conftest import COMMANDS, Result, Workshop

MESSAGE = f"what nobody may read {secrets.token_hex(40)}"
HEADER = f"X-Hidden-{secrets.token_hex(8)}: yes"
# What would be there if anything was not sealed: texts, names, or how pickles and packed ones begin.
PLAIN = [
    MESSAGE.encode(),
    MESSAGE[-60:].encode(),
    HEADER.partition(":")[0].encode(),
    b"GuestBook",
    b"visits",
    b"perdure.app.",
    b"\x80\x05\x95",
    b"\x28\xb5\x2f\xfd",
]


@pytest.fixture
def key(workshop: Workshop) -> Path:
    path = workshop.folder.parent / "key"
    path.write_text(f"{secrets.token_hex(32)}\n")
    path.chmod(0o600)
    return path


def found_in(folder: Path, site: Path) -> dict[str, list[bytes]]:
    """By each file that has any, what is in the clear there; base64 is looked into."""
    told: dict[str, list[bytes]] = {}
    for path in folder.rglob("*"):
        if not path.is_file() or site in path.parents:
            continue
        data = path.read_bytes()
        for part in re.findall(rb"(?:[A-Za-z0-9+/]{76}[\\n'\s]*)+[A-Za-z0-9+/=]*", data):
            text = re.sub(rb"\\n|[^A-Za-z0-9+/=]", b"", part)
            data += base64.b64decode(text[: len(text) // 4 * 4])
        if hits := [each for each in PLAIN if each in data]:
            told[str(path)] = hits
    return told


def sign(url: str) -> None:
    reply = httpx2.post(f"{url}guestbook.rpy", data={"name": "somebody", "message": MESSAGE})
    assert reply.status_code in (200, 303), reply.text


@pytest.mark.parametrize("form", ["", ".xml", ".py"])
def test_nothing_is_written_in_the_clear_in_the_whole_life_of_an_application(
    workshop: Workshop, site: Path, key: Path, form: str
) -> None:
    file, folder = f"web.snap{form}", workshop.folder
    options: list[str | Path] = ["--path", site, "--port", "0", "--add-header", HEADER, "-o", file]
    workshop.mkapp("web", *options, "--seal", "--seal-key", key)
    assert found_in(folder, site) == {}

    key_option: list[str | Path] = ["--seal-key", key]
    edit = "registry[visits.Counter].value=5"
    server = workshop.start("-f", file, *key_option)
    sign(server.url)
    assert MESSAGE[:21] in workshop.run("appstore", "log", "web", *key_option).out
    assert MESSAGE in server.get("guestbook.rpy")
    server.process.send_signal(signal.SIGUSR1)
    generations = folder / "web.generations"
    while not list(generations.glob("0*.snap")):
        server.get("counter.rpy")
    server.get("counter.rpy")
    assert found_in(folder, site) == {}
    server.stop(signal.SIGKILL)
    assert found_in(folder, site) == {}

    server = workshop.start("-f", file, *key_option, "--debug")
    assert MESSAGE in server.get("guestbook.rpy")
    server.get("counter.rpy")
    assert server.stop().status == 0
    assert MESSAGE not in server.said
    assert found_in(folder, site) == {}
    commands: list[list[str | Path]] = [
        ["appstore", "export", "web", "newest", "-o", "one.snap", *key_option],
        ["appstore", "export", "web", "newest", "-o", "two.snap.xml", *key_option],
        ["appconvert", "--to", "source", "one.snap", "-o", "three.snap.py", *key_option],
        ["appconvert", "--set", edit, "one.snap", "--force", *key_option],
        ["appstore", "recover", "web", "--sequence", "1", *key_option],
        ["appstore", "recover", "web", "--sequence", "1", "-o", "four.snap", *key_option],
        ["mkapp", "web", "--path", site, "--append", file, "--port", "0", *key_option],
        ["appstore", "verify", "web"],
        ["appstore", "verify", "web", *key_option],
        ["appstore", "list", "web"],
    ]
    for command in commands:
        result = workshop.run(str(command[0]), *command[1:])
        assert result.status == 0, (command, result)
        assert MESSAGE not in result.out + result.err
        assert found_in(folder, site) == {}, command

    # A damaged segment is set aside, with what is left in it.
    newest = max((folder / "web.journal").glob("*.log"))
    data = bytearray(newest.read_bytes())
    data[len(data.rstrip(b"\0")) // 2] ^= 1
    newest.write_bytes(data)
    server = workshop.start("-f", file, *key_option)
    server.stop()
    assert found_in(folder, site) == {}


def test_only_who_says_unseal_brings_it_into_the_clear(
    workshop: Workshop, site: Path, key: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--add-header", HEADER, "--seal", "--seal-key", key)
    asked = [
        ["--show", "web.snap"],
        ["--diff", "web.snap", "web.snap"],
        ["--check", "web.snap"],
        ["--to", "html", "web.snap"],
        ["--to", "xml", "web.snap"],
        ["--unseal", "web.snap", "-o", "plain.snap"],
    ]
    for each in asked:
        result = workshop.run("appconvert", *each)
        assert result.status in (77, 2), result
        assert "sealed with a key file, and none was given" in result.err
        assert result.err.count("\n") == 1
    page = workshop.run("appconvert", "--to", "html", "web.snap", "--seal-key", key)
    assert (page.status, page.out) == (73, "")
    assert "--unseal" in page.err
    assert workshop.files() == ["site", "web.snap"]
    done = workshop.run(
        "appconvert", "--unseal", "web.snap", "-o", "plain.snap.xml", "--seal-key", key
    )
    assert done.status == 0, done
    assert HEADER.partition(":")[0] in (workshop.folder / "plain.snap.xml").read_text()
    back = workshop.run("appconvert", "--seal", "plain.snap.xml", "--force", "--seal-key", key)
    assert back.status == 0, back
    assert found_in(workshop.folder, site) == {}
    same = workshop.run("appconvert", "--diff", "web.snap", "plain.snap.xml", "--seal-key", key)
    assert (same.status, same.out) == (0, "")


def test_a_new_passphrase_opens_it_and_its_state_and_the_old_one_no_more(
    workshop: Workshop, site: Path, key: Path
) -> None:
    word = workshop.folder.parent / "word"
    word.write_text("correct horse\n")
    word.chmod(0o600)
    workshop.mkapp("web", "--path", site, "--port", "0", "--seal", "--seal-key", key)
    server = workshop.start("-f", "web.snap", "--seal-key", key)
    server.get("counter.rpy")
    server.stop()
    changed = workshop.run(
        *("appconvert", "--seal", "web.snap", "--force", "--seal-key", key),
        *("--new-passphrase-file", word),
    )
    assert changed.status == 0, changed
    old = workshop.run("rundaemon", "-n", "-f", "web.snap", "--seal-key", key)
    assert old.status == 77
    assert "sealed with a passphrase, and none was given" in old.err
    server = workshop.start("-f", "web.snap", "--passphrase-file", word)
    server.get("counter.rpy")
    server.stop()
    shown = workshop.run(
        *("appconvert", "--show", "registry[visits.Counter].value", "web-shutdown.snap"),
        *("--passphrase-file", word),
    )
    assert re.search(r"\b2\b", shown.out), shown
    workshop.environment["PERDURE_PASSPHRASE"] = "wrong"
    wrong = workshop.run("rundaemon", "-n", "-f", "web.snap")
    assert wrong.status == 77
    assert "web.snap: the passphrase is not the one it is sealed with" in wrong.err
    assert wrong.err.count("\n") == 1


def test_a_plain_blueprint_does_not_bring_a_sealed_state_into_the_clear(
    workshop: Workshop, site: Path, key: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--seal", "--seal-key", key)
    server = workshop.start("-f", "web.snap", "--seal-key", key)
    sign(server.url)
    server.stop(signal.SIGKILL)
    workshop.mkapp("web", "--path", site, "--port", "0")
    before = workshop.files()
    refused = workshop.run("rundaemon", "-f", "web.snap")
    assert refused.status == 77
    assert "it is sealed with a key file, and none was given" in refused.err
    assert refused.err.count("\n") == 1
    assert workshop.files() == before
    server = workshop.start("-f", "web.snap", "--seal-key", key)
    assert MESSAGE in server.get("guestbook.rpy")
    server.stop()
    (workshop.folder / "web.snap").unlink()
    assert found_in(workshop.folder, site) == {}


BAD_FILES: list[tuple[bytes, int, int, str]] = [
    (b"x" * 32, 0o644, 77, "other users may read or change the key"),
    (b"x" * 31, 0o600, 65, "a key has 32 bytes"),
    (b"x" * 32, 0o600, 77, "the key file is not the one it is sealed with"),
]


@pytest.mark.parametrize(("content", "mode", "status", "said"), BAD_FILES)
def test_a_bad_key_file_costs_one_line(
    workshop: Workshop, site: Path, key: Path, content: bytes, mode: int, status: int, said: str
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--seal", "--seal-key", key)
    bad = workshop.folder.parent / "bad"
    bad.write_bytes(content)
    bad.chmod(mode)
    for command in (["rundaemon", "-f"], ["appconvert", "--check"]):
        result = workshop.run(*command, "web.snap", "--seal-key", bad)
        assert (result.status, result.err.count("\n")) == (status, 1), result
        assert said in result.err
    missing = workshop.run("rundaemon", "-f", "web.snap", "--seal-key", "none")
    assert (missing.status, missing.err.count("\n")) == (66, 1), missing
    assert workshop.files() == ["site", "web.snap"]


def test_damage_is_told_from_a_wrong_key(workshop: Workshop, site: Path, key: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--seal", "--seal-key", key)
    path = workshop.folder / "web.snap"
    whole = path.read_bytes()
    for data in (whole[:-300], whole[:900] + bytes([whole[900] ^ 1]) + whole[901:], whole[:100]):
        path.write_bytes(data)
        result = workshop.run("rundaemon", "-f", "web.snap", "--seal-key", key)
        assert (result.status, result.err.count("\n")) == (65, 1), result
        assert "damaged" in result.err


def at_terminal(workshop: Workshop, answers: list[str], *command: str | Path) -> Result:
    """Run a command that has a terminal, and give it an answer to each question."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(workshop.folder)
        os.execve(COMMANDS / command[0], [*map(str, command)], workshop.environment)
    said = asked = b""
    left = [*answers]
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
        asked += part
        if left and asked.endswith(b": "):
            os.write(terminal, f"{left.pop(0)}\n".encode())
            asked = b""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return Result(status, said.decode(), "")


def test_a_daemon_asks_for_the_passphrase_before_it_leaves_the_terminal(
    workshop: Workshop, site: Path
) -> None:
    build: list[str | Path] = ["mkapp", "web", "--path", site, "--port", "0", "--seal"]
    differ = at_terminal(workshop, ["correct horse", "correct house"], *build)
    assert differ.status == 64
    assert "the two passphrases differ" in differ.out
    made = at_terminal(workshop, ["correct horse", "correct horse"], *build)
    assert made.status == 0, made
    assert "horse" not in made.out
    assert snapshot.read(workshop.folder / "web.snap").sealed is not None
    run = ["rundaemon", "-f", "web.snap"]
    wrong = at_terminal(workshop, ["a", "b", "c"], *run)
    assert wrong.status == 77
    assert "the passphrase is not the one" in wrong.out
    started = at_terminal(workshop, ["typing error", "correct horse"], *run)
    assert started.status == 0, started
    number = int((workshop.folder / "web.pid").read_text())
    watched = os.pidfd_open(number)
    os.kill(number, signal.SIGTERM)
    subprocess.run(["tail", f"--pid={number}", "-f", "/dev/null"], timeout=60, check=True)
    os.close(watched)
    assert snapshot.read(workshop.folder / "web-shutdown.snap").sealed is not None
