"""Resources: what answers at one segment of a URL."""

from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Union

from ...persist.errors import PerdureError
from .errors import error_page
from .response import PreparedResponse, Response
from .upgrade import Upgrade

if TYPE_CHECKING:
    from ..application import Application
    from .request import Request

Finished = str | bytes | Response | PreparedResponse | Upgrade
Rendered = Union[Finished, AsyncIterable[str | bytes], "Awaitable[Rendered]"]

_NO_CHILDREN: Mapping[str, "Resource"] = MappingProxyType({})
_MOST_WRAPPERS: Final = 64
"""One after another in one place; more are taken for a circle."""


class ResourceError(PerdureError):
    """A resource's code did what the web part cannot work with. Attribute: `resource`."""

    def __init__(self, resource: object, reason: str) -> None:
        super().__init__(f"{type(resource).__module__}.{type(resource).__qualname__}: {reason}")
        self.resource = resource


class Resource:
    """An object that answers at a place in the tree of URLs, and leads to those below it.

    A subclass defines ``render_GET(self, request)``, ``render_POST`` and so on; each returns what
    `Rendered` lists or is ``async``. HEAD is answered from ``render_GET`` unless there
    is a ``render_HEAD``, OPTIONS from the methods that are there.

    ``__init__`` need not be called by subclasses. Resources are part of an application and are
    saved with it.
    """

    is_leaf: bool = False
    """True: the walk ends here, and the segments left are in ``request.postpath``."""

    tells_state: ClassVar[bool] = True
    """Whether what it answers may depend on components.

    If so, a reply waits until no change made before it, by whomever, could still be lost: nobody
    can know what a page has looked at. That costs nothing while nothing is being written. What is
    False in a class, as it is for files, holds for that class alone and not for its subclasses.
    """

    takes_connect: ClassVar[bool] = False
    """Whether it answers CONNECT, which asks for a tunnel to elsewhere. Others never see it."""

    children: Mapping[str, "Resource"] = _NO_CHILDREN
    """The resources put below this one by hand. Change it with `put_child`."""

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        cls.tells_state = bool(vars(cls).get("tells_state", True))

    def put_child(self, segment: str, child: "Resource") -> None:
        """Puts `child` below this resource, in place of what was there.

        `segment` is one decoded part of a path; the empty one is what a trailing slash names.
        """
        if not isinstance(self.children, dict):
            self.children = dict(self.children)
        self.children[segment] = child

    def get_child(self, segment: str, request: "Request") -> "Resource":
        """The resource at `segment`, asked for when none was put there by hand.

        By default a trailing slash names the resource itself and anything else is not found.
        """
        if not segment and not request.postpath:
            return self
        return ErrorPage(404)

    def render(self, request: "Request") -> Rendered:
        """Answers `request` by the method named after it."""
        method = getattr(self, "render_" + request.method, None)
        if method is None:
            return self._render_other(request)
        rendered: Rendered = method(request)
        return rendered

    def check(self) -> None:
        """Finds out, before a port is open, what would make this resource useless.

        Called once at each start, for the root of a site and all that `parts` leads to from there.
        Raises a `PerdureError`, and the server does not start. By default all is well.
        """

    async def open(self, application: "Application") -> None:
        """Gets ready, when `application` has started as far as this site, before its ports answer.

        Called for the same resources as `check`, once for each place where the site is published.
        Whatever it raises ends the start. By default nothing is to be done.
        """

    async def quiesce(self) -> None:
        """Comes to rest: returns when nothing that it has begun behind replies is going on.

        Called at a stop when no request is left, before the state is saved; may be cancelled.
        """

    async def close(self) -> None:
        """Lets go of what `open` got; once for each `open`, also for one that has failed halfway."""

    def parts(self) -> "Iterable[Resource]":
        """The resources that this one was built of: by default, those put below it by hand.

        They are checked, opened and closed with the site. What `get_child` makes on the way is none
        of them: whoever makes it opens and closes it.
        """
        return self.children.values()

    def allowed_methods(self) -> tuple[str, ...]:
        """The methods that this resource answers, sorted."""
        names = {name[7:] for name in dir(self) if name.startswith("render_")}
        names.discard("")
        if "GET" in names:
            names.add("HEAD")
        names.add("OPTIONS")
        return tuple(sorted(name for name in names if name.isupper()))

    def _render_other(self, request: "Request") -> Rendered:
        if request.method == "HEAD":
            method = getattr(self, "render_GET", None)
            if method is not None:
                rendered: Rendered = method(request)
                return rendered
        allow = ", ".join(self.allowed_methods())
        if request.method == "OPTIONS":
            return Response(b"", 204, [("Allow", allow)])
        return error_page(405, headers=[("Allow", allow)])


class Wrapper(Resource):
    """Stands in the place of another resource, and sees each request that goes there or below.

    Nothing is below a wrapper itself: `put_child` belongs to what it wraps. The components that it
    holds in its fields count as used by each request that it sees.
    """

    def enter(self, request: "Request") -> Resource:
        """The resource with which the walk goes on in this very place.

        That is what this one wraps, or something else that answers instead, such as a page that
        asks who is there. What is left of the path is in ``request.postpath``, and may be changed.
        `Request.transform` lets it change the reply.
        """
        raise NotImplementedError

    def parts(self) -> Iterable[Resource]:
        """The resources in its fields."""
        return [each for each in vars(self).values() if isinstance(each, Resource)]

    def render(self, request: "Request") -> Rendered:
        return resource_for(self, request).render(request)


class ErrorPage(Resource):
    """Answers every method, at every path below it, with one error page."""

    is_leaf = True

    def __init__(self, status: int, detail: str = "") -> None:
        self.status = status
        self.detail = detail

    def render(self, request: "Request") -> Rendered:
        return error_page(self.status, self.detail)


def resource_for(root: Resource, request: "Request") -> Resource:
    """The resource that answers `request`: a walk from `root`, one segment at a time.

    Moves the segments walked from ``request.postpath`` to ``request.prepath``. Raises
    `ResourceError` when a ``get_child`` or an ``enter`` returns something else than a resource, or
    wrappers lead in a circle.
    """
    resource = root
    postpath = request.postpath
    prepath = request.prepath
    entered = 0
    while True:
        if isinstance(resource, Wrapper):
            resource = _entered(resource, request)
            entered += 1
            if entered > _MOST_WRAPPERS:
                raise ResourceError(root, "the wrappers below it lead in a circle")
            continue
        if not postpath or resource.is_leaf:
            return resource
        entered = 0
        segment = postpath.pop(0)
        prepath.append(segment)
        child = resource.children.get(segment)
        if child is None:
            child = resource.get_child(segment, request)
            if not isinstance(child, Resource):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ResourceError(
                    resource, f"get_child({segment!r}) returned {child!r}, not a Resource"
                )
        resource = child


def _entered(wrapper: Wrapper, request: "Request") -> Resource:
    if request.turn is not None:
        request.turn.touch_held(wrapper)
    inner = wrapper.enter(request)
    if not isinstance(inner, Resource):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ResourceError(wrapper, f"enter() returned {inner!r}, not a Resource")
    return inner
