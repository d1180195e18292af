"""Subtrees for some: Basic, users from files and components, and what wrong tries cost."""

import logging
import select
import subprocess
import threading
from base64 import b64encode
from pathlib import Path

import httpx2
import pytest

from perdure.app.web.auth import doorkeeper, passwords
from perdure.app.web.auth.basicauth import Basic
from perdure.app.web.auth.digestauth import Digest
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.formlogin import FormLogin
from perdure.app.web.auth.htpasswd import HtdigestFile, HtpasswdFile
from perdure.app.web.auth.passwords import Cost
from perdure.app.web.auth.protected import AuthenticationError, Protected, Scheme
from perdure.app.web.auth.users import RegisteredUsers, Users

from ..paper import Paper
from .conftest import Serve
from .enrolment import ADA, CHEAP, WRONG, Who, credentials, enrolled, guarded


@pytest.fixture(name="tries")
def tries_fixture(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared, one after another."""
    tried: list[str] = []
    compare = passwords.matches

    def matches(record: str, password: str) -> bool:
        tried.append(password)
        return compare(record, password)

    monkeypatch.setattr(passwords, "matches", matches)
    return tried


def test_one_subtree_is_for_those_who_are_known_and_the_rest_for_all(serve: Serve) -> None:
    served = serve(guarded(Basic("the lab")))
    enrolled(served, ada="lovelace")
    assert served.get("/open").body == b"None at "
    asked = served.get("/private/x")
    assert asked.status == 401
    assert asked.get("www-authenticate") == 'Basic realm="the lab", charset="UTF-8"'
    for path, left in (("/private", "a at "), ("/private/", "a at "), ("/private/x/y", "a at x/y")):
        assert served.get(path, ADA).body.decode().endswith(left)
    assert served.get("/private", WRONG).status == 401
    assert served.get("/private", credentials("nobody", "lovelace")).status == 401
    body = "Content-Length: 0"
    assert served.get("/private", ADA, body, method="POST").body == b"ada sent 0 bytes"
    assert served.get("/private", ADA, method="HEAD").status == 200


def test_who_is_known_may_still_not_be_allowed(serve: Serve) -> None:
    served = serve(guarded(only=["charles"]))
    enrolled(served, ada="lovelace", charles="babbage")
    assert served.get("/private", ADA).status == 403
    assert served.get("/private", credentials("charles", "babbage")).status == 200


@pytest.mark.parametrize(
    "said",
    ["Basic", "Basic ", "Basic YWRh", "Basic YWRhOmx$vdmVsYWNl", "X y"]
    + ["Basic " + b64encode(b"ada:\xff").decode(), "Bearer YWRhOmxvdmVsYWNl", "Basic \xe9"]
    + ["Basic " + b64encode(each).decode() for each in (b":", b"ada\0:x", b"x" * 300 + b":x")],
)
def test_what_breaks_the_grammar_makes_nobody_of_the_client(serve: Serve, said: str) -> None:
    served = serve(guarded())
    enrolled(served, ada="lovelace")
    reply = served.get("/private", f"Authorization: {said}")
    assert (reply.status, reply.get("www-authenticate") is None) == (401, False)


def test_names_and_passwords_are_utf_8_in_one_form(serve: Serve) -> None:
    served = serve(guarded())
    enrolled(served, ångström="Ωmega straße")
    for name, password in (
        ("ångström", "Ωmega straße"),
        ("a\u030angstro\u0308m", "Ωmega\xa0straße"),
    ):
        body = served.get("/private", credentials(name, password)).body.decode()
        assert body == "ångström at "
    command = ["curl", "-s", "--user", "ångström:Ωmega straße", served.url("/private")]
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == body
    reply = httpx2.get(served.url("/private"), auth=("ångström".encode(), "Ωmega straße".encode()))
    assert reply.text == body


def test_a_password_that_was_right_is_not_compared_again_for_a_while(
    serve: Serve, tries: list[str]
) -> None:
    keeper = Doorkeeper(RegisteredUsers())
    served = serve(guarded(keeper=keeper))
    users = enrolled(served, ada="lovelace")
    for _ in range(3):
        assert served.get("/private", ADA).status == 200
    assert tries == ["lovelace"]
    assert served.get("/private", ADA, "From: 192.0.2.1").status == 200
    assert tries == ["lovelace"] * 2, "for another client it is"
    served.call(lambda: users.set_password("ada", "byron"))
    assert served.get("/private", ADA).status == 401, "and it is not right any more"
    served.call(lambda: users.remove("ada"))
    assert served.get("/private", credentials("ada", "byron")).status == 401


def test_requests_that_come_together_cost_one_comparison(serve: Serve, tries: list[str]) -> None:
    served = serve(guarded())
    enrolled(served, ada="lovelace")
    with served.connect() as one, served.connect() as two:
        for each in (one, two):
            each.send(f"GET /private HTTP/1.1\r\nHost: x\r\n{ADA}\r\n\r\n".encode())
        assert [one.reply().body, two.reply().body] == [b"ada at "] * 2
    assert tries == ["lovelace"]


def test_a_password_is_compared_again_when_the_while_is_over(
    serve: Serve, tries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    monkeypatch.setattr(doorkeeper, "time", Clock)
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), remembered=30.0)))
    enrolled(served, ada="lovelace")
    for seconds, count in ((0.0, 1), (29.0, 1), (1.0, 2), (29.0, 2)):
        now += seconds
        assert served.get("/private", ADA).status == 200
        assert len(tries) == count


def test_no_more_wait_for_a_comparison_than_are_soon_done(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()

    def matches(record: str, password: str) -> bool:
        assert going_on.wait(20)
        return password == "right"

    monkeypatch.setattr(passwords, "matches", matches)
    served = serve(guarded())
    clients = [served.connect() for _ in range(33)]
    try:
        for number, client in enumerate(clients):
            field = credentials(f"user{number}", "right")
            client.send(f"GET /private HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n".encode())
        by_socket = {client.socket: client for client in clients}
        (answered,) = select.select(list(by_socket), [], [], 20)[0]
        refused = by_socket.pop(answered).reply()
        assert (refused.status, refused.get("retry-after")) == (503, "1")
        going_on.set()
        assert {client.reply().status for client in by_socket.values()} == {401}
    finally:
        for client in clients:
            client.socket.close()


def test_who_is_no_user_costs_as_much_as_one(serve: Serve, tries: list[str]) -> None:
    served = serve(guarded())
    enrolled(served, ada="lovelace")
    assert served.get("/private", credentials("nobody", "lovelace")).status == 401
    assert tries == ["lovelace"]


def test_others_are_served_while_a_password_is_compared(serve: Serve) -> None:
    served = serve(guarded())
    users = Users(cost=Cost(ln=15, p=2))
    users.add("ada", "lovelace")
    served.call(lambda: served.registry.set_component(Users, users))
    with served.connect() as slow, served.connect() as quick:
        slow.send(f"GET /private HTTP/1.1\r\nHost: x\r\n{WRONG}\r\n\r\n".encode())
        for _ in range(5):
            assert quick.ask(b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        assert slow.silent()
        assert slow.reply().status == 401


# Users from a component.


def test_a_record_is_made_anew_at_the_cost_of_today(serve: Serve, tries: list[str]) -> None:
    served = serve(guarded(), journal=Paper())
    users = Users(cost=CHEAP)
    users.add("ada", "lovelace")
    served.call(lambda: served.registry.set_component(Users, users))
    served.call(lambda: setattr(users, "cost", Cost(ln=5, p=1)))
    with served.connect() as client:
        client.send(f"GET /private HTTP/1.1\r\nHost: x\r\n{ADA}\r\n\r\n".encode())
        served.held(1)
        assert client.silent(), "the reply waits for the new record"
        served.secure()
        assert client.reply().body == b"ada at "
    account = users.get("ada")
    assert account is not None
    assert account.record is not None
    assert account.record.reveal().startswith("$scrypt$ln=5,r=8,p=1$")
    assert served.get("/private", ADA).status == 200
    assert tries == ["lovelace"], "nobody is logged out by that"


# What is said and what is not.


def test_that_passwords_come_without_tls_is_said_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(guarded())
    enrolled(served, ada="lovelace")
    served.get("/private", ADA)
    served.get("/private")
    assert not caplog.records, "this machine hears itself"
    for _ in range(2):
        served.get("/private", "From: 192.0.2.1")
    (record,) = caplog.records
    assert "passwords for /private are asked for without TLS" in record.getMessage()


def test_the_access_log_says_who_asked(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    served = serve(guarded(), log=str(log))
    enrolled(served, **{"ada": "lovelace", 'Ä "b': "x"})
    for field in (ADA, credentials('Ä "b', "x"), WRONG):
        served.get("/private", field)
    assert served.server.log is not None
    served.call(served.server.log.flush)
    assert [line.split()[1:3] for line in log.read_text().splitlines()] == [
        ["-", "ada"],
        ["-", r"\xc4%20\x22b"],
        ["-", "-"],
    ]


def test_no_log_and_no_text_has_a_password(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "access.log"
    served = serve(guarded(), log=str(log))
    users = enrolled(served, ada="lovelace")
    served.get("/private", ADA)
    served.get("/private", WRONG)
    assert served.server.log is not None
    served.call(served.server.log.flush)
    account = users.get("ada")
    assert account is not None
    assert account.record is not None
    texts = log.read_text() + caplog.text + repr(users) + repr(account) + repr(served.site)
    assert "GET /private" in texts
    for secret in ("lovelace", "babbage", ADA[-12:], account.record.reveal()):
        assert secret not in texts


@pytest.mark.parametrize(
    ("schemes", "users", "message"),
    [
        ((), RegisteredUsers(), "no scheme"),
        ((Basic(),), HtdigestFile("/none"), "Basic cannot use HtdigestFile"),
        ((FormLogin(),), HtdigestFile("/none"), "FormLogin cannot use HtdigestFile"),
        (
            (Digest("x"),),
            HtpasswdFile("/none"),
            "HtpasswdFile has not what Digest by SHA-256 needs",
        ),
        ((Digest("x", ["MD5"]),), RegisteredUsers(), "RegisteredUsers has not what Digest by MD5"),
    ],
)
def test_what_cannot_protect_anything_is_refused_when_it_is_made(
    schemes: tuple[Scheme, ...], users: HtpasswdFile, message: str
) -> None:
    with pytest.raises(AuthenticationError, match=message):
        Protected(Who(), Doorkeeper(users), *schemes)


def test_mistakes_in_what_is_given_are_told() -> None:
    with pytest.raises(AuthenticationError, match="realm"):
        Basic('a"b')
    with pytest.raises(AuthenticationError, match="SHA-256 or MD5 here, not 'SHA-1'"):
        Digest("x", ["SHA-1"])
    with pytest.raises(AuthenticationError, match="`only` is a list of names, not the text 'ada'"):
        Protected(Who(), Doorkeeper(RegisteredUsers()), Basic(), only="ada")
    with pytest.raises(TypeError, match="users come from"):
        Doorkeeper(Users())  # type: ignore[arg-type]
