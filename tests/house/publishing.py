"""Samples run by the commands that their page names, but in this process.

What would listen at a TCP port does so at a UNIX socket in the folder that is worked in: ``8080.sock``.
"""

import asyncio
import io
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from runpy import run_path
from typing import Any, TypeVar

import httpx2
import uvloop

from perdure.app.application import Application
from perdure.app.loader import Loader
from perdure.persist.capture import capture
from perdure.persist.trust import Signer
from perdure.tools import building
from perdure.tools.mkapp import COMMAND
from perdure.tools.websetroot import COMMAND as WEBSETROOT

T = TypeVar("T")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_DEADLINE = 30.0
_PORT = re.compile(r"tcp:(80\d\d):interface=127\.0\.0\.1")
_TEXTS = (".py", ".rpy", ".txt")
_KINDS = ("web", "banners")
_SNAPSHOTS = (".snap", ".snap.xml", ".snap.py")


def copy_samples(folder: Path) -> None:
    """Put the samples, and the documents that one shows, into `folder`, with sockets for ports."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SAMPLES, folder / "samples", ignore=ignored)
    shutil.copytree(SAMPLES.parent / "docs", folder / "docs", ignore=ignored)
    for path in (folder, *(folder / "samples").rglob("*")):
        # What others may write is not run, and the checkout may be a group's.
        path.chmod(path.stat().st_mode & ~0o022)
        if path.suffix in _TEXTS:
            text = path.read_text()
            path.write_text(_PORT.sub(r"unix:\1.sock", text))


def applications_of(commands: tuple[str, ...]) -> list[Application]:
    """What `commands` run: each on its own, but for what ``websetroot`` makes of the one before."""
    applications: list[Application] = []
    for command in commands:
        name, *words = shlex.split(command)
        if name == "websetroot":
            WEBSETROOT.main(words, prog_name=name, standalone_mode=False)
            applications[-1] = Loader(Signer.of_user()).load(Path(words[0])).application
        elif name == "python":
            run_path(words[0])
        else:
            applications.append(application_of(name, words))
    return applications


def application_of(name: str, words: list[str]) -> Application:
    """What ``rundaemon -y FILE`` runs, or would run of what ``mkapp ...`` writes."""
    if name == "rundaemon":
        option, path = words
        assert option == "-y"
        return building.from_file(Path(path))
    assert name == "mkapp"
    if "--port" in words:
        place = words.index("--port")
        words[place : place + 2] = ["--listen", f"unix:{words[place + 1]}.sock"]
    elif "--listen" not in words:
        words += ["--listen", "unix:8080.sock"]
    COMMAND.main(words, prog_name="mkapp", standalone_mode=False)
    written = [word for word in words if word.endswith(_SNAPSHOTS)]
    written += [f"{word}.snap" for word in words if word in _KINDS]
    return Loader(Signer.of_user()).load(Path(written[0])).application


class Run:
    """Applications that run together, in a thread of their own."""

    def __init__(self, applications: list[Application]) -> None:
        self.applications = applications
        self.loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._started: Future[None] = Future()
        self._thread = ThreadPoolExecutor(1)
        self._ended = self._thread.submit(self._run)
        wait([self._started, self._ended], _DEADLINE, FIRST_COMPLETED)
        if self._ended.done():
            self._ended.result()

    def ask(
        self,
        path: str = "/",
        *,
        at: str = "8080.sock",
        host: str = "localhost",
        method: str = "GET",
        **options: Any,
    ) -> httpx2.Response:
        """The reply to a request for `path` at `host`, sent to the socket `at`."""
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=at, verify=False)) as client:
            return client.request(method, f"http://{host}{path}", **options)

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives when it is called where the applications run."""

        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(_DEADLINE)

    def stop(self) -> None:
        """Returns when all have ended well."""
        if not self._ended.done():
            self.loop.call_soon_threadsafe(self._end.set)
        self._ended.result(_DEADLINE)
        self._thread.shutdown()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as exits:
            for application in self.applications:
                services = application.services
                services.belong_to(application)
                exits.push_async_callback(services.bring_down)
                await services.bind_up()
                await services.bring_up()
            self._started.set_result(None)
            await self._end.wait()
            for application in self.applications:
                await application.services.quiesce()
                # It could be stopped here, and go on.
                assert capture(application).stream
        for application in self.applications:
            for component in application.registry:
                close_files(component)


def close_files(component: object) -> None:
    """Close what `component`, or what it has, keeps open: a process that ends does so."""
    for value in vars(component).values() if hasattr(component, "__dict__") else ():
        if isinstance(value, io.IOBase):
            value.close()
        elif type(value).__module__ == "visits":
            close_files(value)


@contextmanager
def running(commands: tuple[str, ...]) -> Generator[Run]:
    """Runs, within the block, what `commands` would, all together."""
    run = Run(applications_of(commands))
    try:
        yield run
    finally:
        run.stop()


@contextmanager
def own_modules(folder: Path) -> Generator[None]:
    """Forgets, after the block, the modules in `folder` that were imported in it."""
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
