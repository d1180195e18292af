from remembered import Lines

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

lines = registry.get_component(Lines, default=Lines)


class Page(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        if client := request.args.get("client"):
            count, digest = lines.write(client)
            return f"{count} {digest}"
        return "\n".join(f"{client} {count} {digest}" for client, (count, digest) in lines.of.items())


resource = Page()
