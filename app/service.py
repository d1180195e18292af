"""Services: what an application starts and stops.

A subclass of `Service` overrides any of the hooks; the application calls the three methods that
surround them:

* `Service.bind_up` calls `Service.bind`: acquire what may need privileges, listening sockets
  above all.
* `Service.bring_up` calls `Service.start`, then runs `Service.run` in the background, if the
  class has one.
* `Service.bring_down` cancels `run`, waits for its end, then calls `Service.stop`.

The three keep `Service.state`, may be called at any time and any number of times, and return when
what they promise is true. Privileges are dropped between `bind_up` and `bring_up`.

What only exists while a service runs (its state, its parent, tasks) is kept outside its
attributes and never captured: a restored or copied service is stopped, whatever the original was
doing. A subclass says with `perdure.persist.persistent` which of its own attributes are such.
"""

import asyncio
import enum
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Self, cast

import attrs

from ..persist.errors import PerdureError
from .restart import Restart

if TYPE_CHECKING:
    from .application import Application

log = logging.getLogger(__name__)


class State(enum.Enum):
    """Where a service is between stopped and running."""

    STOPPED = "stopped"
    BOUND = "bound"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


@attrs.define(str=False)
class ServiceError(PerdureError):
    """A service could not be bound, started or stopped.

    `path` names the service, `phase` is "bind", "start" or "stop", `cause` is what went wrong. The
    exit status is the cause's, if it has one.
    """

    path: str
    phase: str
    cause: Exception

    def __attrs_post_init__(self) -> None:
        # In the instance, over the class's: a port in use must end the command as a port in use.
        status = os.EX_OSERR if isinstance(self.cause, OSError) else type(self).exit_status
        vars(self)["exit_status"] = getattr(self.cause, "exit_status", status)

    def __str__(self) -> str:
        if isinstance(self.cause, PerdureError):
            return f"{self.path}: {self.cause}"
        what = str(self.cause).partition("\n")[0] or "no message"
        return f"{self.path}: cannot {self.phase}: {type(self.cause).__name__}: {what}"


