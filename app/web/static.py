"""Files of a folder as resources."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ...persist.persistent import persistent
from ..registry import Registry
from .errors import HTTPError
from .files import filesettings
from .files.filecache import Entry, FileCache, Signature, signature
from .files.filereply import FileReply, read_reply
from .files.filesettings import ErrorContent, Processor, StaticError
from .files.folder import Folder, Found
from .files.folderpages import FolderListing, SlashRedirect
from .files.mime import content_type, extension_of
from .files.navigation import is_navigation, vary_on_accept
from .files.precompressed import CODINGS, VARIES, NegotiatedReply
from .replies.errorcontent import ErrorResource, ErrorTemplate
from .resource import ErrorPage, Rendered, Resource, ResourceError
from .script import (
    ResourceScript,
    cgi_script,
    file_as_is,
    kept_resource,
    page_script,
    php_script,
)

if TYPE_CHECKING:
    from .request import Request

__all__ = ["DEFAULT_PROCESSORS", "ErrorContent", "File", "Processor", "StaticError", "withhold"]

DEFAULT_PROCESSORS: Final[Mapping[str, Processor]] = MappingProxyType(
    {
        ".asis": file_as_is,
        ".cgi": cgi_script,
        ".epy": page_script,
        ".php": php_script,
        ".rpy": ResourceScript,
        ".trp": kept_resource,
    }
)
"""What runs scripts, for those who want scripts run: a `File` runs none by itself."""


def withhold(path: str, registry: Registry) -> Resource:
    """A `Processor` for files that are neither run nor shown, such as scripts of a site without."""
    return ErrorPage(403)


_NO_TYPES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_PROCESSORS: Final[Mapping[str, Processor]] = MappingProxyType({})


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
    - `listing`: a folder without index is listed; if not it is answered 403;
    - `precompressed`: the extensions, the best first, of files beside others that are sent instead
      of these to clients which unpack them (``page.css.br`` for ``page.css``);
    - `fallback`: the file, by its name in the folder, that answers where there is nothing and a
      browser goes to a page: the one page of an application that knows its addresses itself;
    - `not_found`, `forbidden`: what is shown with status 404 and 403: a resource, or the file of a
      template (see `ErrorTemplate`), by its name in the folder or its full path.

    A snapshot holds what differs from the defaults, and nothing that is read from the disk.
    """

    tells_state = False
    index_names: Sequence[str] = (
        "index",
        "index.html",
        "index.htm",
        "index.rpy",
        "index.epy",
        "index.trp",
        "index.php",
        "index.cgi",
    )
    default_type: str = "application/octet-stream"
    content_types: Mapping[str, str] = _NO_TYPES
    ignored_extensions: Sequence[str] = ()
    processors: Mapping[str, Processor] = _NO_PROCESSORS
    follow_links_out: bool = False
    dot_files: bool = False
    listing: bool = True
    precompressed: Sequence[str] = tuple(CODINGS)
    fallback: str | None = None
    not_found: ErrorContent = None
    forbidden: ErrorContent = None

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
        precompressed: Sequence[str] = precompressed,
        fallback: str | None = None,
        not_found: ErrorContent = None,
        forbidden: ErrorContent = None,
    ) -> None:
        self.path = os.path.abspath(path)
        given = {
            "index_names": StaticError.texts("index_names", index_names),
            "default_type": filesettings.media_type("default_type", default_type),
            "content_types": filesettings.media_types("content_types", content_types),
            "ignored_extensions": tuple(
                filesettings.dotted("ignored_extensions", extension)
                for extension in StaticError.texts("ignored_extensions", ignored_extensions)
            ),
            "processors": filesettings.callables(
                filesettings.by_extension("processors", processors)
            ),
            "follow_links_out": follow_links_out,
            "dot_files": dot_files,
            "listing": listing,
            "precompressed": filesettings.codings(precompressed),
            "fallback": filesettings.relative("fallback", fallback),
            "not_found": filesettings.error_content("not_found", not_found),
            "forbidden": filesettings.error_content("forbidden", forbidden),
        }
        for name, value in given.items():
            if value != getattr(type(self), name):
                setattr(self, name, value)

    def check(self) -> None:
        """Raises `StaticError` if there is nothing at `path`, or where a page is expected."""
        gone = "there is no such file or folder; put it back, or build anew"
        if not os.path.exists(self.path):
            raise StaticError("path", self.path, gone)
        for name in ("fallback", "not_found", "forbidden"):
            value = getattr(self, name)
            if isinstance(value, str) and not os.path.isfile(self._beside(value)):
                raise StaticError(name, self._beside(value), gone)

    def parts(self) -> Iterable[Resource]:
        pages = (self.not_found, self.forbidden)
        return [*self.children.values(), *(page for page in pages if isinstance(page, Resource))]

    def create_snapshot_child(
        self, name: str, resource: Resource, *, syntax: str = "pickle"
    ) -> str:
        """Keep `resource` in the folder, as the file `name` that ends in ``.trp``; returns its path.

        Whoever asks for that file asks the resource, where `processors` has that extension. Raises
        `StaticError` for another name, and as `keep_resource`, whose signature makes it this user's.
        """
        if extension_of(name) != ".trp" or not self._rules().is_visible(name):
            raise StaticError("name", name, "a name that ends in .trp is expected, as 'page.trp'")
        from .scripts.pickled import keep_resource

        path = os.path.join(self.path, name)
        keep_resource(path, resource, syntax=syntax)
        return path

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
        try:
            return self._found(segments, request)
        except HTTPError as error:
            return self._instead(error, segments, request)

    def _found(self, segments: tuple[str, ...], request: "Request") -> Resource:
        folder = self._rules()
        found = folder.find(segments)
        taken = len(request.postpath) - len(segments) + found.taken
        request.prepath += request.postpath[: max(taken, 0)]
        del request.postpath[: max(taken, 0)]
        if found.is_folder:
            if not found.slash:
                return SlashRedirect()
            if not self.listing:
                raise HTTPError(403, "This folder may not be listed.")
            return FolderListing(
                folder,
                found,
                self.content_types,
                self.default_type,
                is_top=not any(segments),
                is_withheld=lambda name: self.processors.get(extension_of(name)) is withhold,
            )
        entry = Entry(found.path, signature(found.status), self)
        processed = extension_of(found.real) in self.processors
        if processed:
            entry.resource = self._process(found, request)
        else:
            entry.resource = self._read(folder, found, entry)
        if found.taken == len(segments) and self._cache is not None:
            folder_path = os.path.dirname(found.path)
            if not found.named:
                entry.folder, entry.folder_signature = folder_path, signature(os.stat(folder_path))
            if self.precompressed and not processed:
                entry.beside.append((folder_path, signature(os.stat(folder_path))))
            self._cache.put(segments, entry)
        return entry.resource

    def _read(self, folder: Folder, found: Found, entry: Entry) -> Resource:
        """The reply for a file that is not run; what it depends on is noted in `entry`."""
        kind = content_type(os.path.basename(found.path), self.content_types, self.default_type)
        coded: dict[str, FileReply] = {}
        for extension in self.precompressed if kind[1] is None else ():
            sibling = folder.sibling(found, extension)
            if sibling is not None:
                coding = CODINGS[extension]
                with suppress(HTTPError):
                    coded[coding] = read_reply(sibling, (kind[0], coding), VARIES)
                    entry.beside.append((sibling.path, signature(sibling.status)))
        reply = read_reply(found, kind, VARIES if coded else ())
        made = NegotiatedReply(reply, coded) if coded else reply
        entry.cost = made.cost
        return made

    def _instead(self, error: HTTPError, segments: tuple[str, ...], request: "Request") -> Resource:
        """What answers where there is only `error`."""
        request.prepath += request.postpath
        request.postpath.clear()
        if error.status == 404 and self.fallback is not None:
            request.transform(vary_on_accept)
            if self._rules().could_be(segments) and is_navigation(request, segments[-1:]):
                return self._fallen_back(tuple(self.fallback.split("/")), request)
        page = {404: self.not_found, 403: self.forbidden}.get(error.status)
        if page is None:
            raise error
        if isinstance(page, str):
            return ErrorTemplate(self._beside(page), error)
        return ErrorResource(page, error)

    def _fallen_back(self, segments: tuple[str, ...], request: "Request") -> Resource:
        kept = None if self._cache is None else self._cache.get(segments)
        return self._found(segments, request) if kept is None else kept

    def _beside(self, name: str) -> str:
        folder = self.path if os.path.isdir(self.path) else os.path.dirname(self.path)
        return os.path.join(folder, name)

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
