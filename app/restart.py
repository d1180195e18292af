"""What to do when the background work of a service fails."""

import asyncio
import collections
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

log = logging.getLogger(__name__)


def _not_negative(_policy: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{field.name} of a Restart must be 0 or more, and finite, not {value!r}")


def _growing(_policy: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if not 1 <= value < math.inf:
        raise ValueError(f"{field.name} of a Restart must be 1 or more, and finite, not {value!r}")


@attrs.frozen(kw_only=True)
class Restart:
    """How often, and after what pauses, `Service.run` is called again when it raises.

    At most `attempts` restarts happen within any `window` seconds; one failure more and the
    service has failed for good. The first pause is `delay` seconds; each recent restart multiplies
    it by `factor`, up to `longest`. Only `run` is repeated, not `bind` or `start`.
    ``Restart(attempts=0)`` never restarts.
    """

    attempts: int = attrs.field(default=5, validator=_not_negative)
    window: float = attrs.field(default=60.0, validator=_not_negative)
    delay: float = attrs.field(default=0.1, validator=_not_negative)
    factor: float = attrs.field(default=2.0, validator=_growing)
    longest: float = attrs.field(default=10.0, validator=_not_negative)

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
