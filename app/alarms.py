"""Alarms: calls at a time to come, which are state and survive whatever becomes of the process.

::

    alarms = registry.alarms
    alarms.at(datetime(2030, 1, 1, tzinfo=UTC), calendar, "begin_year", 2030)
    number = alarms.every(3600, statistics, "roll")
    alarms.cancel(number)

What is called is a method of a component, named, so that a later version of its class may have
another. An alarm that came due while nothing ran goes off once, as soon as something does. One
whose component is parked, or an argument, waits until it is back.

To go off is one turn: the alarm is taken away, or put to its next time, and the method called, and
what that changes is in the same record. So a crash neither loses nor doubles it. A method that waits
(that is ``async``) cannot be all in one record: its alarm is taken away at its end, and if there is a
crash before, it is called again.
"""

import asyncio
import heapq
import inspect
import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from ..persist.errors import PerdureError
from ..persist.parked import Parked, parked_at
from ..persist.persistent import persistent
from .mutations import mutation
from .naming import class_name
from .turns import UnsafeError, is_referred_to

if TYPE_CHECKING:
    from .application import Application

_log = logging.getLogger(__name__)

_LONGEST_SLEEP: Final = 30.0
"""Seconds after which the clock is looked at again: somebody may have set it."""

_RETRY: Final = 1.0

_BURST: Final = 0.01
"""Seconds for which alarms that are due may keep everything else waiting."""


@attrs.define
class AlarmError(PerdureError):
    """An alarm cannot be set as it was described; none was. `value` is what is wrong."""

    exit_status: ClassVar[int] = os.EX_USAGE
    value: object
    reason: str

    def __str__(self) -> str:
        return f"an alarm with {self.value!r}: {self.reason}"


@attrs.frozen
class Alarm:
    """A call to come: `when` in seconds since 1970, and again every so many seconds, or not."""

    number: int
    when: float
    component: Any
    method: str
    arguments: tuple[object, ...]
    seconds: float | None

    @property
    def is_waiting(self) -> bool:
        """Whether it cannot go off before a later start: its component, or an argument, is parked."""
        return parked_at(self.component) is not None or parked_at(self.arguments) is not None

    def __str__(self) -> str:
        component: object = self.component
        parked = parked_at(component)
        name = class_name(type(component)) if parked is None else parked.key
        return f"alarm {self.number}, {name}.{self.method}"


@persistent(transient=("_heap",))
class Alarms:
    """The alarms of an application, kept in its registry: see `Registry.alarms`.

    Journaled by its mutations, so there may be any number.
    """

    def __init__(self) -> None:
        self._alarms: dict[int, Alarm] = {}
        self._last = 0
        self._heap: list[tuple[float, int]] | None = None

    @property
    def last(self) -> int:
        """The number of the alarm that was set last; 0 for none."""
        return self._last

    def __len__(self) -> int:
        return len(self._alarms)

    def __bool__(self) -> bool:
        return True  # a component also without any alarm

    def at(self, when: datetime | float, component: object, method: str, *arguments: object) -> int:
        """Have ``component.method(*arguments)`` called once, at `when`; the alarm's number.

        `when` is a datetime with a time zone, or seconds since 1970. What is past is due at once.
        `component` is one of the registry, or a service of the application. Raises `AlarmError`.
        """
        return self._set(_seconds(when), _checked(component, method), method, arguments, None)

    def every(
        self,
        seconds: timedelta | float,
        component: object,
        method: str,
        *arguments: object,
        first: datetime | float | None = None,
    ) -> int:
        """As `at`, again and again: at `first` (else after `seconds`), and at multiples after it.

        Those that came due while one was going on, or nothing ran, are one.
        """
        period = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not 0 < period < math.inf:
            raise AlarmError(seconds, "say how many seconds, more than 0")
        start = time.time() + period if first is None else _seconds(first)
        return self._set(start, _checked(component, method), method, arguments, period)

    def cancel(self, number: int) -> bool:
        """Take the alarm of this number away; False if there is none, for it may have gone off."""
        return number in self._alarms and self.take(number)

    def all(self) -> list[Alarm]:
        """Those that are set, the next one first."""
        return sorted(self._alarms.values(), key=lambda alarm: (alarm.when, alarm.number))

    def parked(self) -> list[Parked]:
        """What is parked of them: arguments that could not be loaded."""
        found = (parked_at(alarm.arguments) for alarm in self._alarms.values())
        return [parked for parked in found if parked is not None]

    def next(self, excepted: Container[int] = ()) -> Alarm | None:
        """The alarm that comes first, but for those whose numbers are `excepted`.

        None that waits for something parked does.
        """
        if self._heap is None:
            self._heap = [(alarm.when, alarm.number) for alarm in self._alarms.values()]
            heapq.heapify(self._heap)
        aside: list[tuple[float, int]] = []
        found: Alarm | None = None
        while self._heap and found is None:
            when, number = self._heap[0]
            alarm = self._alarms.get(number)
            if alarm is None or alarm.when != when or alarm.is_waiting:
                heapq.heappop(self._heap)  # taken away, put to another time, or not for this run
            elif number in excepted:
                aside.append(heapq.heappop(self._heap))
            else:
                found = alarm
        for entry in aside:
            heapq.heappush(self._heap, entry)
        return found

    @mutation
    def take(self, number: int) -> bool:
        """Take the alarm of this number away, as `cancel` does."""
        return self._alarms.pop(number, None) is not None

    @mutation
    def advance(self, number: int, now: float) -> None:
        """The alarm of this number has gone off at `now`: put it to its next time, or take it away."""
        alarm = self._alarms.pop(number, None)
        if alarm is not None and alarm.seconds is not None:
            missed = max(0, math.floor((now - alarm.when) / alarm.seconds))
            self._put(attrs.evolve(alarm, when=alarm.when + (missed + 1) * alarm.seconds))

    @mutation
    def _set(
        self,
        when: float,
        component: object,
        method: str,
        arguments: tuple[object, ...],
        seconds: float | None,
    ) -> int:
        self._last += 1
        self._put(Alarm(self._last, when, component, method, arguments, seconds))
        return self._last

    def _put(self, alarm: Alarm) -> None:
        self._alarms[alarm.number] = alarm
        if self._heap is not None:
            heapq.heappush(self._heap, (alarm.when, alarm.number))
        for clock in _clocks:
            clock.wake()


