"""Banners that take turns on the pages of others; who has a password may put up new ones."""

from html import escape
from urllib.parse import quote

import attrs

from perdure.app.registry import Registry
from perdure.app.web.auth.basicauth import Basic
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.protected import Protected
from perdure.app.web.auth.users import UserSource
from perdure.app.web.errors import HTTPError
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response
from perdure.app.web.routing.redirect import RedirectError, redirection


@attrs.define
class Banner:
    """What is shown for an advertiser, where it leads, and how often either was done."""

    text: str
    link: str
    shown: int = 0
    followed: int = 0


@attrs.define
class Banners:
    """All banners, by name. The one that was shown least is next."""

    banners: dict[str, Banner] = attrs.field(factory=dict[str, Banner])

    def put(self, name: str, text: str, link: str) -> None:
        """One more. It begins where the others are, or it would hide them until it has caught up."""
        shown = min((each.shown for each in self.banners.values()), default=0)
        self.banners[name] = Banner(text, link, shown)

    def next(self) -> tuple[str, str]:
        """The name and the text of the one whose turn it is, which counts as shown."""
        name = min(self.banners, key=lambda each: self.banners[each].shown)
        banner = self.banners[name]
        banner.shown += 1
        return name, banner.text

    def follow(self, name: str) -> str | None:
        """Where the one called `name` leads, which counts as followed."""
        banner = self.banners.get(name)
        if banner is None:
            return None
        banner.followed += 1
        return banner.link


def first() -> Banners:
    """Those that are there before anybody has paid."""
    banners = Banners()
    banners.put("ferry", "To the skerry by ferry", "https://ferry.example/")
    banners.put("oil", "Lamp oil, by the barrel", "https://oil.example/lamps")
    return banners


def banners_of(registry: Registry) -> Banners:
    """The banners of an application, however many of its pages show them."""
    return registry.get_component(Banners, default=first)


class BannerSite(Resource):
    """The banner whose turn it is, to be put into a page.

    Below, ``go/NAME`` leads to where a banner leads, and ``put`` takes a new one, as a form
    with name, text and link, from one of `users`.
    """

    def __init__(self, users: UserSource | None = None) -> None:
        self.put_child("go", Go())
        if users is not None:
            self.put_child("put", Protected(Put(), Doorkeeper(users), Basic("banners")))

    def render_GET(self, request: Request) -> Response:
        name, text = banners_of(request.registry).next()
        place = [quote(each, safe="") for each in (*request.prepath, "go", name) if each]
        body = f'<p><a href="/{escape("/".join(place))}">{escape(text)}</a></p>\n'
        return Response(body, headers=[("Cache-Control", "no-store")])


class Go(Resource):
    """Leads on, and counts."""

    is_leaf = True

    def render_GET(self, request: Request) -> Response:
        link = banners_of(request.registry).follow("/".join(request.postpath))
        if link is None:
            raise HTTPError(404, "There is no such banner any more.")
        return redirection(link)


class Put(Resource):
    """Takes a new banner."""

    async def render_POST(self, request: Request) -> Response:
        fields = (await request.form()).fields
        try:
            name, text, link = fields["name"], fields["text"], fields["link"]
            redirection(link)
        except (KeyError, RedirectError) as error:
            raise HTTPError(422, "A banner has a name, a text and a link.") from error
        banners_of(request.registry).put(name, text, link)
        return Response(f"{name} is up.\n", 201, [("Content-Type", "text/plain")])
