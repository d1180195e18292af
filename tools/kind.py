"""Kinds of application that ``mkapp`` can build, found by entry points.

A package offers a kind in its own ``pyproject.toml``::

    [project.entry-points."perdure.kinds"]
    mail = "mailkind:KIND"

where ``KIND`` is a `Kind`. Perdure's own kinds come in by the same door.
"""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import click

from ..persist.errors import PerdureError

if TYPE_CHECKING:
    from ..app.service import Service

GROUP = "perdure.kinds"


class Option(click.Option):
    """An option of a kind, shown in the help among those of its `section`."""

    def __init__(self, *args: Any, section: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section


@attrs.frozen
class Kind:
    """One kind of application: its options, and how to make its service from them.

    `make` is called with the parsed options by name. It imports what it needs itself, so that
    listing the kinds stays quick, and raises a `PerdureError` for a value it cannot serve. A kind with
    many options gives them sections, as `Option`.
    """

    summary: str
    options: tuple[click.Option, ...]
    make: Callable[[Mapping[str, Any]], "Service"]


@attrs.define(str=False)
class KindError(PerdureError):
    """No such kind, or a kind that cannot be used."""

    exit_status: ClassVar[int] = os.EX_USAGE
    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.define(str=False)
class BuildError(PerdureError):
    """An application cannot be built as it was asked for."""

    exit_status: ClassVar[int] = os.EX_USAGE
    reason: str

    def __str__(self) -> str:
        return self.reason


def names() -> list[str]:
    """The kinds that installed packages offer, sorted; nothing of theirs is imported."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load(name: str) -> Kind:
    """Import the kind called `name`; KindError when there is not exactly one usable."""
    offers = list(entry_points(group=GROUP, name=name))
    if not offers:
        known = ", ".join(names()) or "none"
        raise KindError(name, f"no kind of application is called {name!r}; known: {known}")
    if len(offers) > 1:
        makers = ", ".join(sorted(_origin(offer) for offer in offers))
        raise KindError(name, f"{makers} all offer a kind called {name!r}; uninstall all but one")
    try:
        kind = offers[0].load()
    except Exception as error:
        # Whatever a package does at import is its own fault and must read as such.
        raise KindError(
            name, f"kind {name!r} of {_origin(offers[0])} cannot be loaded: {error!r}"
        ) from error
    if not isinstance(kind, Kind):
        raise KindError(name, f"kind {name!r} of {_origin(offers[0])} is {kind!r}, not a Kind")
    return kind


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
