"""A word that is in secret fields only is in nothing that any command says or writes as text."""

import base64
import signal
from pathlib import Path

import pytest

from .conftest import Workshop

WORD = "hunter2"
VAULT = """
import dataclasses
import attrs
from perdure.persist.persistent import persistent
from perdure.persist.secret import Secret

@persistent(secret=("password",))
class Account:
    def __init__(self, name, password):
        self.name, self.password = name, password

@attrs.define(eq=False)
class Login:
    user: str
    token: str = attrs.field(repr=False, metadata={"secret": True})

@dataclasses.dataclass
class Deposit:
    number: int
    content: object = dataclasses.field(default=None, repr=False, metadata={"secret": True})

class Vault:
    def __init__(self):
        self.visits = 0
        self.account = Account("bob", "hunter2 of bob")
        self.login = Login("bob", "hunter2 " * 40)
        self.again = Login("eve", self.login.token)
        self.deposit = Deposit(1, {"hunter2": ["hunter2", self.account]})
        self.secret = Secret("hunter2 in a wrapper")
        self.counted = Deposit(2, 7)

    def visit(self):
        self.visits += 1
        self.account.password = f"hunter2, visit {self.visits}"
        self.secret = Secret(f"hunter2, visit {self.visits}")
        return self.visits
"""
SCRIPT = """
from perdure.app.web.resource import Resource
import vault

class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        found = registry.get_component(vault.Vault, default=vault.Vault)
        if request.query == "break":
            raise ValueError(f"{found.secret} {found.account!r} {found.login!r} {found.secret:>30}")
        return f"visit {found.visit()} by {found.secret} {found.login}"

resource = Page()
"""
TEXTS = ["xml", "source", "html"]


@pytest.fixture
def web(workshop: Workshop) -> Workshop:
    """A server's folder: its site, and the module of the classes."""
    site = workshop.folder / "site"
    site.mkdir()
    site.joinpath("index.rpy").write_text(SCRIPT)
    site.joinpath("page.rpy").write_text(SCRIPT)
    workshop.folder.joinpath("vault.py").write_text(VAULT)
    workshop.mkapp(
        "web", "--path", "site", "--port", "0", "--pythonpath", ".", "-o", "web.snap.xml"
    )
    return workshop


def says_nothing(*texts: str | bytes) -> None:
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        for form in (
            WORD.encode(),
            WORD[::-1].encode(),
            WORD.encode("utf-16-le"),
            WORD.encode().hex().encode(),
        ):
            assert form not in data, data
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + WORD.encode())[4 : -4 or None]
            assert whole not in data


def said_by(workshop: Workshop, *arguments: str | Path, status: int = 0) -> str:
    result = workshop.run(str(arguments[0]), *arguments[1:])
    assert result.status == status, result
    return result.out + result.err


def visited(web: Workshop, times: int, number: int) -> str:
    """What a server says and writes that is asked so often, and then ended by that signal."""
    server = web.start("-f", "web.snap.xml", "--pythonpath", ".")
    for _ in range(times):
        says_nothing(server.get("page.rpy"))
    result = server.stop(number)
    return result.out + result.err


def test_no_command_tells_it(web: Workshop) -> None:
    says_nothing(visited(web, 2, signal.SIGKILL))
    # There is no state yet that says what is secret; the journal does.
    log = said_by(web, "appstore", "log", "web")
    says_nothing(log)
    assert "password: 'hunter2" not in log
    assert "registry[vault.Vault]" in log
    assert WORD in said_by(web, "appstore", "log", "web", "--reveal")
    says_nothing(visited(web, 1, signal.SIGTERM))
    state = "web-shutdown.snap.xml"
    says_nothing((web.folder / state).read_bytes())
    for form in ["pickle", *TEXTS]:
        says_nothing(said_by(web, "appconvert", "--to", form, state, "-o", f"as.{form}"))
        if form != "pickle":
            says_nothing((web.folder / f"as.{form}").read_bytes())
            said_by(web, "appconvert", "--to", form, state, "-o", f"plain.{form}", "--reveal")
            assert WORD in (web.folder / f"plain.{form}").read_text()
            says_nothing(said_by(web, "appconvert", "--to", form, "as.pickle", "-o", "-"))
    says_nothing((web.folder / "as.xml").read_bytes(), (web.folder / "as.source").read_bytes())
    vault = "registry[vault.Vault]"
    for place in (
        "",
        vault,
        f"{vault}.account",
        f"{vault}.account.password",
        f"{vault}.deposit.content",
    ):
        says_nothing(said_by(web, "appconvert", "--show", place, "as.pickle"))
    assert "hunter2, visit 3" in said_by(
        web, "appconvert", "--show", vault, "as.pickle", "--reveal"
    )
    says_nothing(
        said_by(web, "appconvert", "--check", "--with-code", state),
        said_by(web, "appconvert", "--why", state),
        said_by(web, "appstore", "list", "web"),
        said_by(web, "appstore", "verify", "web"),
        said_by(web, "appstore", "log", "web"),
    )


def test_no_comparison_edit_or_mistake_tells_it(web: Workshop) -> None:
    visited(web, 1, signal.SIGTERM)
    vault, state = "registry[vault.Vault]", "web-shutdown.snap.xml"
    said = said_by(
        web,
        "appconvert",
        "--set",
        f"{vault}.account.password={WORD} new",
        state,
        "-o",
        "new.snap.py",
    )
    says_nothing(said, (web.folder / "new.snap.py").read_bytes())
    assert f"application.{vault}.account.password: hidden -> hidden" in said
    differs = said_by(web, "appconvert", "--diff", state, "new.snap.py", status=1)
    says_nothing(differs)
    assert "account.password: hidden, differs" in differs
    revealed = said_by(web, "appconvert", "--diff", state, "new.snap.py", "--reveal", status=1)
    assert f"{WORD} new" in revealed
    says_nothing(
        said_by(
            web,
            "appconvert",
            "--set",
            f"{vault}.counted.content={WORD}",
            state,
            "-o",
            "x",
            status=65,
        ),
        said_by(
            web, "appconvert", "--set", f"{vault}.deposit.content[x]=1", state, "-o", "x", status=65
        ),
        said_by(web, "appconvert", "--show", f"{vault}.deposit.content[x]", state, status=65),
    )


def test_no_page_of_an_error_and_no_log_tells_it(web: Workshop) -> None:
    said_by(
        web,
        "mkapp",
        "web",
        "--path",
        "site",
        "--port",
        "0",
        "--pythonpath",
        ".",
        "-o",
        "other.snap",
    )
    server = web.start("-f", "other.snap", "--pythonpath", ".")
    import httpx2

    reply = httpx2.get(f"{server.url}page.rpy?break")
    assert reply.status_code == 500
    result = server.stop()
    says_nothing(reply.text, result.out, result.err)
    assert "ValueError" in result.out + result.err
