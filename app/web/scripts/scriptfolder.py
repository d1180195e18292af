"""A folder of scripts, each at an address of its name."""

import os
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ....persist.persistent import persistent
from ..errors import HTTPError
from ..files.filecache import Signature, signature
from ..files.folder import Folder
from ..files.folderpages import SlashRedirect
from ..files.mime import extension_of
from ..resource import Rendered, Resource
from ..script import ResourceScript

if TYPE_CHECKING:
    from ..request import Request

_EXTENSION: Final = ".rpy"
_INDEX: Final = "index"


@attrs.define(str=False)
class ScriptFolderError(PerdureError):
    """There is no folder of scripts at `path`."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    path: str

    def __str__(self) -> str:
        return f"{self.path}: there is no such folder; put it back, or build anew"


@persistent(transient=("_scripts",))
class ScriptFolder(Resource):
    """The scripts of the folder at `path`: ``/name`` is what ``name.rpy`` defines.

    ``/`` is what ``index.rpy`` defines. Everything else in the folder is not found: no files, no
    folders below it, no listing.
    """

    tells_state = False
    _scripts: dict[str, tuple[Signature, ResourceScript]] | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)

    def check(self) -> None:
        """Raises `ScriptFolderError` if there is no folder at `path`."""
        if not os.path.isdir(self.path):
            raise ScriptFolderError(self.path)

    def get_child(self, segment: str, request: "Request") -> Resource:
        if not segment and request.postpath:
            raise HTTPError(404)
        rules = Folder(self.path, processed=(_EXTENSION,))
        found = rules.find([(segment or _INDEX) + _EXTENSION])
        if found.is_folder or extension_of(found.path) != _EXTENSION:
            raise HTTPError(404)
        if self._scripts is None:
            self._scripts = {}
        version = signature(found.status)
        kept = self._scripts.get(found.real)
        if kept is None or kept[0] != version:
            kept = version, ResourceScript(found.real, request.registry)
            self._scripts[found.real] = kept
        return kept[1]

    def render_GET(self, request: "Request") -> Rendered:
        return SlashRedirect().render_GET(request)
