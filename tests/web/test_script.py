"""Scripts, asked for over a connection."""

import grp
import logging
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from perdure.app.web.script import (
    ScriptError,
    ScriptRoot,
    UnsafeScriptError,
    load_module,
)
from perdure.app.web.scripts.scriptmodule import is_shared_group, script_folders
from perdure.app.web.static import DEFAULT_PROCESSORS, File
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .conftest import Served

Serve = Callable[..., Served]

PAGE = """\
from perdure.app.web.resource import Resource

class Page(Resource):
    def render_GET(self, request):
        return {text}

resource = Page()
"""


def write(path: Path, text: str) -> None:
    """Writes a script so that it may be run, whatever the umask."""
    path.write_text(dedent(text))
    path.chmod(0o644)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for scripts; the modules found in it are forgotten again."""
    before, known = list(sys.path), set(sys.modules)
    site = tmp_path / "site"
    site.mkdir(mode=0o755)
    yield site
    sys.path[:] = before
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder, processors=DEFAULT_PROCESSORS))


def test_a_script_runs_once_and_its_resource_answers(served: Served, folder: Path) -> None:
    write(
        folder / "counter.rpy",
        """
        from perdure.app.web.resource import Resource
        runs = registry.get_component(list, default=list)
        runs.append(__file__)

        class Page(Resource):
            seen = 0
            def render_GET(self, request):
                self.seen += 1
                return f"{len(runs)} {self.seen}"

        resource = Page()
        """,
    )
    bodies = [served.get("/counter.rpy").body for _ in range(3)]
    assert bodies == [b"1 1", b"1 2", b"1 3"]
    assert list(served.registry) == [[str(folder / "counter.rpy")]]


def test_a_script_runs_again_when_its_file_changes(served: Served, folder: Path) -> None:
    for number in range(5):
        write(folder / "page.rpy", PAGE.format(text=f"'{number}'"))
        assert served.get("/page.rpy").body == f"{number}".encode()


def test_a_script_may_run_for_every_request(served: Served, folder: Path) -> None:
    write(
        folder / "page.rpy",
        "run_every_request = True\n"
        "runs = registry.get_component(list, default=list)\n"
        "runs.append(1)\n" + PAGE.format(text="str(len(runs))"),
    )
    assert [served.get("/page.rpy").body for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_script_answers_as_index_without_extension_and_with_a_slash(
    serve: Serve, folder: Path
) -> None:
    (folder / "sub").mkdir(mode=0o755)
    for name in ("index.rpy", "sub/page.rpy"):
        write(folder / name, PAGE.format(text=repr(name)))
    served = serve(File(folder, processors=DEFAULT_PROCESSORS, ignored_extensions=[".rpy"]))
    for _ in range(2):
        assert served.get("/").body == b"index.rpy"
        assert served.get("/sub/page.rpy").body == b"sub/page.rpy"
        assert served.get("/sub/page").body == b"sub/page.rpy"
        assert served.get("/sub/page.rpy/").body == b"sub/page.rpy"
    assert served.get("/sub/page.rpy/more").status == 404


def test_a_single_script_is_served_as_a_folder_would_be(serve: Serve, folder: Path) -> None:
    write(folder / "page.rpy", PAGE.format(text="'alone'"))
    served = serve(File(folder / "page.rpy", processors=DEFAULT_PROCESSORS))
    assert [served.get("/").body for _ in range(2)] == [b"alone"] * 2
    assert served.get("/page.rpy").status == 404


@pytest.mark.parametrize("place", ["", "/below"])
def test_a_script_leads_to_what_is_below_it(served: Served, folder: Path, place: str) -> None:
    write(
        folder / "tree.rpy",
        """
        from perdure.app.web.resource import Resource

        class Echo(Resource):
            is_leaf = True
            def render_GET(self, request):
                return f"{request.prepath} {request.postpath}"

        class Dynamic(Resource):
            def get_child(self, segment, request):
                return Echo()

        resource = Dynamic()
        resource.put_child("below", Dynamic())
        """,
    )
    expected = ["tree.rpy", *place.split("/")[1:], ".x"]
    assert served.get(f"/tree.rpy{place}/.x/y.py").body.decode() == f"{expected} ['y.py']"


def test_a_script_whose_resource_is_a_leaf_gets_the_rest_of_the_path(
    served: Served, folder: Path
) -> None:
    write(
        folder / "leaf.rpy",
        """
        from perdure.app.web.resource import Resource

        class Leaf(Resource):
            is_leaf = True
            def render_GET(self, request):
                return f"{request.prepath} {request.postpath}"

        resource = Leaf()
        """,
    )
    for _ in range(2):
        assert served.get("/leaf.rpy/a/b").body == b"['leaf.rpy'] ['a', 'b']"
        assert served.get("/leaf.rpy").body == b"['leaf.rpy'] []"


def test_modules_beside_a_script_can_be_imported(served: Served, folder: Path) -> None:
    write(folder / "beside_it.py", "word = 'beside'")
    write(folder / "page.rpy", "from beside_it import word\n" + PAGE.format(text="word"))
    assert served.get("/page.rpy").body == b"beside"
    assert str(folder) in script_folders()
    assert sys.path.count(str(folder)) == 1


# Mistakes.


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "perdure.web")
    return caplog


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n1 / 0\n", ":2: ZeroDivisionError: division by zero"),
        ("x = 1\n\ndef f(:\n", ":3: SyntaxError: invalid syntax"),
        ("import no_such_module\n", ":1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    raise KeyError('k')\nf()\n", ":2: KeyError: 'k'"),
        ("import sys\nsys.exit(3)\n", ":2: it called for the end of the process"),
        (
            "from perdure.app.application import Application\n\nApplication('')\n",
            ":3: application: name is ''; say",
        ),
        ("x = '\0'\n", ": SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_a_script_that_fails_costs_its_own_page_alone(
    served: Served, folder: Path, log: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    write(folder / "bad.rpy", text)
    write(folder / "good.rpy", PAGE.format(text="'good'"))
    for _ in range(2):
        reply = served.get("/bad.rpy")
        assert reply.status == 500
        assert str(folder).encode() not in reply.body
    assert served.get("/good.rpy").body == b"good"
    assert f"{folder / 'bad.rpy'}{told}" in log.text
    write(folder / "bad.rpy", PAGE.format(text="'repaired'"))
    assert served.get("/bad.rpy").body == b"repaired"


def test_a_script_works_again_when_what_it_imports_is_repaired(
    served: Served, folder: Path
) -> None:
    write(folder / "page.rpy", "from mended import word\n" + PAGE.format(text="word"))
    write(folder / "mended.py", "word = 1 / 0")
    assert served.get("/page.rpy").status == 500
    write(folder / "mended.py", "word = 'mended by hand'")
    assert served.get("/page.rpy").body == b"mended by hand"


def test_the_traceback_is_shown_where_the_site_says_so(serve: Serve, folder: Path) -> None:
    write(folder / "bad.rpy", "value = 1 / 0\n")
    served = serve(File(folder, processors=DEFAULT_PROCESSORS), display_tracebacks=True)
    assert b"value = 1 / 0" in served.get("/bad.rpy").body


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "does not define &#x27;resource&#x27;. End it with"),
        ("resource = None", "does not define"),
        ("resource = 'text'", "an object of str, which is not a Resource"),
        (
            PAGE.format(text="''").replace("Page()", "Page"),
            "as the class Page, not an object of it. Say: resource = Page()",
        ),
    ],
)
def test_a_script_without_resource_gets_a_page_that_helps(
    served: Served, folder: Path, log: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    write(folder / "page.rpy", text)
    reply = served.get("/page.rpy")
    assert reply.status == 500
    assert told in reply.body.decode()
    assert str(folder) not in reply.body.decode()
    assert str(folder / "page.rpy") in log.text


def test_a_script_may_answer_with_an_error_page(served: Served, folder: Path) -> None:
    write(
        folder / "gone.rpy",
        "from perdure.app.web.errors import HTTPError\nraise HTTPError(410, 'Moved out.')\n",
    )
    reply = served.get("/gone.rpy")
    assert (reply.status, b"Moved out." in reply.body) == (410, True)


def test_what_a_script_defined_stays_when_its_next_version_fails(
    served: Served, folder: Path
) -> None:
    """So that what it put into the registry can still be saved."""
    path = folder / "page.rpy"
    keep = "class Kept: pass\nregistry.get_component(Kept, default=Kept)\n"
    write(path, keep + PAGE.format(text="'once'"))
    assert served.get("/page.rpy").body == b"once"
    write(path, "class Kept: pass\n1 / 0\n")
    assert served.get("/page.rpy").status == 500
    capture(served.registry)


# Whose scripts run.


def set_mode(path: Path, mode: int) -> Callable[[], None]:
    return lambda: path.chmod(mode)


def test_a_script_that_others_may_write_is_not_run(
    served: Served, folder: Path, log: pytest.LogCaptureFixture
) -> None:
    path = folder / "page.rpy"
    write(path, PAGE.format(text="'was run'"))
    remedies = {
        set_mode(path, 0o666): f"mode 0666); chmod go-w {path}",
        set_mode(path, 0o646): f"mode 0646); chmod go-w {path}",
        set_mode(folder, 0o777): f"its folder has mode 0777); chmod go-w {folder}",
        set_mode(folder, 0o1777): f"its folder has mode 1777); chmod go-w {folder}",
        set_mode(
            folder.parent, 0o777
        ): f"{folder.parent} has mode 0777); chmod o-w {folder.parent}",
    }
    for spoil, told in remedies.items():
        assert served.get("/page.rpy").body == b"was run"
        spoil()
        if path.stat().st_mode & 0o022 == 0:
            write(path, PAGE.format(text="'was run'"))  # looked at again because it changed
        reply = served.get("/page.rpy")
        assert (reply.status, b"was run" in reply.body) == (500, False)
        assert told in log.text
        path.chmod(0o644)
        folder.chmod(0o755)
        folder.parent.chmod(0o700)
    folder.parent.chmod(0o1777)
    write(path, PAGE.format(text="'below a sticky folder'"))
    assert served.get("/page.rpy").body == b"below a sticky folder"


def test_a_folder_that_others_may_write_is_not_searched(folder: Path) -> None:
    path = folder / "page.rpy"
    write(path, "import planted")
    write(folder / "planted.py", "raise SystemExit")
    folder.chmod(0o1777)
    with pytest.raises(UnsafeScriptError, match="others may put files beside it"):
        load_module(path)
    assert str(folder) not in sys.path
    assert str(folder) not in script_folders()


@pytest.mark.skipif(os.geteuid() != 0, reason="root has no group of its own")
def test_a_folder_that_a_shared_group_may_write_is_not_searched(folder: Path) -> None:
    path = folder / "page.rpy"
    write(path, "x = 1")
    folder.chmod(0o775)
    with pytest.raises(UnsafeScriptError, match=r"mode 0775\); chmod go-w"):
        load_module(path)


def test_a_module_beside_a_script_that_others_may_write_is_named(folder: Path) -> None:
    path, beside = folder / "page.rpy", folder / "beside.py"
    write(path, "x = 1")
    write(beside, "y = 1")
    (folder / "gone.py").symlink_to("nowhere")
    (folder / "folder.py").mkdir()
    load_module(path)
    beside.chmod(0o666)
    with pytest.raises(UnsafeScriptError, match=r"others may write to it .*chmod go-w") as caught:
        load_module(path)
    assert caught.value.path == str(beside)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_or_a_module_of_another_user_is_named(folder: Path) -> None:
    path, beside = folder / "page.rpy", folder / "beside.py"
    write(path, "x = 1")
    write(beside, "y = 1")
    os.chown(beside, 12345, -1)
    with pytest.raises(UnsafeScriptError, match=f"{beside} is not run: .*chown 0 {beside}"):
        load_module(path)
    os.chown(folder, 12345, -1)
    with pytest.raises(UnsafeScriptError, match=f"its folder belongs to user 12345.*0 {folder}"):
        load_module(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_script_of_another_user_is_not_run(folder: Path) -> None:
    path = folder / "page.rpy"
    write(path, PAGE.format(text="'was run'"))
    os.chown(path, 12345, -1)
    with pytest.raises(UnsafeScriptError, match=r"belongs to user 12345.* chown 0 "):
        load_module(path)


@pytest.mark.parametrize(
    ("uid", "gid", "members", "shared"),
    [
        (1000, 1000, [], False),
        (1000, 1000, ["ann"], False),
        (1000, 1000, ["ann", "bob"], True),
        (1000, 100, [], True),
        (1000, 9, [], True),
        (9, 1000, [], True),
        (0, 0, [], True),
    ],
)
def test_only_a_group_of_ones_own_is_not_shared(
    monkeypatch: pytest.MonkeyPatch, uid: int, gid: int, members: list[str], shared: bool
) -> None:
    users = {0: ("root", 0), 1000: ("ann", 1000)}
    groups = {0: "root", 100: "users", 1000: "ann"}

    def user(uid: int) -> pwd.struct_passwd:
        name, group = users[uid]
        return pwd.struct_passwd((name, "x", uid, group, "", "/", "/bin/sh"))

    def group(gid: int) -> grp.struct_group:
        return grp.struct_group((groups[gid], "x", gid, members))

    monkeypatch.setattr(pwd, "getpwuid", user)
    monkeypatch.setattr(grp, "getgrgid", group)
    assert is_shared_group(uid, gid) is shared


# Scripts as roots and modules.


def test_a_script_is_the_root_of_a_site(serve: Serve, folder: Path) -> None:
    path = folder / "root.rpy"
    text = PAGE + "resource.put_child('below', Page())\n"
    write(path, text.format(text="'first'"))
    root = ScriptRoot(path)
    served = serve(root)
    for place in ("/", "/below"):
        assert served.get(place).body == b"first"
    assert served.get("/nothing").status == 404
    write(path, text.format(text="'second'"))
    assert served.get("/").body == b"second"
    restored: Any = restore(capture(root).stream, Policy.everything())
    assert vars(restored) == {"path": str(path)}
    path.unlink()
    assert served.get("/").status == 500
    with pytest.raises(ScriptError, match="No such file"):
        root.check()


def test_a_python_file_is_run_as_a_module_of_its_own(folder: Path) -> None:
    path = folder / "config.py"
    write(path, "class Box: pass\napplication = Box()\n")
    module = load_module(path)
    assert (module.__file__, type(module.application).__module__) == (str(path), module.__name__)
    capture(module.application)
    with pytest.raises(ScriptError, match="No such file"):
        load_module(folder / "gone.py")
