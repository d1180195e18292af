"""How much CGI scripts may take, and the places in which they run."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from math import ceil

import attrs

from ...bounds import bound
from ..errors import HTTPError


@attrs.frozen
class CGILimits:
    """Bounds for scripts. Sizes in bytes, times in seconds; None, where it may be, sets no bound.

    `cpu` and `memory` hold for each process of a script by itself, and are kept by the kernel where it
    can be told to (Linux).
    """

    processes: int = bound(16)
    """Scripts that run at a time, for one resource."""

    waiting: int = bound(32)
    """Requests that wait until one may run; each further one is answered 503."""

    wait_time: float = bound(10.0)
    """For which one waits; then it is answered 503."""

    time: float | None = bound(300.0, optional=True)
    """From the start of a script to its end, whatever the client does; then it is ended."""

    head_time: float = bound(30.0)
    """From the start of a script to the empty line after its header; over it 504."""

    head: int = bound(16 * 1024)
    """A script's header; over it 502."""

    cpu: int | None = bound(60, optional=True)
    """Computing time, in whole seconds."""

    memory: int | None = bound(1024 * 1024 * 1024, optional=True)
    """Address space. What reserves much more than it uses (Node.js, Java) needs None."""

    spool: int = bound(16 * 1024 * 1024)
    """A request's body whose length the client does not tell; over it 413. Those over 64 KB are kept in
    temporary files, at most as many as requests may wait."""

    complaints: int = bound(100)
    """Lines of a script's error output that are logged; the rest is dropped."""


def _check_names(settings: object, field: object, value: Mapping[str, str]) -> None:
    for name, text in value.items():
        if not name or "=" in name or "\0" in name + text:
            raise ValueError(f"environment of CGISettings cannot have {name!r}: {text!r}")


def _as_dict(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


@attrs.frozen
class CGISettings:
    """How scripts are run.

    `environment` is given to them besides what a request says (RFC 3875, 4.1), and before that: it
    cannot replace any of it. With `passes_authorization` they see the Authorization field, which may
    hold a password; without, only who was found to be asking.
    """

    limits: CGILimits = attrs.field(factory=CGILimits)
    environment: Mapping[str, str] = attrs.field(
        factory=dict[str, str], converter=_as_dict, validator=_check_names
    )
    passes_authorization: bool = False


class CGIPlaces:
    """Where scripts run and requests for them wait: so many at a time, in the order they came."""

    def __init__(self, limits: CGILimits) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(limits.processes)
        self.inside = 0
        """Requests that run or wait."""
        self.files = 0
        """Temporary files of requests."""

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[None]:
        """Counts a request in. Raises `HTTPError` 503 if too many run and wait already."""
        if self.inside >= self._limits.processes + self._limits.waiting:
            raise self._refusal()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def spooled(self) -> AsyncGenerator[None]:
        """Counts a temporary file in. Raises `HTTPError` 503 if there are too many.

        Apart from the places to run: who sends slowly keeps nobody else from them.
        """
        if self.files >= self._limits.waiting:
            raise self._refusal()
        self.files += 1
        try:
            yield
        finally:
            self.files -= 1

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """A place, once there is one. Raises `HTTPError` 503 if that takes too long."""
        try:
            async with asyncio.timeout(self._limits.wait_time):
                await self._free.acquire()
        except TimeoutError:
            raise self._refusal() from None
        try:
            yield
        finally:
            self._free.release()

    def _refusal(self) -> HTTPError:
        seconds = ceil(min(self._limits.wait_time, 60))
        detail = "Too many of these pages are being made. Please try again in a moment."
        return HTTPError(503, detail, [("Retry-After", str(seconds))])
