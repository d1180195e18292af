"""The counter page on Starlette with SQLite: each answer tells a number that is on the disk.

One process has one connection, so there is nobody to wait for; the commit is called in the event
loop itself, since a thread for it costs more than the flush of a fast disk takes.
"""

import os
import sqlite3

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

database = sqlite3.connect(os.environ["BENCH_DATABASE"], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS tally (id INTEGER PRIMARY KEY, value INTEGER)")
database.execute("INSERT OR IGNORE INTO tally VALUES (1, 0)")
COUNT = "UPDATE tally SET value = value + 1 WHERE id = 1 RETURNING value"


async def counter(request: Request) -> HTMLResponse:
    """Count a visit."""
    ((value,),) = database.execute(COUNT).fetchall()
    return HTMLResponse(f"<p>You are visitor {value}.</p>\n")


app = Starlette(routes=[Route("/", counter)])
