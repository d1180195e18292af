"""How long the event loop stood still: a task that wants to run each millisecond."""

import asyncio
import time


class Probe:
    """Runs from its making on, in the loop that runs then."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run())

    def take(self) -> float:
        """By how many seconds it ran too late, at worst, since it was asked last."""
        longest, self._longest = self._longest, 0.0
        return longest

    async def _run(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            self._longest = max(self._longest, time.perf_counter() - begun - 0.001)


_started: list[Probe] = []


def started() -> Probe:
    """The one of this process."""
    if not _started:
        _started.append(Probe())
    return _started[0]
