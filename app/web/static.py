"""Files of a folder as resources."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar
from urllib.parse import quote

import attrs

from ...persist.errors import PerdureError
from ...persist.persistent import persistent
from ..registry import Registry
from .errors import HTTPError
from .filecache import Entry, FileCache, Signature, signature
from .filereply import read_reply
from .folder import Folder, Found, refusal
from .listing import listing_page, row
from .mime import content_type, extension_of
from .resource import ErrorPage, Rendered, Resource, ResourceError
from .response import Response
from .script import ResourceScript

if TYPE_CHECKING:
    from .request import Request

T = TypeVar("T")

Processor = Callable[[str, Registry], object]
"""Called with the path of a file and the application's registry; gives a resource.

A class or a function of a module: a snapshot names it, and only whoever may load it gets it.
"""

DEFAULT_PROCESSORS: Final[Mapping[str, Processor]] = MappingProxyType({".rpy": ResourceScript})
"""What runs scripts, for those who want scripts run: a `File` runs none by itself."""


def withhold(path: str, registry: Registry) -> Resource:
    """A `Processor` for files that are neither run nor shown, such as scripts of a site without."""
    return ErrorPage(403)


_NO_TYPES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_PROCESSORS: Final[Mapping[str, Processor]] = MappingProxyType({})


@attrs.define(str=False)
class StaticError(PerdureError):
    """A `File` cannot work as it was described: `setting` is `value`, and `reason` says why not."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    setting: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"{self.setting} {self.value!r}: {self.reason}"


@persistent(transient=("_cache", "_folder", "_processed"))
class File(Resource):
    """A folder, or a single file, and everything below it.

    It takes the whole rest of the path; only resources put below it by hand come first.

    - `index_names`: the files that answer for their folder, those preferred first;
    - `default_type`: the type of files with an unknown extension;
    - `content_types`: types by extension (``.ext``) that differ from the usual ones;
    - `ignored_extensions`: ``/page`` is answered with ``page.EXT``, for the first of these for which
      there is one; ``*`` is any;
    - `processors`: by extension, the `Processor` that answers for such files; asked when a file is
      first asked for, and when it has changed. As long as there are any, Python modules and what
      looks like a copy of a script are not served;
    - `follow_links_out`: symbolic links may lead out of the folder;
    - `dot_files`: files and folders whose name begins with a dot are served;
    - `listing`: a folder without index is listed; if not it is answered 403.

    A snapshot holds what differs from the defaults, and nothing that is read from the disk.
    """

    tells_state = False
    index_names: Sequence[str] = ("index", "index.html", "index.htm", "index.rpy")
    default_type: str = "application/octet-stream"
    content_types: Mapping[str, str] = _NO_TYPES
    ignored_extensions: Sequence[str] = ()
    processors: Mapping[str, Processor] = _NO_PROCESSORS
    follow_links_out: bool = False
    dot_files: bool = False
    listing: bool = True

    _cache: FileCache | None = None
    _folder: Folder | None = None
    _processed: dict[str, tuple[Signature, Resource]] | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index_names: Sequence[str] = index_names,
        default_type: str = default_type,
        content_types: Mapping[str, str] = content_types,
        ignored_extensions: Sequence[str] = ignored_extensions,
        processors: Mapping[str, Processor] = processors,
        follow_links_out: bool = follow_links_out,
        dot_files: bool = dot_files,
        listing: bool = listing,
    ) -> None:
        self.path = os.path.abspath(path)
        given = {
            "index_names": _texts("index_names", index_names),
            "default_type": default_type,
            "content_types": _by_extension("content_types", content_types),
            "ignored_extensions": tuple(
                _dotted("ignored_extensions", extension)
                for extension in _texts("ignored_extensions", ignored_extensions)
            ),
            "processors": _callables(_by_extension("processors", processors)),
            "follow_links_out": follow_links_out,
            "dot_files": dot_files,
            "listing": listing,
        }
        for name, value in given.items():
            if value != getattr(type(self), name):
                setattr(self, name, value)

    def check(self) -> None:
        """Raises `StaticError` if there is nothing at `path`."""
        if not os.path.exists(self.path):
            raise StaticError(
                "path", self.path, "there is no such file or folder; put it back, or build anew"
            )

    def get_child(self, segment: str, request: "Request") -> Resource:
        postpath = request.postpath
        segments = (segment, *postpath)
        kept = None if self._cache is None else self._cache.get(segments)
        if kept is None:
            return self._resource(segments, request)
        if postpath:
            request.prepath += postpath
            postpath.clear()
        return kept

    def render(self, request: "Request") -> Rendered:
        return self._resource((), request).render(request)

    def _resource(self, segments: tuple[str, ...], request: "Request") -> Resource:
        """What answers at `segments`, the last of which are still in ``request.postpath``."""
        folder = self._rules()
        found = folder.find(segments)
        taken = len(request.postpath) - len(segments) + found.taken
        request.prepath += request.postpath[: max(taken, 0)]
        del request.postpath[: max(taken, 0)]
        if found.is_folder:
            if not found.slash:
                return _SlashRedirect()
            return _Listing(self, folder, found, is_top=not any(segments))
        kind = content_type(os.path.basename(found.path), self.content_types, self.default_type)
        processed = extension_of(found.real) in self.processors
        cost = 0
        if processed:
            resource = self._process(found, request)
        else:
            resource = reply = read_reply(found, kind)
            cost = reply.cost
        if found.taken == len(segments) and self._cache is not None:
            beside = None if found.named else os.path.dirname(found.path)
            version = signature(found.status)
            watched = None if beside is None else signature(os.stat(beside))
            self._cache.put(segments, Entry(found.path, version, resource, cost, beside, watched))
        return resource

    def _rules(self) -> Folder:
        if self._folder is None:
            self._folder = Folder(
                self.path,
                # Where scripts are not run, the source of one is no page.
                index_names=[
                    name
                    for name in self.index_names
                    if (extension := extension_of(name)) in self.processors
                    or extension not in DEFAULT_PROCESSORS
                ],
                ignored_extensions=self.ignored_extensions,
                processed=self.processors,
                follow_links_out=self.follow_links_out,
                dot_files=self.dot_files,
            )
            self._cache = FileCache()
        return self._folder

    def _process(self, found: Found, request: "Request") -> Resource:
        """What the processor made of this version of a file; made once for all paths to it."""
        if self._processed is None:
            self._processed = {}
        present = signature(found.status)
        kept = self._processed.get(found.real)
        if kept is not None and kept[0] == present:
            return kept[1]
        extension = extension_of(found.real)
        made = self.processors[extension](found.real, request.registry)
        if not isinstance(made, Resource):
            raise ResourceError(
                self, f"the processor of {extension} returned {made!r}, not a Resource"
            )
        self._processed[found.real] = present, made
        return made


