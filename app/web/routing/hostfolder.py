"""A folder of hosts: each folder in it is the site of the host that it is named after."""

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....persist.persistent import persistent
from ..hostname import readable_name
from ..resource import Resource, Wrapper
from ..static import File, StaticError
from .foldersettings import checked_settings
from .hosts import asked_host, unknown_host

if TYPE_CHECKING:
    from ..request import Request


@persistent(transient=("_sites",))
class HostFolder(Wrapper):
    """Serves ``path/example.org/`` to those who ask for the host ``example.org``.

    A folder that is made, removed or replaced while the server runs counts from the next request
    on. It is named as `host_name` names hosts: in lower case and without port; names that are not ASCII in
    their own letters or as ``xn--``. Folders that begin with a dot are no hosts. A symbolic link to a
    folder is as good as a folder, so a host may have several names.

    `settings` are those of each site, as the keywords of `File`. `default` answers for hosts that have no
    folder; without it those are answered 404. Raises `StaticError`.
    """

    _sites: dict[str, File] | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        default: Resource | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = os.path.abspath(path)
        self.default = default
        self.settings = checked_settings(settings or {})

    def check(self) -> None:
        """Raises `StaticError` if there is no folder at `path`."""
        if not os.path.isdir(self.path):
            raise StaticError("path", self.path, "there is no such folder of hosts")

    def enter(self, request: "Request") -> Resource:
        name = asked_host(request)
        if name:
            # The grammar of names has no slash and no dot in front, so none leads elsewhere.
            for folder in dict.fromkeys((name, readable_name(name))):
                site = self._site(os.path.join(self.path, folder))
                if site is not None:
                    return site
        return unknown_host(name) if self.default is None else self.default

    def _site(self, path: str) -> File | None:
        """The site in the folder at `path`, if there is one now."""
        if self._sites is None:
            self._sites = {}
        try:
            there = stat.S_ISDIR(os.stat(path).st_mode)
        except (OSError, ValueError):
            there = False
        if not there:
            self._sites.pop(path, None)
            return None
        site = self._sites.get(path)
        if site is None:
            site = self._sites[path] = File(path, **self.settings)
        return site
