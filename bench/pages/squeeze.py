"""Ten megabytes of JSON, compressed as they leave or, for comparison, in one go."""

import gzip
import json

import probe

from perdure.app.web.replies.compression import Compressed
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response

SIZE = 10_000_000


class Large(Resource):
    is_leaf = True

    def __init__(self) -> None:
        rows = [
            {"number": number, "name": f"visitor {number * 7919 % 10007}", "paid": number % 3 == 0}
            for number in range(SIZE // 60)
        ]
        self.body = json.dumps(rows).encode()

    def render_GET(self, request: Request) -> Rendered:
        return Response(self.body, headers=[("Content-Type", "application/json")])


class AtOnce(Large):
    """What a page without threads would do."""

    def render_GET(self, request: Request) -> Rendered:
        fields = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
        return Response(gzip.compress(self.body, 5), headers=fields)


class Stall(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        return str(probe.started().take())


class Root(Compressed):
    def __init__(self) -> None:
        site = Resource()
        site.put_child("large", Large())
        site.put_child("at-once", AtOnce())
        site.put_child("stall", Stall())
        super().__init__(site)
