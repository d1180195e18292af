"""The life of an ASGI application, which is told of the start and of the stop (lifespan 2.0)."""

import asyncio
import logging
import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ....persist.errors import PerdureError
from ...turns import current
from .appledger import AppLedger, AppTurn
from .appresponse import AppError
from .gateway import App, serving

if TYPE_CHECKING:
    from ...application import Application

Message = MutableMapping[str, Any]

_log = logging.getLogger("perdure.web")


@attrs.define(str=False)
class StartupError(PerdureError):
    """The ASGI application `name` did not start, for `reason`."""

    exit_status: ClassVar[int] = os.EX_SOFTWARE
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} did not start: {self.reason}"


class Lifespan:
    """One start and stop of `app`. `state` is what it says that each request shall find.

    An application that knows nothing of this ends at once, and goes on without. What its start-up
    changes in components is saved, and those that it got are looked at in each turn, because its
    requests may have them from it. What it does when it is told to stop comes after the last save.
    """

    def __init__(self, name: str, app: App, application: "Application") -> None:
        loop = asyncio.get_running_loop()
        self.state: dict[str, Any] = {}
        self._name = name
        self._app = app
        self._registry = application.registry
        self._turn = AppTurn(AppLedger(application.ledger, loop))
        self._started: asyncio.Future[None] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._stopping = asyncio.Event()
        self._has_begun = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when it has started. Raises `StartupError`."""
        self._task = asyncio.create_task(self._run(), name=f"lifespan of {self._name}")
        try:
            await self._started
        finally:
            self._end_turn()

    async def stop(self, seconds: float) -> None:
        """Tell it to stop, and return when it has, or after so many seconds."""
        task, self._task = self._task, None
        if task is None or task.done():
            return
        self._stopping.set()
        if self._started.done() and not self._started.cancelled():
            await asyncio.wait(
                {self._stopped, task}, timeout=seconds, return_when="FIRST_COMPLETED"
            )
        if not task.done() and not self._stopped.done():
            _log.warning("%s did not stop within %g s of being told", self._name, seconds)
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)

    def _end_turn(self) -> None:
        touched = self._turn.touched
        self._turn.finish()
        if self._turn.ledger is not None:
            # It may have kept them, for its requests to change.
            self._turn.ledger.roaming.update(touched)

    async def _run(self) -> None:
        current.set(self._turn)
        serving.set(self._registry)
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
            "perdure.registry": self._registry,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            if self._has_begun and not self._started.done():
                self._started.set_exception(StartupError(self._name, _line(error)))
                _log.debug("the start of %s failed", self._name, exc_info=error)
            elif self._started.done():
                _log.error("%s failed in its lifespan: %s", self._name, error, exc_info=error)
        finally:
            for each in (self._started, self._stopped):
                if not each.done():
                    each.set_result(None)

    async def _receive(self) -> Message:
        if not self._has_begun:
            self._has_begun = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        text = str(message.get("message", "")).strip()
        if kind == "lifespan.startup.failed":
            if not self._started.done():
                _log.error("%s did not start: %s", self._name, text)
                last = text.splitlines()[-1].strip() if text else "it did not say why"
                self._started.set_exception(StartupError(self._name, last))
        elif kind == "lifespan.startup.complete":
            if not self._started.done():
                self._started.set_result(None)
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            if kind == "lifespan.shutdown.failed":
                _log.error("%s failed to stop: %s", self._name, text or "it did not say why")
            if not self._stopped.done():
                self._stopped.set_result(None)
        else:
            raise AppError(f"sent a message of an unknown type, {kind!r}")


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