class _SlashRedirect(Resource):
    """Leads from a folder's name to the same with a slash, against which links in it are read."""

    is_leaf = True
    tells_state = False

    def render_GET(self, request: "Request") -> Response:
        # Two slashes in front would begin the name of another host.
        location = "/" + quote(request.path.lstrip("/"), safe="/%:@!$&'()*+,;=~") + "/"
        if request.query:
            location += "?" + request.query
        return Response(b"", 301, [("Location", location)])


class _Listing(Resource):
    """Lists a folder that has no index."""

    is_leaf = True
    tells_state = False

    def __init__(self, owner: File, folder: Folder, found: Found, *, is_top: bool) -> None:
        self.owner = owner
        self.folder = folder
        self.found = found
        self.is_top = is_top

    async def render_GET(self, request: "Request") -> Response:
        if not self.owner.listing:
            raise HTTPError(403, "This folder may not be listed.")
        # A folder may be large and its disk slow; others are served meanwhile.
        page = await asyncio.to_thread(self._page, "/" + "/".join(request.segments))
        return Response(page)

    def _page(self, path: str) -> str:
        owner = self.owner
        try:
            rows = [
                row(name, status, content_type(name, owner.content_types, owner.default_type)[0])
                for name, status in self.folder.visible_entries(self.found)
            ]
        except OSError as error:
            raise refusal(error) from None
        return listing_page(path, rows, has_parent=not self.is_top)


def _by_extension(setting: str, given: Mapping[str, T]) -> dict[str, T]:
    return {_dotted(setting, extension).lower(): value for extension, value in given.items()}


def _callables(processors: dict[str, Processor]) -> dict[str, Processor]:
    for extension, processor in processors.items():
        if not callable(processor):
            raise StaticError("processors", extension, f"{processor!r} cannot be called")
    return processors


def _dotted(setting: str, extension: str) -> str:
    if extension != "*" and (len(extension) < 2 or extension[0] != "." or "/" in extension):
        raise StaticError(setting, extension, "an extension begins with a dot, as '.html' does")
    return extension


def _texts(setting: str, given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise StaticError(setting, given, f"a list is expected; say [{given!r}]")
    return tuple(given)
