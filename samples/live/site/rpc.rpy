from harbour import Boats, Room

from perdure.app.web.request import Request
from perdure.app.web.xmlrpc import XMLRPC, with_request


class Harbour(XMLRPC):
    @with_request
    def xmlrpc_arrive(self, request: Request) -> int:
        """One more boat; how many there are now."""
        boats = request.registry.get_component(Boats, default=Boats)
        boats.arrive()
        return boats.value

    @with_request
    def xmlrpc_say(self, request: Request, text: str) -> bool:
        """Says something by the harbour's radio."""
        request.registry.get_component(Room, default=Room).say(text)
        return True


resource = Harbour()
