"""The pages of the users of this machine: the folder ``public_html`` in the home of each."""

import asyncio
import os
import stat
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from ....persist.errors import PerdureError
from ....persist.persistent import persistent
from ..errors import HTTPError
from ..files.listing import Row, listing_page, row
from ..ownpage import OwnPage
from ..resource import ErrorPage, Rendered, Resource
from ..response import Response
from ..static import DEFAULT_PROCESSORS, File, StaticError, withhold
from .foldersettings import checked_settings

if TYPE_CHECKING:
    from ..request import Request

_NOT_THEIRS = ("processors", "follow_links_out")
_NO_TEMPLATES = ("not_found", "forbidden")
_SCRIPTS = (*DEFAULT_PROCESSORS, ".cgi", ".php")


@attrs.define(str=False)
class UserFolderError(PerdureError):
    """The folder of users' pages has a name that leads elsewhere. Attribute: `folder`."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    folder: str

    def __str__(self) -> str:
        return f"folder of users' pages {self.folder!r}: expected a name, such as public_html"


@attrs.frozen
class Account:
    """A user: `name`, number and home folder."""

    name: str
    uid: int
    home: str


class Accounts(Protocol):
    """A table of users. Its objects are saved with the application."""

    def find(self, name: str) -> Account | None:
        """The user called `name`, if there is one."""
        ...

    def all(self) -> Iterable[Account]:
        """Every user, in any order. Called in a thread of its own."""
        ...


@attrs.frozen
class SystemAccounts:
    """The users of this machine, as the system knows them.

    Whether asking it takes long is the system's affair: with users of a directory in the network
    let its cache run (sssd or nscd).
    """

    def find(self, name: str) -> Account | None:
        from pwd import getpwnam

        try:
            entry = getpwnam(name)
        except (KeyError, ValueError):
            return None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_dir)

    def all(self) -> Iterable[Account]:
        from pwd import getpwall

        return [Account(entry.pw_name, entry.pw_uid, entry.pw_dir) for entry in getpwall()]


@persistent(transient=("_files",))
class UserFolder(Resource):
    """Below it, ``name/`` leads to the folder called `folder` in the home of `name`.

    Nothing else does: a page with two addresses has one that is not guarded. Where ``/~name/`` is wanted,
    `TildeToUsers` makes that of it.

    Only if that folder is there, is no symbolic link, and belongs to that user, whose number is at
    least `least_uid`: so neither to root nor to a service. Everyone else is answered 404, as are
    users that do not exist. Links that lead out of the folder are not followed.

    Scripts and templates in these folders are not run, nor shown: their code would run as the user of the server,
    with all that the server may do. `settings` are those of each folder, as the keywords of `File`,
    without ``processors`` and ``follow_links_out``; error pages are resources, not templates.

    With `listing` the place itself lists the users who have such a folder; else it is answered 404.
    `accounts` is the table of users. Raises `UserFolderError` and `StaticError`.
    """

    _files: dict[str, File] | None = None

    def __init__(
        self,
        folder: str = "public_html",
        *,
        least_uid: int = 1000,
        listing: bool = False,
        settings: Mapping[str, Any] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        if not folder or folder in (".", "..") or "/" in folder or "\0" in folder:
            raise UserFolderError(folder)
        for name, value in (settings or {}).items():
            # A template of a user's could keep the server busy for ever.
            if name in _NOT_THEIRS or (name in _NO_TEMPLATES and isinstance(value, str)):
                raise StaticError(name, value, "users' folders have no choice there")
        self.folder = folder
        self.least_uid = least_uid
        self.listing = listing
        self.settings = checked_settings(settings or {})
        self.accounts = SystemAccounts() if accounts is None else accounts

    def get_child(self, segment: str, request: "Request") -> Resource:
        if not segment:
            return self if not request.postpath else ErrorPage(404)
        account = self.accounts.find(segment)
        # Some tables find a user under other spellings of the name, too.
        if account is None or account.name != segment or self._status(account) is None:
            return ErrorPage(404)
        return self._file(os.path.join(account.home, self.folder))

    async def render_GET(self, request: "Request") -> Rendered:
        """The list of users, if there shall be one."""
        if not self.listing:
            raise HTTPError(404)
        if request.segments[-1:] != [""]:
            return Response(b"", 301, [("Location", _with_slash(request))])
        return OwnPage(await asyncio.to_thread(self._page, "/" + "/".join(request.segments)))

    def _page(self, path: str) -> str:
        rows: list[Row] = []
        for account in self.accounts.all():
            status = self._status(account)
            if status is not None:
                rows.append(row(account.name, status, ""))
        return listing_page(path, rows, has_parent=False)

    def _status(self, account: Account) -> os.stat_result | None:
        """What the folder of `account` is, if it may be published."""
        if account.uid < self.least_uid or not os.path.isabs(account.home):
            return None
        try:
            status = os.lstat(os.path.join(account.home, self.folder))
        except OSError:
            return None
        return status if stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid else None

    def _file(self, path: str) -> File:
        if self._files is None:
            self._files = {}
        file = self._files.get(path)
        if file is None:
            withheld = dict.fromkeys(_SCRIPTS, withhold)
            file = self._files[path] = File(path, processors=withheld, **self.settings)
        return file


def _with_slash(request: "Request") -> str:
    from urllib.parse import quote

    location = "./" + quote(request.segments[-1], safe="") + "/" if request.segments else "/"
    return f"{location}?{request.query}" if request.query else location
