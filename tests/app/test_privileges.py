"""A process becomes another user for good, or it does not run."""

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.app import privileges
from perdure.app.application import ProcessSettings
from perdure.app.privileges import Identity, PrivilegeError, UnknownUserError, check_as, drop

NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def resolved(uid: int | str | None = None, gid: int | str | None = None) -> Identity:
    return privileges.resolve(ProcessSettings(uid=uid, gid=gid))


def in_child(scenario: Callable[[], str]) -> str:
    """What `scenario` returns in a process of its own, which may change who it is."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = scenario()
        except BaseException as error:  # noqa: BLE001 - it is the answer
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def test_names_and_numbers_are_looked_up() -> None:
    by_name = resolved(uid="nobody")
    assert by_name == resolved(uid=NOBODY.pw_uid) == resolved(uid=str(NOBODY.pw_uid))
    assert (by_name.uid, by_name.gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert NOBODY.pw_gid in by_name.groups
    root = grp.getgrgid(0).gr_name
    assert resolved(gid=root) == resolved(gid=0) == resolved(gid="0") == Identity(None, 0, (0,))
    assert resolved(uid="nobody", gid=0).gid == 0
    assert resolved() == Identity()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"uid": "nosuchuser"}, "no user 'nosuchuser'"),
        ({"gid": "nosuchgroup"}, "no group 'nosuchgroup'"),
        ({"uid": 1234567}, "say which with --gid"),
        ({"uid": 2**32 - 1}, "no user"),
        ({"uid": "9" * 30}, "no user"),
        ({"gid": 2**32 - 1}, "no group"),
    ],
)
def test_who_is_unknown_is_named(settings: dict[str, int | str], said: str) -> None:
    with pytest.raises(UnknownUserError, match=said) as caught:
        resolved(**settings)
    assert caught.value.exit_status == os.EX_NOUSER


def test_a_user_without_an_entry_can_be_had_by_number() -> None:
    assert resolved(uid=1234567, gid=7654321) == Identity(1234567, 7654321, (7654321,))


@pytest.mark.parametrize("identity", [Identity(), Identity(uid=os.getuid())])
def test_to_stay_who_one_is_is_always_possible(identity: Identity) -> None:
    drop(identity)
    assert os.geteuid() == os.getuid()


@needs_root
def test_everything_is_dropped_and_there_is_no_way_back() -> None:
    def scenario() -> str:
        drop(resolved(uid="nobody"))
        regained: list[str] = []
        for attempt in (os.setuid, os.seteuid, os.setgid, os.setegid):
            try:
                attempt(0)
            except PermissionError:
                continue
            regained.append(attempt.__name__)
        return f"{os.getresuid()} {os.getresgid()} {sorted(os.getgroups())} {regained}"

    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
    groups = sorted(os.getgrouplist("nobody", gid))
    assert in_child(scenario) == f"{(uid,) * 3} {(gid,) * 3} {groups} []"


@needs_root
def test_a_group_alone_can_be_dropped_to() -> None:
    def scenario() -> str:
        drop(resolved(gid=NOBODY.pw_gid))
        return f"{os.getresuid()} {os.getresgid()} {os.getgroups()}"

    gid = NOBODY.pw_gid
    assert in_child(scenario) == f"{(0,) * 3} {(gid,) * 3} [{gid}]"


@needs_root
def test_dropping_twice_is_no_mistake() -> None:
    def scenario() -> str:
        drop(resolved(uid="nobody"))
        drop(resolved(uid="nobody"))
        return "fine"

    assert in_child(scenario) == "fine"


@needs_root
def test_who_is_not_root_may_not_become_another() -> None:
    def scenario() -> str:
        drop(resolved(uid="nobody"))
        drop(Identity(0, 0, (0,)))
        return "root again"

    assert in_child(scenario) == (
        f"PrivilegeError: this process is user {NOBODY.pw_uid} and may not become"
        " user 0 and group 0; start it as root, or leave out --uid and --gid"
    )


@needs_root
def test_a_drop_that_leaves_a_way_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def effective_only(_real: int, effective: int, _saved: int) -> None:
        os.seteuid(effective)

    def scenario() -> str:
        monkeypatch.setattr(os, "setresuid", effective_only)
        drop(resolved(uid="nobody"))
        return "accepted"

    assert "could be more than that" in in_child(scenario)


@needs_root
def test_a_check_runs_as_the_other_user_and_changes_nothing_here(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    def write() -> None:
        (private / "file").write_text("x")

    def refuse() -> None:
        raise PrivilegeError("the folder is not mine", "chown it")

    identity = resolved(uid="nobody")
    with pytest.raises(PermissionError):
        check_as(identity, write)
    with pytest.raises(PrivilegeError, match="the folder is not mine; chown it"):
        check_as(identity, refuse)
    check_as(identity, lambda: None)
    check_as(Identity(), write)
    assert (private / "file").exists()
    assert os.geteuid() == 0


@needs_root
def test_what_a_check_raises_arrives_even_if_it_cannot_be_pickled() -> None:
    class Local(Exception):  # noqa: N818
        pass

    def check() -> None:
        raise Local("only here")

    with pytest.raises(PrivilegeError, match=f"only here; as user {NOBODY.pw_uid}"):
        check_as(resolved(uid="nobody"), check)


@needs_root
def test_a_check_that_dies_is_noticed() -> None:
    with pytest.raises(PrivilegeError, match="ended with status"):
        check_as(resolved(uid="nobody"), lambda: os._exit(3))
