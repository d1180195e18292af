"""Snapshots of classes that nobody has, and the data of their pages."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from perdure.convert.page import render
from perdure.persist.content import Content, Snapshot
from perdure.persist.graph import Graph, Instance, Names, instance_of
from perdure.persist.passport import Passport

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "'\"><svg/onload=alert(3)>",
    "{{7*7}}${alert(4)}",
    "\u2028\u2029\u202e\x00\ud800",
    "javascript:alert(5)",
    "&lt;b&gt;",
    "__proto__",
)


@attrs.define
class Maker:
    """Makes instances of classes by name, and snapshots of them."""

    names: Names = attrs.field(factory=Names)

    def make(self, name: str, /, *arguments: Any, **fields: Any) -> Instance:
        """An instance of a class, as ``module:qualname``, with these fields."""
        made = instance_of(self.names.find(*name.split(":", 1)), *arguments)
        made.state = fields
        return made

    def snapshot(self, root: Any, secret: Mapping[str, tuple[str, ...]] | None = None) -> Snapshot:
        """A snapshot of which `root` is all there is."""
        passport = Passport(
            format=1,
            application="web",
            holds="state",
            written="2026-11-21T05:47:19Z",
            writer="perdure 0.1.0",
            python="3.11.2",
            names=("visits:Counter", *HOSTILE),
            paths=("/srv/<b>web</b>",),
            secret=secret or {},
        )
        content = Content.of_graph(Graph(root, self.names))
        return Snapshot(passport, content, bytes(32), bytes(range(32)), "pickle")

    def page(
        self, path: Path, root: Any, secret: Mapping[str, tuple[str, ...]] | None = None
    ) -> Path:
        """Write the page of such a snapshot."""
        with path.open("wb") as file:
            file.writelines(render(self.snapshot(root, secret)))
        return path


def data_of(page: bytes, kind: str) -> list[Any]:
    """All the data of a kind in a page."""
    found = re.findall(
        rf'<script type="application/json" class="{kind}">(.*?)</script>', page.decode()
    )
    return [row for text in found for row in json.loads(text)]
