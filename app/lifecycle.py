"""The order of things in one run of an application: bind, settle, start, serve, save, stop."""

import asyncio
import functools
import logging
import os
from collections.abc import Awaitable, Callable
from typing import ClassVar

import attrs

from ..persist.errors import PerdureError
from .application import Application

_log = logging.getLogger(__name__)

_WORTH_A_WORD = 0.3
"""Seconds of waiting after which somebody at a terminal wonders."""


@attrs.define
class StoppedEarlyError(PerdureError):
    """The end was asked for before everything ran; nothing was changed."""

    exit_status: ClassVar[int] = os.EX_TEMPFAIL
    application: str

    def __str__(self) -> str:
        return f"{self.application} was told to stop before it ran; nothing was changed"


@attrs.define(eq=False)
class Lifecycle:
    """Runs `application` once, from stopped to stopped.

    The three callables are the caller's part: `settle` comes between binding and starting
    (privileges are dropped there, and what must hold without them is proven); `ready` when
    everything runs; `save` writes the running state, before any service is stopped, because a
    service that was stopped may have let go of what it would resume with.

    `rest`, if there is one, is awaited together with the services' coming to rest.

    `patience` is how many seconds work in progress may take to finish after a stop was asked for.
    """

    application: Application
    settle: Callable[[], None]
    ready: Callable[[], None]
    save: Callable[[], None]
    patience: float = 30.0
    rest: Callable[[], Awaitable[object]] | None = None
    _starting: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _asked: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _forced: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    def stop(self, *, force: bool = True) -> None:
        """Ask for the end; asking again, with `force`, means: do not wait for work in progress.

        A start that is still going on is given up.
        """
        if self._asked.is_set() and force:
            self._forced.set()
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()

    async def run(self) -> None:
        """Run until `stop`. Raises what binding, settling, starting or saving raised.

        When the start fails, whatever was started or bound is given back first, and nothing is
        saved: the state on disk is still the newest. StoppedEarlyError is raised when `stop` came
        before everything ran. A service that fails to stop is logged; by then all is saved.
        """
        self._starting = asyncio.create_task(self._start())
        try:
            await self._starting
        except asyncio.CancelledError:
            await self._bring_down()
            if self._asked.is_set():
                raise StoppedEarlyError(self.application.name) from None
            raise
        except BaseException:
            await self._bring_down()
            raise
        finally:
            self._starting = None
        try:
            self.ready()
            await self._asked.wait()
            await self._quiesce()
            self.save()
        finally:
            await self._bring_down()

    async def _start(self) -> None:
        services = self.application.services
        services.belong_to(self.application)
        await services.bind_up()
        self.settle()
        await services.bring_up()

    async def _bring_down(self) -> None:
        try:
            await self.application.services.bring_down()
        except ExceptionGroup as group:
            for error in group.exceptions:
                _log.error("%s", error)
        except PerdureError as error:
            _log.error("%s", error)

    async def _quiesce(self) -> None:
        """Stop accepting work, and wait for what there is: until the deadline, or until forced."""
        quiet = asyncio.create_task(self._come_to_rest())
        forced = asyncio.create_task(self._forced.wait())
        either = functools.partial(
            asyncio.wait, {quiet, forced}, return_when=asyncio.FIRST_COMPLETED
        )
        done, _ = await either(timeout=_WORTH_A_WORD)
        name = self.application.name
        if not done:
            _log.warning(
                "%s waits up to %g s for work in progress (interrupt: no longer)",
                name,
                self.patience,
            )
            await either(timeout=self.patience)
        if not quiet.done():
            _log.warning("%s stops without waiting for work still in progress", name)
        for task in (quiet, forced):
            task.cancel()
        for outcome in await asyncio.gather(quiet, forced, return_exceptions=True):
            if isinstance(outcome, Exception):
                _log.error("while coming to rest: %s", outcome)

    async def _come_to_rest(self) -> None:
        services = self.application.services.quiesce()
        if self.rest is None:
            await services
        else:
            await asyncio.gather(services, self.rest())
