# A reply that takes its time, and knows whether somebody has waited for it. /patience.rpy/count
# tells how many did.
import asyncio
from collections.abc import AsyncIterator

from waiting import Waits

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

SECONDS = 10


class Count(Resource):
    def render_GET(self, request: Request) -> str:
        waits = request.registry.get_component(Waits, default=Waits)
        return f"<p>{waits.patient} have waited, {waits.impatient} have not.</p>\n"


class Slow(Resource):
    async def render_GET(self, request: Request) -> AsyncIterator[str]:
        waits = request.registry.get_component(Waits, default=Waits)
        yield "<p>The keeper climbs down the stairs ...\n"
        try:
            await asyncio.sleep(float(request.args.get("seconds", SECONDS)))
        except asyncio.CancelledError:
            # Who has left needs no reply, so what makes it is cancelled.
            waits.impatient += 1
            raise
        waits.patient += 1
        yield "and opens.</p>\n"


resource = Slow()
resource.put_child("count", Count())
