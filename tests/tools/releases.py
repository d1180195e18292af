"""Releases of a small application, `shop`, as its operator installs one over the other."""

import textwrap
from pathlib import Path

import attrs

from .conftest import Running, Workshop

HEAD = """
import attrs
from perdure.app.web.resource import Resource
from perdure.persist.persistent import persistent
from perdure.persist.schema import moved, schema, upgrades


class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        return visit(request.registry)

"""
FIRST = """
    @attrs.define
    class Tally:
        value: int = 0
        junk: str = "j"

    def visit(registry):
        tally = registry.get_component(Tally, default=Tally)
        tally.value += 1
        return f"visitor {tally.value}"
"""
SECOND = """
    @schema(version=2, was=("shop.Tally",))
    @attrs.define
    class Visits:
        total: int = 0
        colour: str = "red"

    @upgrades(Visits, to=2)
    def rename(state):
        step(state)
        state["total"] = state.pop("value")
        return state

    def step(state):
        pass

    def visit(registry):
        visits = registry.get_component(Visits, default=Visits)
        visits.total += 1
        return f"visit {visits.total}, {visits.colour}"
"""


@attrs.frozen
class Shop:
    """The application `shop` in a workshop: its module ``shop.py`` and its snapshot ``shop.snap``."""

    workshop: Workshop

    @property
    def folder(self) -> Path:
        return self.workshop.folder

    def release(self, text: str, head: str = HEAD) -> None:
        """Put another release in place of the one there is."""
        (self.folder / "shop.py").write_text(head + textwrap.dedent(text))

    def build(self, *options: str) -> None:
        self.workshop.mkapp(
            "web", "--class", "shop.Page", "--port", "0", "--output", "shop.snap", *options
        )

    def start(self, *options: str) -> Running:
        return self.workshop.start("-f", "shop.snap", *options)

    def visited(self, times: int = 1, *, stopped: bool = True) -> None:
        """Run the application for so many visits, and stop it or kill it."""
        server = self.start()
        for _ in range(times):
            server.get("")
        if stopped:
            assert server.stop().status == 0
        else:
            server.process.kill()
            server.process.communicate()

    def files(self) -> dict[str, tuple[bytes, int]]:
        """All there is but the code: what is in each file, and when it was changed."""
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".py"
        }

    def state(self) -> dict[str, bytes]:
        """What is in each file of the blueprint and the state."""
        others = (".pid", ".log", ".lock")
        return {
            name: data
            for name, (data, _) in self.files().items()
            if "/" in name or not name.endswith(others)
        }
