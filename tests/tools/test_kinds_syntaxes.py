"""Whatever kind of application is installed is built, converted and run in every syntax."""

from pathlib import Path

import httpx2
import pytest

from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.isomorphism import difference
from perdure.tools import kind

from .conftest import Workshop

SYNTAXES = list(table.SUFFIXES)
# What a kind must be told to serve HTTP at a free port; one that is not listed is built as it is.
OPTIONS = {"web": ["--path", "site", "--port", "0"]}


def file(name: str, syntax: str) -> str:
    return f"{name}{table.EXTENSION}{table.SUFFIXES[syntax]}"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("name", kind.names())
def test_every_kind_is_converted_and_runs_in_every_syntax(
    name: str, syntax: str, workshop: Workshop, site: Path
) -> None:
    other = SYNTAXES[SYNTAXES.index(syntax) - 1]
    first, second, third = file("first", other), file("second", syntax), file("third", other)
    workshop.mkapp("-o", first, name, *OPTIONS.get(name, []))
    for source, target, to in ((first, second, syntax), (second, third, other)):
        done = workshop.run("appconvert", "--to", to, "-o", target, source)
        assert done.status == 0, done
    graphs = [
        snapshot.read(workshop.folder / each).content.graph for each in (first, second, third)
    ]
    assert difference(graphs[0], graphs[1]) is None
    assert difference(graphs[0], graphs[2]) is None

    server = workshop.start("-f", second)
    assert httpx2.get(server.url).status_code == 200
    assert server.stop().status == 0
    # It is still the application that was built first.
    saved = snapshot.read(workshop.folder / file("first-shutdown", syntax))
    assert (saved.syntax, saved.passport.holds) == (syntax, "state")
