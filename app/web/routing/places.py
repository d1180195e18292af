"""Resources at paths of a site, whatever stands at its root: also where that takes every path itself."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from ....persist.errors import PerdureError
from ..resource import Resource, Wrapper

if TYPE_CHECKING:
    from ..request import Request


@attrs.define(str=False)
class PlaceError(PerdureError):
    """A resource cannot be put at `path`; `reason` says why."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    path: str
    reason: str

    def __str__(self) -> str:
        return f"place {self.path!r}: {self.reason}"


class Places(Wrapper):
    """`wrapped`, but for the paths in `places`, where and below which others answer.

    Paths are written decoded, as ``/api/v1``; a slash at the end does not matter. Of several that
    fit, the longest counts. Unlike children, which a leaf has none of, places can be put in front of
    an application or a server behind that takes every path. Raises `PlaceError`.
    """

    def __init__(self, wrapped: Resource, places: Mapping[str, Resource]) -> None:
        self.wrapped = wrapped
        self.places: dict[str, Resource] = {}
        for path, resource in places.items():
            self.put(path, resource)

    def put(self, path: str, resource: Resource) -> None:
        """Let `resource` answer at `path`, in place of what did before. Raises `PlaceError`."""
        self.places[_checked(path)] = resource

    def enter(self, request: "Request") -> Resource:
        postpath = request.postpath
        # As a path has no more parts than the longest place, few are looked at.
        for count in range(min(len(postpath), self._depth()), -1, -1):
            parts = postpath[:count]
            found = self.places.get("/" + "/".join(parts))
            # A part with a slash in it is not two.
            if found is not None and not any("/" in part or not part for part in parts):
                request.prepath += parts
                del postpath[:count]
                return found
        return self.wrapped

    def parts(self) -> Iterable[Resource]:
        yield self.wrapped
        yield from self.places.values()

    def _depth(self) -> int:
        return max((path.count("/") for path in self.places), default=0)


class Below(Wrapper):
    """`inside` answers at `path` and below, `outside` everywhere else.

    It is for what guards a part of a site: ``Below("/private", Protected(FromRoot(site), ...), site)``.
    Many ways to write a path that some server takes for one below it count as such, too: with more
    slashes, dots, other case, parameters behind ``;``, backslashes. So an application or a server behind,
    which reads paths in its own way, is not reached around the guard. Raises `PlaceError`.

    `inside` stands at `path`, as a child does there; `outside` sees the whole path.
    """

    def __init__(self, path: str, inside: Resource, outside: Resource) -> None:
        self.path = _checked(path)
        self.inside = inside
        self.outside = outside

    def enter(self, request: "Request") -> Resource:
        postpath = request.postpath
        count = _steps(_folded([], self.path), postpath)
        if count is None:
            return self.outside
        request.prepath += postpath[:count]
        del postpath[:count]
        return self.inside


class FromRoot(Wrapper):
    """`wrapped`, a tree that stands at the root of a site, entered from a place below: with the whole path."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: "Request") -> Resource:
        request.postpath[:0] = request.prepath
        request.prepath.clear()
        return self.wrapped


def _steps(place: list[str], segments: Iterable[str]) -> int | None:
    """How many of `segments` it takes to come to `place`, even if others lead away; None if all do not."""
    here: list[str] = []
    if here == place:
        return 0
    for count, segment in enumerate(segments, 1):
        for part in segment.replace("\\", "/").split("/"):
            here = _folded(here, part)
            if here == place:
                return count
    return None


def _folded(here: list[str], path: str) -> list[str]:
    """Where `path` leads to from `here`, as the most lenient of servers would read it."""
    found = list(here)
    for part in path.split("/"):
        name = part.partition(";")[0].strip().casefold()
        if name == "..":
            del found[-1:]
        elif name not in ("", "."):
            found.append(name)
    return found


def _checked(path: str) -> str:
    parts = path.rstrip("/").split("/")
    if not path or parts[0] or any(part in ("", ".", "..") or "\0" in part for part in parts[1:]):
        raise PlaceError(path, "expected a path such as /api, with no empty part, '.' or '..'")
    return "/".join(parts) or "/"
