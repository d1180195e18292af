"""The counter page on Starlette with Redis: a kept connection for each request that waits."""

import os

from redis.asyncio import ConnectionPool, Redis, UnixDomainSocketConnection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=os.environ["BENCH_REDIS"])
redis = Redis(connection_pool=pool)


async def counter(request: Request) -> HTMLResponse:
    """Count a visit."""
    value = await redis.incr("tally")
    return HTMLResponse(f"<p>You are visitor {value}.</p>\n")


app = Starlette(routes=[Route("/", counter)])
