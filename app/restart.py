"""What to do when the background work of a service fails."""

import asyncio
import collections
import logging
from collections.abc import Awaitable, Callable

import attrs

from .bounds import bound

log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Restart:
    """How often, and after what pauses, `Service.run` is called again when it raises.

    At most `attempts` restarts happen within any `window` seconds; one failure more and the
    service has failed for good. The first pause is `delay` seconds; each recent restart multiplies
    it by `factor`, up to `longest`. Only `run` is repeated, not `bind` or `start`.
    ``Restart(attempts=0)`` never restarts.
    """

    attempts: int = bound(5, least=0)
    window: float = bound(60.0, least=0)
    delay: float = bound(0.1, least=0)
    factor: float = bound(2.0, least=1)
    longest: float = bound(10.0, least=0)

    def delay_before(self, recent: int) -> float | None:
        """Seconds to wait after a failure with `recent` restarts in the window; None: give up."""
        if recent >= self.attempts:
            return None
        try:
            return min(self.delay * self.factor**recent, self.longest)
        except OverflowError:
            return self.longest

    async def keep_going(self, run: Callable[[], Awaitable[None]], who: str) -> Exception | None:
        """Call `run` until it returns, or fails for good: then give its last exception.

        Each failure is logged under the name `who`. Only a cancellation of the task that awaits
        this ends it otherwise.
        """
        loop = asyncio.get_running_loop()
        restarts = collections.deque[float]()
        while True:
            failure = await _failure_of(run)
            if failure is None:
                return None
            while restarts and restarts[0] <= loop.time() - self.window:
                restarts.popleft()
            delay = self.delay_before(len(restarts))
            if delay is None:
                log.error("%s: run failed; it is not tried again", who, exc_info=failure)
                return failure
            log.error("%s: run failed; again in %g s", who, delay, exc_info=failure)
            await asyncio.sleep(delay)
            restarts.append(loop.time())


async def _failure_of(run: Callable[[], Awaitable[None]]) -> Exception | None:
    try:
        await run()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Not meant for us: run() awaited something that somebody else had cancelled.
        failure = RuntimeError("what it awaited was cancelled")
        failure.__cause__ = error
        return failure
    except Exception as error:  # noqa: BLE001 - any failure is for the policy to judge
        return error
    return None
