from collections.abc import Mapping
from pathlib import Path

from harbour import Boats, Room

from perdure.app.web.request import Request
from perdure.app.web.template import Template


class Log(Template):
    async def context(self, request: Request) -> Mapping[str, object]:
        return {
            "boats": request.registry.get_component(Boats, default=Boats),
            "room": request.registry.get_component(Room, default=Room),
        }


resource = Log("log.html", folder=Path(__file__).parents[1] / "templates", harbour="Halden Skerry")