class AlarmClock:
    """Lets the alarms of a running application go off.

    `run` is for a task that lasts as long as the application serves; `quiesce` waits for what is
    going on, and lets nothing go off any more. `clock` tells the seconds since 1970.
    """

    def __init__(
        self, application: "Application", *, clock: Callable[[], float] = time.time
    ) -> None:
        self._application = application
        self._clock = clock
        self._resting = False
        self._changed = asyncio.Event()
        self._going_on: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Wait for alarms, and let them go off, until cancelled or at rest."""
        _clocks.append(self)
        try:
            while not self._resting:
                self._changed.clear()
                delay = self._let_go_off()
                with suppress(TimeoutError):
                    # `wait_for` of Python 3.11 forgets a cancellation that comes with the event.
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
        finally:
            _clocks.remove(self)

    async def quiesce(self) -> None:
        """Let nothing go off any more; return when no call is going on."""
        self._resting = True
        self._changed.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def wake(self) -> None:
        """There is a new alarm. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._changed.set)

    def _let_go_off(self) -> float | None:
        """Let all go off that are due; for how many seconds to sleep then."""
        # Looked at in no turn: got from the registry, it would belong to every turn of others.
        alarms = self._application.registry.components.get(KEY)
        if not isinstance(alarms, Alarms):
            return None
        begun = time.monotonic()
        try:
            while (alarm := alarms.next(self._going_on)) is not None and not self._resting:
                delay = alarm.when - self._clock()
                if delay > 0:
                    return min(delay, _LONGEST_SLEEP)
                if time.monotonic() - begun > _BURST:
                    return 0.0
                self._fire(alarms, alarm)
        except UnsafeError as error:
            _log.warning("alarms wait: %s", error)
            return _RETRY
        return None

    def _fire(self, alarms: Alarms, alarm: Alarm) -> None:
        method = getattr(alarm.component, alarm.method, None)
        if inspect.iscoroutinefunction(method):
            self._going_on.add(alarm.number)
            task = self._loop.create_task(self._wait_for(alarms, alarm, method))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        with self._application.turn() as turn:
            # First of all: it is refused when nothing can be written, and then nothing was called.
            alarms.advance(alarm.number, self._clock())
            turn.touch_component(alarm.component)
            if method is None:
                _log.error("%s: there is no such method any more", alarm)
                return
            try:
                method(*alarm.arguments)
            except Exception:  # noqa: BLE001 - users' code raises anything
                _log.exception("%s failed", alarm)

    async def _wait_for(
        self, alarms: Alarms, alarm: Alarm, method: Callable[..., Awaitable[object]]
    ) -> None:
        try:
            with self._application.turn() as turn:
                turn.touch_component(alarm.component)
                try:
                    await method(*alarm.arguments)
                except Exception:  # noqa: BLE001 - users' code raises anything
                    _log.exception("%s failed", alarm)
                alarms.advance(alarm.number, self._clock())
        except UnsafeError as error:
            _log.error("%s will be called again: %s", alarm, error)
            await asyncio.sleep(_RETRY)
        finally:
            self._going_on.discard(alarm.number)
            self._changed.set()


KEY: Final = class_name(Alarms)
_clocks: list[AlarmClock] = []


def _seconds(when: datetime | float) -> float:
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise AlarmError(when, "say in which time zone: datetime(..., tzinfo=UTC)")
        return when.timestamp()
    if not math.isfinite(when):
        raise AlarmError(when, "say a time, in seconds since 1970")
    return float(when)


def _checked(component: object, method: str) -> object:
    if not callable(getattr(component, method, None)):
        raise AlarmError(method, f"{class_name(type(component))} has no such method")
    if not is_referred_to(component):
        raise AlarmError(
            component,
            "it is no component, so it would be another after a restart; call a method of one",
        )
    return component
