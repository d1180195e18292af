"""The keys of others on the command line: said with ``--key``, named with ``--trust-key``."""

import os
import re
import shutil
from pathlib import Path

import attrs
import pytest

from .conftest import Workshop

EX_DATAERR = 65
EX_NOINPUT = 66
EX_NOPERM = 77
USAGE = 64


@pytest.fixture
def alice(workshop: Workshop, tmp_path: Path) -> Workshop:
    """Another user, in the same folder."""
    home = str(tmp_path / "alice")
    return attrs.evolve(workshop, environment={**os.environ, "PERDURE_HOME": home})


def test_a_snapshot_of_a_trusted_key_is_told_from_a_strangers(
    workshop: Workshop, alice: Workshop, site: Path
) -> None:
    said = alice.run("appconvert", "--key")
    assert re.fullmatch(r"[0-9a-f]{64}\n", said.out)
    assert alice.run("appconvert", "--key") == said
    key = workshop.folder / "alice.pub"
    key.write_text(said.out)
    alice.mkapp("web", "--path", "site", "--listen", "tcp:0:interface=127.0.0.1")
    snap = workshop.folder / "web.snap"
    assert "signed by you" in alice.run("appconvert", "--check", snap).out
    stranger = workshop.run("appconvert", "--check", snap).out
    assert f"signed by somebody else, whose key {said.out.strip()} is not trusted" in stranger
    trusted = workshop.run("appconvert", "--check", "--trust-key", key, snap)
    assert "signed by a trusted key, alice.pub" in trusted.out
    # What such a key has signed may name no more than a stranger's.
    refused = workshop.run("rundaemon", "-n", "-f", snap, "--trust-key", key)
    assert refused.status == EX_NOPERM
    assert "signed by a trusted key, alice.pub, and not by this user" in refused.err
    assert "--trust perdure.app.web.script" in refused.err
    trust = ("--trust", "perdure.app.web.script")
    running = workshop.start("-f", snap, "--trust-key", key, *trust)
    assert "is not this user's work (signed by a trusted key, alice.pub)" in running.said
    assert running.stop().status == 0
    shutil.copy(snap, workshop.folder / "base.snap")
    arguments = ("web", "--path", "site", "--append", "base.snap", "--trust-key", key)
    assert workshop.run("mkapp", *arguments).status == EX_NOPERM
    assert workshop.run("mkapp", *arguments, *trust).status == 0


def test_the_start_says_what_one_has_signed_oneself(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", "site", "--listen", "tcp:0:interface=127.0.0.1")
    running = workshop.start("-f", "web.snap")
    assert "web.snap is signed by you" in running.said
    running.stop()


@pytest.mark.parametrize(
    "arguments",
    [
        ("rundaemon", "-f", "web.snap"),
        ("mkapp", "web", "--path", ".", "--append", "web.snap"),
        ("appconvert", "--check", "web.snap"),
        ("appstore", "recover", "web", "--sequence", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_that_gives_no_key_costs_one_line(
    arguments: tuple[str, ...], workshop: Workshop, tmp_path: Path
) -> None:
    workshop.run("appconvert", "--key")
    for path, status in (
        (tmp_path / "home" / "signing-key.pem", EX_DATAERR),
        (workshop.folder / "missing", EX_NOINPUT),
    ):
        result = workshop.run(*arguments, "--trust-key", path)
        assert result.status == status
        assert re.fullmatch(r"\w+: --trust-key .+: .+; .+\n", result.err)
    assert workshop.files() == []


def test_where_nothing_is_believed_no_key_is_taken(workshop: Workshop) -> None:
    (workshop.folder / "alice.pub").write_text("3b" * 32)
    result = workshop.run("appconvert", "--show", "--trust-key", "alice.pub", "web.snap")
    assert result.status == USAGE
    assert "--trust-key does not go with --show" in result.err
