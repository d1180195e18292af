"""A WSGI application: ``mkapp web --wsgi almanac:application --pythonpath samples/configurations``."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"The almanac has nothing on {environ['PATH_INFO']}\n".encode("latin-1")]
