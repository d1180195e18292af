"""The order of things in one run of an application: bind, settle, start, serve, save, stop."""

import asyncio
import logging
from collections.abc import Callable

import attrs

from .application import Application

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Lifecycle:
    """Runs `application` once, from stopped to stopped.

    The three callables are the caller's part: `settle` comes between binding and starting
    (privileges are dropped there, and what must hold without them is proven); `ready` when
    everything runs; `save` writes the running state, before any service is stopped, because a
    service that was stopped may have let go of what it would resume with.

    `patience` is how many seconds work in progress may take to finish after a stop was asked for.
    """

    application: Application
    settle: Callable[[], None]
    ready: Callable[[], None]
    save: Callable[[], None]
    patience: float = 30.0
    _asked: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _forced: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    def stop(self) -> None:
        """Ask for the end; asking again means: do not wait for work in progress."""
        if self._asked.is_set():
            self._forced.set()
        self._asked.set()

    async def run(self) -> None:
        """Run until `stop`. Raises what binding, settling, starting or saving raised.

        When the start fails, whatever was started or bound is given back first, and nothing is
        saved: the state on disk is still the newest.
        """
        services = self.application.services
        services.belong_to(self.application)
        await services.bind_up()
        try:
            self.settle()
            await services.bring_up()
        except BaseException:
            await services.bring_down()
            raise
        try:
            self.ready()
            await self._asked.wait()
            await self._quiesce()
            self.save()
        finally:
            await services.bring_down()

    async def _quiesce(self) -> None:
        """Stop accepting work, and wait for what there is: until the deadline, or until forced."""
        quiet = asyncio.create_task(self.application.services.quiesce())
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait(
            {quiet, forced}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED
        )
        if not quiet.done():
            _log.warning("stopping without waiting for work still in progress")
        for task in (quiet, forced):
            task.cancel()
        for outcome in await asyncio.gather(quiet, forced, return_exceptions=True):
            if isinstance(outcome, Exception):
                _log.error("while coming to rest: %s", outcome)
