"""What frameworks ask of a server: middleware, files, uploads, threads, background work."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from ..paper import Paper
from .asgiapps import Counter, count, with_lifespan
from .conftest import Serve, Served


class Instant(Paper):
    """A journal that is durable at once."""

    def append(self, payload: bytes) -> int:
        self.secured = super().append(payload)
        return self.secured


async def mark(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-middleware"] = request.url.path
    return response


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Served:
    app = FastAPI()
    app.add_middleware(BaseHTTPMiddleware, dispatch=mark)
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))

    @app.get("/thread")
    def in_thread() -> int:
        return count()

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(count)
        return "soon"

    @app.get("/stream")
    async def stream(endless: bool = False) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(1_000_000 if endless else 3):
                yield b"piece" * 1000

        return StreamingResponse(pieces())

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(path)

    @app.post("/upload")
    async def upload(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    return serve(with_lifespan(app), journal=Instant())


def test_views_in_threads_and_background_work_have_the_registry(served: Served) -> None:
    with httpx2.Client() as client:
        reply = client.get(served.url("/thread"))
        assert (reply.json(), reply.headers["x-middleware"]) == (1, "/thread")
        assert client.get(served.url("/background")).json() == "soon"
    served.arrive(lambda: served.registry.get_component(Counter, default=Counter).value == 2)
    served.held(2)


def test_files_streams_and_uploads_go_through(served: Served) -> None:
    with httpx2.Client() as client:
        assert client.get(served.url("/stream")).content == b"piece" * 3000
        assert client.get(served.url("/file")).content == bytes(100_000)
        part = client.get(served.url("/file"), headers={"Range": "bytes=10-19"})
        assert (part.status_code, len(part.content)) == (206, 10)
        head = client.head(served.url("/file"))
        assert head.status_code == 405
        assert client.post(served.url("/upload"), content=bytes(300_000)).json() == 300_000


def test_a_stream_ends_when_its_client_leaves(served: Served) -> None:
    with served.connect() as client:
        client.send(b"GET /stream?endless=true HTTP/1.1\r\nHost: x\r\n\r\n")
        client.until(b"piece")
    served.arrive(lambda: not vars(served.site.resource)["_running"])
