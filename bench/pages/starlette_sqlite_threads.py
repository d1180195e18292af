"""The counter page on Starlette with SQLite, in Starlette's pool of threads.

This is how its documentation would have it: no flush of the disk holds up the event loop.
"""

import os
import sqlite3
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

database = sqlite3.connect(
    os.environ["BENCH_DATABASE"], isolation_level=None, check_same_thread=False
)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS tally (id INTEGER PRIMARY KEY, value INTEGER)")
database.execute("INSERT OR IGNORE INTO tally VALUES (1, 0)")
COUNT = "UPDATE tally SET value = value + 1 WHERE id = 1 RETURNING value"
lock = threading.Lock()


def counter(request: Request) -> HTMLResponse:
    """Count a visit."""
    with lock:
        ((value,),) = database.execute(COUNT).fetchall()
    return HTMLResponse(f"<p>You are visitor {value}.</p>\n")


app = Starlette(routes=[Route("/", counter)])
