"""What answers for a folder that has no index."""

import asyncio
import stat
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..ownpage import OwnPage
from ..resource import Resource
from ..response import Response
from .folder import Folder, Found, refusal
from .listing import Order, listing_page, row
from .mime import content_type

if TYPE_CHECKING:
    from ..request import Request


class SlashRedirect(Resource):
    """Leads from a folder's name to the same with a slash, against which links in it are read."""

    is_leaf = True
    tells_state = False

    def render_GET(self, request: "Request") -> Response:
        # Two slashes in front would begin the name of another host.
        location = "/" + quote(request.path.lstrip("/"), safe="/%:@!$&'()*+,;=~") + "/"
        if request.query:
            location += "?" + request.query
        return Response(b"", 301, [("Location", location)])


class FolderListing(Resource):
    """Lists a folder, in the order that ``?sort=name|size|date&order=asc|desc`` asks for.

    Files that `is_withheld` says so of, by their names, are left out.
    """

    is_leaf = True
    tells_state = False

    def __init__(
        self,
        folder: Folder,
        found: Found,
        content_types: Mapping[str, str],
        default_type: str,
        *,
        is_top: bool,
        is_withheld: Callable[[str], bool],
    ) -> None:
        self.folder = folder
        self.found = found
        self.content_types = content_types
        self.default_type = default_type
        self.is_top = is_top
        self.is_withheld = is_withheld

    async def render_GET(self, request: "Request") -> Response:
        order = Order.of(request.args.get("sort", ""), request.args.get("order", ""))
        # A folder may be large and its disk slow; others are served meanwhile.
        page = await asyncio.to_thread(self._page, "/" + "/".join(request.segments), order)
        return OwnPage(page)

    def _page(self, path: str, order: Order) -> str:
        try:
            rows = [
                row(name, status, content_type(name, self.content_types, self.default_type)[0])
                for name, status in self.folder.visible_entries(self.found)
                if stat.S_ISDIR(status.st_mode) or not self.is_withheld(name)
            ]
        except OSError as error:
            raise refusal(error) from None
        return listing_page(path, rows, order, has_parent=not self.is_top)
