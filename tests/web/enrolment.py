"""Who may log in to what, for the tests of it."""

from base64 import b64encode

from perdure.app.web.auth.basicauth import Basic
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.passwords import Cost
from perdure.app.web.auth.protected import Protected, Scheme
from perdure.app.web.auth.users import RegisteredUsers, Users
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource, Wrapper

from .conftest import Served

CHEAP = Cost(ln=4, p=1)


class Who(Resource):
    """Tells who asks, and what is left of the path."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        return f"{request.user} at {'/'.join(request.postpath)}"

    async def render_POST(self, request: Request) -> str:
        return f"{request.user} sent {len(await request.read())} bytes"


class From(Wrapper):
    """As behind a proxy: the client says where it is."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: Request) -> Resource:
        request.client = request.headers.get("from", request.client)
        return self.wrapped


def credentials(name: str, password: str) -> str:
    return f"Authorization: Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


ADA = credentials("ada", "lovelace")
WRONG = credentials("ada", "babbage")


def enrolled(served: Served, **users: str) -> Users:
    component = Users(cost=CHEAP)
    for name, password in users.items():
        component.add(name, password)
    served.call(lambda: served.registry.set_component(Users, component))
    return component


def guarded(*schemes: Scheme, keeper: Doorkeeper | None = None, **only: list[str]) -> Resource:
    root = Resource()
    keeper = keeper or Doorkeeper(RegisteredUsers())
    root.put_child("private", Protected(Who(), keeper, *(schemes or (Basic(),)), **only))
    root.put_child("open", Who())
    return From(root)
