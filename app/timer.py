"""A service that calls something again and again."""

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext

from ..persist.persistent import persistent
from .naming import check_callable
from .service import Service, ServiceTreeError

log = logging.getLogger(__name__)


def check_interval(timer: "Timer", interval: object) -> None:
    """Raises `ServiceTreeError` for what cannot be the interval of `timer`."""
    if not isinstance(interval, (int, float)) or not 0 < interval < math.inf:
        raise ServiceTreeError(
            timer.path, f"an interval of {interval!r} s", "say more than 0 seconds"
        )


@persistent(transient=("_resting", "_going_on"))
class Timer(Service):
    """Calls ``call(*args)`` at once when started, then every `interval` seconds.

    `call` is a function of a module or a bound method of an object that the snapshot holds; both
    are kept by name. If it returns an awaitable, that is awaited. Calls never overlap and do not
    drift: they come at whole multiples of `interval` after the start, by the monotonic clock, and
    those that fall into a call still going on are left out. A call that raises is logged, and the
    next one comes as ever. Stopping waits for a call that is going on, up to `stop_deadline`, then
    cancels it; coming to rest waits for it as well, and makes no more calls.
    """

    _resting = False
    _going_on: asyncio.Future[object] | None = None

    def __init__(
        self,
        interval: float,
        call: Callable[..., object],
        *args: object,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        check_callable(call)
        check_interval(self, interval)
        self.interval = interval
        self.call = call
        self.args = args

    async def start(self) -> None:
        self._resting = False

    async def run(self) -> None:
        """Call until at rest."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._resting:
            await self._call()
            late = loop.time() - due
            due += self.interval * max(1, math.ceil(late / self.interval))
            await asyncio.sleep(due - loop.time())

    async def quiesce(self) -> None:
        self._resting = True
        if self._going_on is not None:
            await asyncio.wait({self._going_on})

    async def _call(self) -> None:
        try:
            with self._turn():
                result = self.call(*self.args)
                if inspect.isawaitable(result):
                    await self._finish(result)
        except Exception:
            log.exception("%s: the call failed; the next one comes as planned", self.path)

    def _turn(self) -> AbstractContextManager[object]:
        # Started by hand, as a part of no application, it has nobody who would save anything.
        return self.application.turn() if self.is_of_application else nullcontext()

    async def _finish(self, result: Awaitable[object]) -> None:
        """Await a call to its end, also while this task is being cancelled; then be cancelled."""
        call = self._going_on = asyncio.ensure_future(result)
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise RuntimeError("what the call awaited was cancelled") from error
            await call  # a second cancellation, at the deadline, ends the call
            raise
        finally:
            self._going_on = None
