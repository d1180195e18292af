"""The names that the page of names gives for the web's are there."""

import re
from importlib import import_module

from .conftest import ROOT

_FOLDERS = "auth|files|gateways|live|programs|proxy|replies|routing|scripts"
_MODULES = "data|errors|limits|resource|response|script|service|site|static|template|xmlrpc"
_MODULE = rf"((?:(?:{_FOLDERS})\.[a-z]+|{_MODULES}))"
_NAME = re.compile(rf"(?<![\w./:-]){_MODULE}\.([A-Z]\w+|redirection)\b")


def test_the_names_for_those_of_the_web_exist() -> None:
    text = (ROOT / "docs/names.md").read_text()
    web = text.partition("## Web\n")[2].partition("## Persistence\n")[0]
    ours = "\n".join(line.rpartition(" | ")[2] for line in web.splitlines())
    found = set(_NAME.findall(ours))
    assert len(found) > 40
    for module, name in sorted(found):
        assert hasattr(import_module(f"perdure.app.web.{module}"), name), (module, name)


def test_each_name_that_is_called_is_given_with_its_module() -> None:
    """`Limits(...)` and its like may stand alone where another cell has the module."""
    text = (ROOT / "docs/names.md").read_text()
    web = text.partition("## Web\n")[2].partition("## Persistence\n")[0]
    ours = "\n".join(line.rpartition(" | ")[2] for line in web.splitlines())
    given = {name for _, name in _NAME.findall(ours)}
    alone = set(re.findall(r"(?<![\w.])([A-Z][a-z]\w+)\(", ours))
    assert alone <= given
