"""What lets only some pass."""

from pathlib import Path

from perdure.app.registry import Registry
from perdure.app.web.auth.basicauth import Basic
from perdure.app.web.auth.digestauth import Digest
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.formlogin import FormLogin
from perdure.app.web.auth.htpasswd import HtpasswdFile
from perdure.app.web.auth.passwords import Cost
from perdure.app.web.auth.protected import Protected
from perdure.app.web.auth.users import RegisteredUsers, Users
from perdure.app.web.resource import ErrorPage, Resource

from .case import KindCase

CHEAP = Cost(ln=4, p=1)
ADA = ("Authorization: Basic YWRhOmxvdmVsYWNl",)


def _enroll(registry: Registry) -> None:
    users = Users(realm="the lab", cost=CHEAP)
    users.add("ada", "lovelace")
    registry.set_component(Users, users)


def _page() -> Resource:
    return ErrorPage(410, "Only for <us>.")


def _by_component(_folder: Path) -> Resource:
    schemes = (Basic("the lab"), Digest("the lab"), FormLogin())
    return Protected(_page(), Doorkeeper(RegisteredUsers()), *schemes, only=["ada"])


def _by_file(folder: Path) -> Resource:
    path = folder / "users"
    path.write_text(f"ada:{CHEAP.record('lovelace')}\n")
    path.chmod(0o600)
    return Protected(_page(), Doorkeeper(HtpasswdFile(path)), Basic())


CASES = (
    KindCase(
        Protected, _by_component, "Only for &lt;us&gt;.", ("GET / HTTP/1.1", *ADA), 410, _enroll
    ),
    KindCase(
        Protected, _by_component, 'name="password"', ("GET /login HTTP/1.1",), prepare=_enroll
    ),
    KindCase(Protected, _by_file, "Only for &lt;us&gt;.", ("GET /x HTTP/1.1", *ADA), 410),
)