@attrs.define(str=False)
class ServiceTreeError(PerdureError):
    """Services were put together in a way that cannot work; nothing was changed."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    subject: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"service {self.subject}: {self.reason}; {self.remedy}"


@attrs.define(eq=False)
class _Live:
    """What a service is only while the process lives."""

    state: State = State.STOPPED
    parent: "Service | None" = None
    application: "Application | None" = None
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    attempt: asyncio.Future[None] | None = None
    runner: asyncio.Task[None] | None = None


class _Unsaved:
    """Two slots that are there before `__init__` and that no capture or copy takes along.

    They are slots and not attributes, so that a subclass that is an attrs class with slots, or
    writes its own ``__getstate__``, is right without knowing of them.
    """

    __slots__ = ("_live", "on_failure")
    _live: _Live
    on_failure: "Callable[[Service, Exception], None] | None"

    def __getstate__(self) -> object:
        state = super().__getstate__()
        if not isinstance(state, tuple):
            return state
        attributes, slots = cast("tuple[dict[str, object] | None, dict[str, object]]", state)
        kept = {name: slots[name] for name in slots if name not in _Unsaved.__slots__}
        return (attributes, kept) if kept else attributes


def _check_name(service: "Service", _field: object, name: str | None) -> None:
    if name is not None and (not name or "/" in name or not name.isprintable()):
        raise ServiceTreeError(
            repr(name), "a name is printable text without '/'", "choose another, or None"
        )


def _refuse_rename(service: "Service", _field: object, name: str | None) -> str | None:
    if service.parent is not None and name != service.name:
        raise ServiceTreeError(
            service.path,
            f"it cannot be renamed to {name!r} inside its collection",
            "remove it, rename it, and add it again",
        )
    _check_name(service, _field, name)
    return name


@attrs.define(slots=False, eq=False)
class Service(_Unsaved):
    """Something that starts and stops. Subclasses override `bind`, `start`, `run`, `stop`.

    `name` is unique within the parent, or None. A subclass may be a plain class, an attrs class
    or a dataclass. Services are compared by identity.

    `on_failure` of the root of a tree is called with any service of the tree that has failed for
    good and its last exception; without it, the failure is logged as critical. It is not captured.
    """

    name: str | None = attrs.field(
        default=None, kw_only=True, validator=_check_name, on_setattr=_refuse_rename
    )

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Here and not in `__init__`: it is complete before any, and without `super().__init__`."""
        self = super().__new__(cls)
        self._live = _Live()
        self.on_failure = None
        vars(self)["name"] = None
        return self

    restart = Restart()
    """What to do when `run` raises. Set it on the instance: class attributes are not captured."""

    # Without an annotation attrs takes no field: instances keep only a deadline of their own.
    stop_deadline = cast("float | None", 10.0)
    """Seconds that `run` gets to end, and that `stop` gets, before the service is abandoned."""

    async def bind(self) -> None:
        """Acquire what may need privileges. An exception makes the whole start fail."""

    async def start(self) -> None:
        """Start; what was bound is there, privileges are dropped. An exception undoes all."""

    async def run(self) -> None:
        """Do background work until done. It is cancelled before `stop`; see `restart`."""

    async def quiesce(self) -> None:
        """Come to rest, still running: take no new work, return when none is in progress.

        Called before the running state is saved, so that nothing changes afterwards; may be
        cancelled when the patience of whoever stops the application is over. `stop` comes later.
        """

    async def stop(self) -> None:
        """Release what `bind` and `start` acquired. `run` has ended.

        Called once after each `bind`, also when `bind` or `start` has failed halfway: release what
        is there.
        """

    @property
    def state(self) -> State:
        """Where the service is now."""
        return self._live.state

    @property
    def running(self) -> bool:
        """Whether it has started and neither stopped nor failed."""
        return self._live.state is State.RUNNING

    @property
    def parent(self) -> "Service | None":
        """The collection it is in. Not captured: a collection gives it again when restored."""
        return self._live.parent

    @property
    def application(self) -> "Application":
        """The application whose run this service is part of.

        Raises `ServiceTreeError` outside of a run: what is built or restored belongs to nobody yet.
        """
        found = self._root._live.application
        if found is None:
            raise ServiceTreeError(
                self.path, "it is not part of a running application", "run it with rundaemon"
            )
        return found

    @property
    def is_of_application(self) -> bool:
        """Whether there is an `application` now."""
        return self._root._live.application is not None

    @property
    def _root(self) -> "Service":
        service: Service = self
        while service.parent is not None:
            service = service.parent
        return service

    @property
    def path(self) -> str:
        """The names from the root to here, with '/' between; an unnamed one goes by its class."""
        parts: list[str] = []
        service: Service | None = self
        while service is not None:
            parent = service.parent
            if service.name is not None:
                parts.append(service.name)
            elif parent is not None or not parts:
                parts.append(type(service).__name__)
            service = parent
        return "/".join(reversed(parts))

    def belong_to(self, application: "Application") -> None:
        """Be the root of the services of `application`, for as long as the process lives."""
        self._live.application = application

    async def bind_up(self) -> None:
        """Bind, if stopped or failed. On failure everything acquired is released.

        Raises `ServiceError`.
        """
        async with self._live.lock:
            await self._bind()

    async def bring_up(self) -> None:
        """Bind if that is not done, start, and return when running.

        On failure, or when cancelled or overtaken by `bring_down`, everything is undone and the
        service is stopped. Raises `ServiceError`.
        """
        live = self._live
        async with live.lock:
            if live.state is State.RUNNING:
                return
            await self._bind()
            live.state = State.STARTING
            await self._attempt("start", self.start)
            if type(self).run is not Service.run:
                live.runner = asyncio.create_task(self._supervise(), name=self.path)
            live.state = State.RUNNING

    async def bring_down(self) -> None:
        """Stop, wherever it was; a start in progress is cancelled. It is stopped in any case.

        Raises `ServiceError` when `stop` raised, or when it or `run` was abandoned because it
        had not ended within `stop_deadline`.
        """
        live = self._live
        if live.attempt is not None:
            live.attempt.cancel()
        async with live.lock:
            if live.state in (State.STOPPED, State.FAILED):
                live.state = State.STOPPED
                return
            live.state = State.STOPPING
            runner = live.runner
            try:
                await self._release()
            finally:
                live.state = State.STOPPED
                if runner is asyncio.current_task() and runner is not None:
                    runner.cancel()  # run() stopped its own service: it ends at its next await

    def failed(self, service: "Service", error: Exception) -> None:
        """`service`, this one or one below, has failed for good and has been stopped.

        Passes it on to the parent, at the root to `on_failure`. Override it to supervise a subtree:
        the other services go on unless something stops them.
        """
        if self.parent is not None:
            self.parent.failed(service, error)
        elif self.on_failure is not None:
            self.on_failure(service, error)
        else:
            log.critical("%s has failed for good: %r", service.path, error)

    async def _bind(self) -> None:
        if self._live.state in (State.STOPPED, State.FAILED):
            await self._attempt("bind", self.bind)
            self._live.state = State.BOUND

    async def _attempt(self, phase: str, hook: Callable[[], Awaitable[None]]) -> None:
        """Call a hook; if it fails, release everything and say which service it was."""
        live = self._live
        attempt = live.attempt = asyncio.ensure_future(hook())
        try:
            await attempt
        except BaseException as error:
            live.attempt = None
            live.state = State.STOPPING
            try:
                await self._release()
            except (ServiceError, ExceptionGroup) as also:
                error.add_note(f"while giving up: {also}")
                log.error("%s: while giving up: %s", self.path, also)
            finally:
                live.state = State.STOPPED
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and not task.cancelling():
                raise ServiceError(self.path, phase, InterruptedError("it was stopped")) from error
            if not isinstance(error, Exception) or isinstance(error, ServiceError):
                raise
            raise ServiceError(self.path, phase, error) from error
        finally:
            live.attempt = None

    async def _release(self) -> None:
        """End `run`, call `stop`; raise one `ServiceError` for whatever went wrong."""
        problems: list[Exception] = []
        runner, self._live.runner = self._live.runner, None
        if runner is not None and runner is not asyncio.current_task():
            runner.cancel()
            problems += await self._settle(runner, "run")
        problems += await self._settle(asyncio.ensure_future(self.stop()), "stop")
        if not problems:
            return
        first, *others = problems
        for other in others:
            first.add_note(f"and: {other!r}")
        if _is_explained(first):
            raise first
        raise ServiceError(self.path, "stop", first) from first

    async def _settle(self, task: asyncio.Future[None], hook: str) -> list[Exception]:
        """Wait for the task until the deadline; give what went wrong."""
        try:
            done, _ = await asyncio.wait({task}, timeout=self.stop_deadline)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.add_done_callback(_retrieve)
            task.cancel()
            return [TimeoutError(f"{hook}() had not ended after {self.stop_deadline:g} s")]
        error = None if task.cancelled() else task.exception()
        return [error] if isinstance(error, Exception) else []

    async def _supervise(self) -> None:
        """Keep `run` going as `restart` says, until it returns or has failed for good."""
        failure = await self.restart.keep_going(self.run, self.path)
        if failure is None:
            return
        async with self._live.lock:
            try:
                await self._release()
            except (ServiceError, ExceptionGroup) as also:
                log.error("%s: while giving up: %s", self.path, also)
            self._live.state = State.FAILED
        try:
            self.failed(self, failure)
        except Exception:
            log.exception("%s: its failure could not be reported", self.path)


def _is_explained(error: Exception) -> bool:
    """Whether it already says which services it is about."""
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return all(isinstance(each, ServiceError) for each in group.exceptions)
    return isinstance(error, ServiceError)


def _retrieve(task: asyncio.Future[None]) -> None:
    """Log how an abandoned task ended after all."""
    if not task.cancelled() and task.exception() is not None:
        log.error("an abandoned task failed later: %r", task.exception())
