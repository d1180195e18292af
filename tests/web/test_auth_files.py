"""Users from the files of Apache's tools."""

import os
import subprocess
from pathlib import Path

import pytest

from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.htpasswd import HtpasswdFile
from perdure.app.web.auth.users import UsersError

from .conftest import Serve
from .enrolment import ADA, WRONG, credentials, guarded


@pytest.fixture(name="users_file")
def users_file_fixture(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.touch(0o600)
    for name, password in (("ada", "lovelace"), ("grace", "hopper")):
        htpasswd("-B", "-C", "4", "-b", str(path), name, password)
    path.chmod(0o600)
    return path


def htpasswd(*arguments: str) -> None:
    subprocess.run(["htpasswd", *arguments], capture_output=True, check=True)


def test_users_come_from_the_file_that_htpasswd_writes(serve: Serve, users_file: Path) -> None:
    keeper = Doorkeeper(HtpasswdFile(users_file))
    served = serve(guarded(keeper=keeper))
    assert served.get("/private", ADA).status == 200
    assert served.get("/private", WRONG).status == 401
    # Whoever is no user is compared with somebody's record, and gets in by nobody's password.
    for password in ("x", "lovelace", "hopper"):
        assert served.get("/private", credentials("nobody", password)).status == 401
    htpasswd("-B", "-C", "4", "-b", str(users_file), "ada", "byron")
    htpasswd("-D", str(users_file), "grace")
    assert served.get("/private", ADA).status == 401, "the file is read again"
    assert served.get("/private", credentials("ada", "byron")).status == 200
    assert served.get("/private", credentials("grace", "hopper")).status == 401
    # As Apache does, who never gives bcrypt more.
    htpasswd("-B", "-C", "4", "-b", str(users_file), "long", "x" * 80)
    assert served.get("/private", credentials("long", "x" * 80)).status == 200


def test_a_line_that_cannot_be_used_is_told_and_keeps_nobody_else_out(
    serve: Serve, users_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = users_file.read_bytes()
    hashed = {kind: made(kind) for kind in "msd25"}
    bad = "".join(f"user{kind}:{record}\n" for kind, record in hashed.items())
    bad += "plain:sesame\n\n# a comment\nno record\nada:x\n$2:$2y$05$x\na\tb:$2y$\n"
    users_file.write_bytes(b"\xff:x\n" + bad.encode() + good + b"ada:" + good.split(b":")[1])
    served = serve(guarded(keeper=Doorkeeper(HtpasswdFile(users_file))))
    assert served.get("/private", ADA).status == 200
    assert served.get("/private", credentials("plain", "sesame")).status == 401
    assert served.get("/private", credentials("userm", "secret")).status == 401
    told = [record.getMessage() for record in caplog.records]
    again = f"do it anew: htpasswd -B {users_file}"
    for number, kind, record in zip(range(2, 7), hashed, ["MD5 (apr1)", "SHA-1"], strict=False):
        start = f"{users_file}:{number}: what is kept of 'user{kind}' is not used ({record}"
        assert any(line.startswith(start) and line.endswith(f"{again} user{kind}") for line in told)
    assert f"{users_file}:1: this line is not UTF-8" in told
    assert f"{users_file}:10: a line is NAME:RECORD, as htpasswd -B writes it" in told
    assert told[-2] == f"{users_file}:16: this name is there already; the first counts"
    assert len(told) == 13, "once, not at each request"
    assert not any(secret in line for line in told for secret in ("sesame", *hashed.values()))


def made(kind: str) -> str:
    command = ["htpasswd", "-nb", f"-{kind}", "x", "secret"]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode().strip().partition(":")[2]


def test_a_file_that_others_may_write_or_that_is_none_lets_nobody_in(
    serve: Serve, users_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = HtpasswdFile(users_file)
    served = serve(guarded(keeper=Doorkeeper(users)))
    assert served.get("/private", ADA).status == 200
    users_file.chmod(0o620)
    with pytest.raises(UsersError, match=r"others may write to it .mode 0620.; chmod go-w "):
        users.check()
    assert [served.get("/private", ADA).status for _ in range(2)] == [503] * 2
    users_file.unlink()
    assert served.get("/private", ADA).status == 503
    with pytest.raises(UsersError, match="No such file or directory"):
        served.site.check()
    os.mkfifo(users_file)
    with pytest.raises(UsersError, match="it is no regular file"):
        users.check()
    said = [each.message for each in caplog.records if "nobody can be let in" in each.message]
    assert len(said) == 2  # once for each reason, and not for each request
    assert "others may write" in said[0]
    assert "No such file" in said[1]
