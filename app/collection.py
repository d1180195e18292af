"""A service made of services."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import cast

from ..persist.persistent import persistent
from .service import Service, ServiceError, ServiceTreeError, State


@persistent
class ServiceCollection(Service):
    """Services that start in order and stop in reverse, each awaited before the next.

    All are bound before any is started. If one cannot be bound or started, all are stopped, in
    reverse, and the error names the one. Stopping goes on past services that fail to stop and
    then raises an `ExceptionGroup` of their `ServiceError`. Names are unique among the children;
    unnamed ones are allowed.

    Build it with the constructor or `append`; change it while it runs with `add` and `remove`.
    """

    stop_deadline = None
    """Its children have one each."""

    def __init__(self, services: Iterable[Service] = (), *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._services: list[Service] = []
        for service in services:
            self.append(service)

    def __iter__(self) -> Iterator[Service]:
        """The children, in the order in which they start."""
        return iter(tuple(self._services))

    def __len__(self) -> int:
        return len(self._services)

    def __bool__(self) -> bool:
        return True  # an empty collection is a service, not nothing

    def get(self, name: str) -> Service | None:
        """The child of this name, or None."""
        return next((child for child in self._services if child.name == name), None)

    def append(self, service: Service) -> None:
        """Put a service at the end of a collection that does not run.

        Raises `ServiceTreeError` when this collection runs (`add` is for that), the name is taken,
        the service is in a collection already or contains this one, or runs.
        """
        if self.state not in (State.STOPPED, State.FAILED):
            raise ServiceTreeError(
                self.path, f"it is {self.state.value}", "use `await add(...)` to change it now"
            )
        if service.state not in (State.STOPPED, State.FAILED):
            raise ServiceTreeError(
                service.path, f"it is {service.state.value}", "stop it before it is put elsewhere"
            )
        self._adopt(service)

    async def add(self, service: Service) -> None:
        """Put a service at the end; bind and start it if that has been done to this collection.

        If it cannot start it is left out again and its `ServiceError` raised. Raises
        `ServiceTreeError` as `append` does, and while the collection is stopping.
        """
        if self.state in (State.STOPPED, State.FAILED):
            self.append(service)
            return
        if self.state is State.STOPPING:
            raise ServiceTreeError(self.path, "it is stopping", "add before or after that")
        self._adopt(service)
        try:
            if self.state is State.RUNNING:
                await service.bring_up()
            else:
                await service.bind_up()
        except BaseException:
            self._disown(service)
            raise

    async def remove(self, service: Service | str) -> Service:
        """Stop a child, given itself or its name, and take it out; return it.

        It is out even when stopping it raises `ServiceError`. Raises `ServiceTreeError` for what
        is not a child.
        """
        child = self.get(service) if isinstance(service, str) else service
        if child is None or child.parent is not self:
            names = ", ".join(sorted(each.name for each in self._services if each.name))
            raise ServiceTreeError(
                service if isinstance(service, str) else service.path,
                f"it is not in {self.path}",
                f"the named ones there are: {names or 'none'}",
            )
        try:
            await child.bring_down()
        finally:
            self._disown(child)
        return child

    async def bind(self) -> None:
        self._give_parents()  # a subclass may have an after_restore of its own
        for child in self._services:
            await child.bind_up()

    async def start(self) -> None:
        for child in self._services:
            await child.bring_up()

    async def quiesce(self) -> None:
        """All children at once; raises an `ExceptionGroup` of what they raised."""
        outcomes = await asyncio.gather(
            *(child.quiesce() for child in self._services if child.running), return_exceptions=True
        )
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {self.path} did not come to rest", errors)

    async def stop(self) -> None:
        errors: list[ServiceError] = []
        for child in reversed(tuple(self._services)):
            try:
                await child.bring_down()
            except (ServiceError, ExceptionGroup) as error:
                errors += _flat(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {self.path} did not stop cleanly", errors)

    def after_restore(self) -> None:
        """Give the children their parent, which no snapshot holds."""
        self._give_parents()

    def _give_parents(self) -> None:
        for child in self._services:
            _set_parent(child, self)

    def _adopt(self, service: Service) -> None:
        if service.parent is not None:
            raise ServiceTreeError(
                service.path, f"it is in {service.parent.path} already", "remove it there first"
            )
        ancestor: Service | None = self
        while ancestor is not None:
            if ancestor is service:
                raise ServiceTreeError(service.path, "it would contain itself", "add another")
            ancestor = ancestor.parent
        taken = None if service.name is None else self.get(service.name)
        if taken is not None:
            raise ServiceTreeError(
                repr(service.name),
                f"{self.path} has one of this name already: {taken!r}, besides {service!r}",
                "give one of them another name",
            )
        self._services.append(service)
        _set_parent(service, self)

    def _disown(self, service: Service) -> None:
        self._services[:] = [child for child in self._services if child is not service]
        _set_parent(service, None)


def _set_parent(service: Service, parent: ServiceCollection | None) -> None:
    # A collection alone decides this: there is no method for anybody else.
    service._live.parent = parent  # pyright: ignore[reportPrivateUsage]


def _flat(error: ServiceError | ExceptionGroup[Exception]) -> list[ServiceError]:
    """The errors of single services in what `bring_down` of a service or collection raised."""
    if isinstance(error, ServiceError):
        return [error]
    return [one for each in error.exceptions for one in _flat(cast("ServiceError", each))]
