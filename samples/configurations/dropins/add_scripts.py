"""Scripts, under addresses that do not tell."""

from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.script import ResourceScript
from perdure.app.web.static import File


def add(hosts: VirtualHosts, default: File) -> None:
    default.processors = {**default.processors, ".rpy": ResourceScript}
    default.ignored_extensions = [*default.ignored_extensions, ".rpy"]
