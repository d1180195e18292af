"""How an application is named, and what is said where the name leads nowhere."""

import sys
from pathlib import Path

import pytest

from perdure.app.naming import UnnamedError
from perdure.app.web.gateways.asgi import ASGIApplication
from perdure.app.web.gateways.gateway import Gateway, OutsideError, current_registry
from perdure.app.web.gateways.imported import ImportedError, imported
from perdure.app.web.gateways.wsgi import WSGIApplication


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few modules, and a package."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "named_broken.py").write_text("import os\n1 / 0\n")
    (tmp_path / "named_exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "named_wrong.py").write_text("def\n")
    (tmp_path / "named_lacks.py").write_text("import not_there_at_all\n")
    package = tmp_path / "named_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "site.py").write_text(
        "class Held:\n    app = staticmethod(print)\nheld = Held\nnumber = 5\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "named_package.site:held.app",
        "named_package.site.held.app",
        "named_package.site.Held.app",
        "named_package:site.held.app",
    ],
)
def test_a_name_has_a_colon_behind_the_module_or_dots_alone(name: str) -> None:
    assert imported(name) is print


@pytest.mark.parametrize("kind", [WSGIApplication, ASGIApplication])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("named_package.site:nothing", "there is no 'nothing' in named_package.site"),
        ("named_package.site.nothing", "there is no 'nothing' in named_package.site"),
        ("nowhere:app", "no module is called nowhere; --pythonpath says where modules are"),
        ("nowhere.app", "no module is called nowhere; --pythonpath says where modules are"),
        ("named_package.no:app", "no module is called named_package.no; --pythonpath says"),
        ("named_package.site:number", "applications can be called, not 5"),
        ("", "this names no object of a module: write module:object"),
        (":", "this names no object of a module: write module:object"),
        ("named_package", "this names no object of a module: write module:object"),
        ("named_package:", "this names no object of a module: write module:object"),
        ("./site.py:app", "this names no object of a module: write module:object"),
        ("named_broken:app", "cannot be imported: ZeroDivisionError: division by zero ("),
        ("named_exits:app", "cannot be imported: SystemExit: 3 ("),
        ("named_wrong:app", "cannot be imported: SyntaxError: "),
        ("named_lacks:app", "cannot be imported: ModuleNotFoundError: No module named 'not_there"),
    ],
)
def test_a_name_that_leads_nowhere_is_found_before_a_port_is_open(
    kind: type[Gateway], name: str, reason: str
) -> None:
    with pytest.raises(ImportedError) as caught:
        kind(name).check()
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert reason in message
    assert "\n" not in message


def test_an_application_is_looked_up_once() -> None:
    gateway = WSGIApplication("named_package.site:held.app")
    assert gateway.load() is gateway.load() is print
    assert repr(gateway) == "WSGIApplication('named_package.site:held.app')"


def test_what_a_snapshot_could_not_name_is_refused() -> None:
    with pytest.raises(UnnamedError, match="has no name of its own"):
        WSGIApplication(lambda: None)


def test_a_snapshot_of_one_leaves_the_defaults_to_whoever_reads_it() -> None:
    assert vars(WSGIApplication("site:app")) == {"app": "site:app"}
    assert vars(WSGIApplication("site:app", waiting=0)) == {"app": "site:app", "waiting": 0}


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": True}, {"waiting": -1}])
def test_a_pool_has_a_thread_and_room(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is a number from"):
        WSGIApplication("a:b", **options)


def test_outside_of_an_application_there_is_no_registry() -> None:
    with pytest.raises(OutsideError, match="there is no registry here"):
        current_registry()
