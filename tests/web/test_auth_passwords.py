"""What is kept of passwords, and who users may be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.web.auth.passwords import (
    Cost,
    PasswordError,
    check_record,
    cost_of,
    matches,
    prepared,
)
from perdure.app.web.auth.users import UserError, Users, named

from .enrolment import CHEAP

BCRYPT = "$2y$05$qLuJbsVQh1f4wv4JpBln8.FNGApnB8WG8yX9WYIZZCeSweZwe9Ce6"  # by htpasswd -B, of x
PASSLIB = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"
"""From the documentation of passlib, of ``password``."""


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_record_is_of_one_password(password: str, other: str) -> None:
    text = prepared(password)
    if text is None:
        with pytest.raises(PasswordError, match="a password has 1 to 1024 characters"):
            CHEAP.record(password)
        return
    record = CHEAP.record(password)
    check_record(record)
    assert matches(record, password)
    assert matches(record, text)
    assert matches(record, other) == (prepared(other) == text)
    assert record != CHEAP.record(password), "each has a salt of its own"
    assert cost_of(record) == CHEAP


def test_records_of_others_are_known() -> None:
    assert matches(PASSLIB, "password")
    assert not matches(PASSLIB, "passwort")
    assert matches(BCRYPT, "x")
    for password in ("X", "", "x\0", "x" * 2000, "\ud800"):
        assert not matches(BCRYPT, password)
        assert not matches(CHEAP.record("x"), password)
    assert not matches(CHEAP.decoy(), "")


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ("", "plain text, or by crypt"),
        ("sesame", "plain text, or by crypt"),
        (BCRYPT[:-1], "bcrypt in a form"),
        (BCRYPT.replace("$05$", "$31$"), "bcrypt in a form"),
        (PASSLIB[:-20], "damaged salt or hash"),
        (PASSLIB + "!", "damaged salt or hash"),
        (PASSLIB.replace("ln=16", "ln=30"), "is not used here"),
        (PASSLIB.replace("p=1", "p=99"), "is not used here"),
        (PASSLIB.replace("ln=16", "ln=0"), "is not used here"),
        (PASSLIB.replace("ln=16", "n=16"), "scrypt in a form"),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_shown(record: str, what: str) -> None:
    with pytest.raises(PasswordError, match=what) as caught:
        check_record(record)
    assert not record or record not in str(caught.value)


def test_the_cost_of_today_is_a_fair_one() -> None:
    assert Cost().memory == 32 << 20
    with pytest.raises(PasswordError, match="ln=20, r=16, p=1 is not used here"):
        Cost(20, 16, 1)


def test_users_are_added_changed_and_removed() -> None:
    users = Users(realm="lab", cost=CHEAP)
    users.add("åda", "x")
    assert "a\u030ada" in users
    first = users.get("åda")
    assert first is not None
    assert first.digest("lab", "SHA-256") is not None
    assert first.digest("lab", "MD5") is None
    users.set_password("a\u030ada", "y")
    second = users.get("åda")
    assert second is not None
    assert second.stamp != first.stamp
    with pytest.raises(UserError, match="user 'åda': is there already"):
        users.add("åda", "z")
    users.remove("åda")
    assert users.names == []
    with pytest.raises(UserError, match="there is none of this name"):
        users.remove("åda")
    with pytest.raises(UserError, match="there is none of this name"):
        users.set_password("åda", "x")


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "\0", "x" * 256])
def test_names_are_what_can_be_sent_and_logged(name: str) -> None:
    with pytest.raises(UserError, match="1 to 255 characters that can be printed, and no colon"):
        named(name)
