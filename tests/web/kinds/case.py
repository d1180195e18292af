"""One kind of resource, and how to see that it still works after it was saved."""

from collections.abc import Callable
from pathlib import Path

import attrs

from perdure.app.registry import Registry
from perdure.app.web.resource import Resource


def _nothing(_registry: Registry) -> None:
    return None


@attrs.frozen
class KindCase:
    """A resource that is saved, restored and asked again, in each syntax.

    `make` makes it in an empty folder; `prepare` puts into the registry what it needs. `ask` are the
    lines of a request without Host and Connection, `says` is in the body of the answer, whose status
    is `status`. `also` are further classes that are part of it, and so need no case of their own.
    """

    kind: type[Resource]
    make: Callable[[Path], Resource]
    says: str
    ask: tuple[str, ...] = ("GET / HTTP/1.1",)
    status: int = 200
    prepare: Callable[[Registry], object] = _nothing
    also: tuple[type[Resource], ...] = ()
