"""What the records of an application's components refer to."""

from typing import TYPE_CHECKING

from ..persist.references import References
from .collection import ServiceCollection
from .registry import Registry
from .service import Service

if TYPE_CHECKING:
    from .application import Application

_APPLICATION = "/"
_REGISTRY = "/registry"
_SERVICES = "/services"


class ApplicationReferences(References):
    """The components by their keys, and the application, its registry and services by their paths.

    So a component may hold any of these without having it in its record. A service that has no name
    goes by its class and its place among those of its class.
    """

    def __init__(self, application: "Application") -> None:
        super().__init__(application.registry.components)
        self._application = application
        self.kinds = (type(application), Registry, Service)

    def name_of(self, item: object) -> str | None:
        """The path of a part of this application; None for what is a part of none, or another's."""
        application = self._application
        if item is application:
            return _APPLICATION
        if item is application.registry:
            return _REGISTRY
        parts: list[str] = []
        service = item
        while isinstance(service, Service) and service is not application.services:
            parent = service.parent
            if not isinstance(parent, ServiceCollection):
                return None
            parts.append(_part(service, parent))
            service = parent
        if service is not application.services:
            return None
        return "/".join((_SERVICES, *reversed(parts)))

    def named(self, key: str) -> object | None:
        """The part of the application at this path, or a component that was not `put` yet."""
        component = self._application.registry.components.get(key)
        if component is not None:
            return component
        if key == _APPLICATION:
            return self._application
        if key == _REGISTRY:
            return self._application.registry
        if key != _SERVICES and not key.startswith(f"{_SERVICES}/"):
            return None
        parts = key.split("/")[2:]
        found: Service = self._application.services
        for part in parts:
            children = found if isinstance(found, ServiceCollection) else ()
            named = next((child for child in children if _part(child, found) == part), None)
            if named is None:
                return None
            found = named
        return found


def _part(service: Service, parent: Service) -> str:
    if service.name is not None:
        return service.name
    kind = type(service)
    alike = [
        child
        for child in (parent if isinstance(parent, ServiceCollection) else ())
        if child.name is None and type(child) is kind
    ]
    number = next(number for number, child in enumerate(alike) if child is service)
    # A name has no "#" after a class's name but by a person who wants it there; order decides then.
    return f"{kind.__name__}#{number}"
