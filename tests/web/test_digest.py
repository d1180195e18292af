"""Digest, by clients that are not ours and by one that cheats."""

import hashlib
import re
import subprocess
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.web.auth import doorkeeper
from perdure.app.web.auth.digestauth import Digest
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.htpasswd import HtdigestFile
from perdure.app.web.auth.lockout import Lockout
from perdure.app.web.auth.nonces import LIFETIME, Freshness, Nonces
from perdure.app.web.auth.protected import Protected
from perdure.app.web.auth.users import RegisteredUsers, Users
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource, resource_for

from .conftest import Reply, Serve, Served
from .enrolment import CHEAP, Who, guarded

REALM = "the lab"


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def clock_fixture(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(doorkeeper, "time", clock)
    return clock


def lab(serve: Serve, resource: Resource | None = None, **users: str) -> Served:
    served = serve(resource or guarded(Digest(REALM)))
    component = Users(realm=REALM, cost=CHEAP)
    for name, password in (users or {"ada": "lovelace"}).items():
        component.add(name, password)
    served.call(lambda: served.registry.set_component(Users, component))
    return served


def nonce_of(reply: Reply) -> str:
    match = re.search(r'nonce="([^"]+)"', reply.get("www-authenticate") or "")
    assert match
    return match[1]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def proof(nonce: str, *, password: str = "lovelace", **changes: str) -> str:
    """The field of a client, with `changes` made after it was computed."""
    said = {"username": "ada", "realm": REALM, "nonce": nonce, "uri": "/private", "nc": "00000001"}
    said |= {"cnonce": "abc", "qop": "auth", "algorithm": "SHA-256"}
    said |= {name: value for name, value in changes.items() if name in said and name != "realm"}
    secret = sha256(f"{said['username']}:{REALM}:{password}")
    parts = (secret, nonce, said["nc"], said["cnonce"], "auth", sha256(f"GET:{said['uri']}"))
    said["response"] = sha256(":".join(parts))
    said |= changes
    return "Authorization: Digest " + ", ".join(f'{name}="{said[name]}"' for name in said)


def without(field: str, name: str) -> str:
    return re.sub(rf', {name}="[^"]*"', "", field)


def test_clients_that_are_not_ours_get_in(serve: Serve) -> None:
    served = lab(serve, ada="lovelace", ångström="Ωmega")
    url = served.url("/private/x?y=z")
    for name, password, answer in (
        ("ada", "lovelace", "ada at x"),
        ("ångström", "Ωmega", "ångström at x"),
        ("ada", "babbage", "401"),
        ("nobody", "lovelace", "401"),
    ):
        command = ["curl", "-s", "--digest", "--user", f"{name}:{password}", url]
        told = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        assert answer in told
    with httpx2.Client(auth=httpx2.DigestAuth("ada", "lovelace")) as client:
        assert [client.get(url).text for _ in range(3)] == ["ada at x"] * 3
        assert client.post(served.url("/private"), content=b"12345").text == "ada sent 5 bytes"
    assert httpx2.get(url, auth=httpx2.DigestAuth("ada", "x")).status_code == 401


def test_the_challenge_offers_sha_256_alone_unless_more_is_asked_for(serve: Serve) -> None:
    reply = lab(serve).get("/private")
    assert re.fullmatch(
        r'Digest realm="the lab", qop="auth", algorithm=SHA-256, nonce="[0-9a-f.-]+",'
        r' opaque="[0-9a-f]+", charset=UTF-8',
        reply.get("www-authenticate") or "",
    )
    both = lab(serve, guarded(Digest(REALM, ["SHA-256", "MD5"]))).get("/private")
    challenges = [value for name, value in both.fields if name == "www-authenticate"]
    assert ["SHA-256" in challenges[0], "MD5" in challenges[1], len(challenges)] == [True, True, 2]


def test_the_file_that_htdigest_writes_is_for_md5(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "digests"
    new = f"charles:{REALM}:{sha256(f'charles:{REALM}:babbage')}\n"
    old = hashlib.md5(f"ada:{REALM}:lovelace".encode(), usedforsecurity=False).hexdigest()
    path.write_text(f"ada:{REALM}:{old}\n{new}ada:another realm:{old}\nbroken:x\n")
    path.chmod(0o600)
    keeper = Doorkeeper(HtdigestFile(path))
    served = serve(guarded(Digest(REALM, ["MD5", "SHA-256"]), keeper=keeper))
    for name, password, status in (("ada", "lovelace", 200), ("charles", "babbage", 401)):
        auth = httpx2.DigestAuth(name, password)
        assert httpx2.get(served.url("/private"), auth=auth).status_code == status
    # What htdigest writes is for MD5 alone, so nothing else is offered.
    path.write_text(f"ada:{REALM}:{old}\n")
    both = serve(guarded(Digest(REALM, ["SHA-256", "MD5"]), keeper=keeper))
    auth = httpx2.DigestAuth("ada", "lovelace")
    assert httpx2.get(both.url("/private"), auth=auth).text == "ada at "
    path.write_text(f"{new}ada:{REALM}:{old}\n")
    strict = serve(guarded(Digest(REALM), keeper=keeper))
    nonce = nonce_of(strict.get("/private"))
    right = proof(nonce, username="charles", password="babbage")
    assert strict.get("/private", right).body == b"charles at "


def test_a_proof_is_for_one_request(serve: Serve) -> None:
    served = lab(serve)
    nonce = nonce_of(served.get("/private"))
    assert served.get("/private", proof(nonce)).body == b"ada at "
    again = served.get("/private", proof(nonce))
    assert (again.status, "stale=true" in (again.get("www-authenticate") or "")) == (401, True)
    assert served.get("/private", proof(nonce, nc="00000005")).status == 200
    assert served.get("/private", proof(nonce, nc="00000003")).status == 200, "it was overtaken"
    assert served.get("/private", proof(nonce, nc="00000003")).status == 401
    assert served.get("/private", proof(nonce, nc="00000009"), method="POST").status == 401
    assert served.get("/private/x", proof(nonce, nc="0000000a")).status == 400
    assert served.get("/private", proof(nonce, nc="0000000A")).status == 200


class Leads(Resource):
    """Leads on to another page of the server, as a CGI script may."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        assert request.root is not None
        request.relocate(f"/{request.query}")
        return resource_for(request.root, request).render(request)


def test_a_request_that_is_led_to_another_page_needs_no_other_proof(serve: Serve) -> None:
    inner, keeper = Resource(), Doorkeeper(RegisteredUsers())
    inner.put_child("leads", Leads())
    inner.put_child("page", Who())
    root = Resource()
    root.put_child("private", Protected(inner, keeper, Digest(REALM)))
    root.put_child("open", Who())
    served = lab(serve, root)
    nonce = nonce_of(served.get("/private/leads"))
    field = proof(nonce, uri="/private/leads?private/page")
    assert served.get("/private/leads?private/page", field).body == b"ada at "
    assert served.get("/private/leads?private/page", field).status == 401
    # Where nobody is asked for, nobody is known.
    field = proof(nonce, uri="/private/leads?open", nc="00000002")
    assert served.get("/private/leads?open", field).body == b"None at "


@pytest.mark.parametrize(
    "change",
    [
        {"response": "0" * 64},
        {"response": ""},
        {"realm": "elsewhere"},
        {"qop": "auth-int"},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256-sess"},
        {"username": "nobody"},
        {"username": "a:b"},
    ],
)
def test_a_proof_of_anything_else_is_none(serve: Serve, change: dict[str, str]) -> None:
    served = lab(serve)
    reply = served.get("/private", proof(nonce_of(served.get("/private")), **change))
    assert (reply.status, "stale" in (reply.get("www-authenticate") or "")) == (401, False)


@pytest.mark.parametrize("name", ["username", "nonce", "uri", "response", "qop", "nc", "cnonce"])
def test_a_proof_has_all_its_parts(serve: Serve, name: str) -> None:
    served = lab(serve)
    field = proof(nonce_of(served.get("/private"))).replace("Digest ", "Digest x=y, ")
    assert served.get("/private", field).status == 200
    assert served.get("/private", without(field, name)).status == 401


def test_a_count_that_is_none_and_another_address_are_mistakes(serve: Serve) -> None:
    served = lab(serve)
    nonce = nonce_of(served.get("/private"))
    for change in ({"nc": "1"}, {"nc": "-0000001"}, {"uri": "/open"}):
        assert served.get("/private", proof(nonce, **change)).status == 400


def test_a_nonce_that_is_old_or_of_another_run_is_stale_for_who_has_the_password(
    serve: Serve, clock: Clock
) -> None:
    served = lab(serve)
    old = nonce_of(served.get("/private"))
    clock.now += LIFETIME + 1
    for nonce in (old, Nonces(clock.monotonic).give()):
        for password, stale in (("lovelace", True), ("babbage", False)):
            reply = served.get("/private", proof(nonce, password=password))
            assert reply.status == 401
            assert ("stale=true" in (reply.get("www-authenticate") or "")) is stale


def test_wrong_proofs_count_whatever_their_nonce(serve: Serve, clock: Clock) -> None:
    keeper = Doorkeeper(RegisteredUsers(), lockout=Lockout(free=3))
    served = lab(serve, guarded(Digest(REALM), keeper=keeper))
    ours = nonce_of(served.get("/private"))
    nonces = (ours, Nonces(clock.monotonic).give(), ours)
    tried = [served.get("/private", proof(each, password="x")).status for each in nonces]
    assert tried == [401] * 3
    reply = served.get("/private", proof(ours))
    assert (reply.status, reply.get("retry-after")) == (429, "1")


def test_who_was_here_before_is_not_locked_out_by_a_stranger(serve: Serve) -> None:
    keeper = Doorkeeper(RegisteredUsers(), lockout=Lockout(free=2, first=600.0))
    served = lab(serve, guarded(Digest(REALM), keeper=keeper))
    nonce = nonce_of(served.get("/private"))
    assert served.get("/private", proof(nonce), "From: 192.0.2.1").status == 200
    wrong = proof(nonce, response="0" * 64)
    told = [served.get("/private", wrong, "From: 198.51.100.1").status for _ in range(3)]
    assert told == [401, 401, 429]
    assert served.get("/private", proof(nonce, nc="00000002"), "From: 192.0.2.1").status == 200
    # It is who proves to be that, and not where a request came from, that counts.
    assert served.get("/private", proof(nonce, nc="00000003"), "From: 203.0.113.1").status == 429


def test_what_is_remembered_of_nonces_is_bounded_and_what_is_forgotten_is_good_for_nothing() -> (
    None
):
    clock = Clock()
    nonces = Nonces(clock.monotonic)
    given: list[str] = []
    for _ in range(10_010):
        clock.now += 0.01
        given.append(nonces.give())
        assert nonces.use(given[-1], 1)
    assert len(nonces) == 10_000
    assert nonces.judge(given[0]) is Freshness.STALE
    assert nonces.judge(given[-1]) is Freshness.GOOD
    for forged in ("", "x", "x-y-z", given[-1] + "0", given[-1][:-1], f"9{given[-1]}", "é-x-y"):
        assert nonces.judge(forged) is Freshness.FOREIGN


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 600), max_size=60))
def test_no_count_is_taken_twice_and_none_that_is_near_is_refused(counts: list[int]) -> None:
    nonces = Nonces(Clock().monotonic)
    nonce = nonces.give()
    taken: set[int] = set()
    for count in counts:
        near = count > max(taken, default=0) - 256
        assert nonces.use(nonce, count) == (count not in taken and near)
        taken.add(count)
