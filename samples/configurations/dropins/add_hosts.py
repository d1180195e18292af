"""A site for each folder, called like its host."""

from pathlib import Path

from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.static import File

FOLDER = Path(__file__).resolve().parents[2] / "hosts"


def add(hosts: VirtualHosts, default: File) -> None:
    """What is there at the start; `HostFolder` notices what comes later, too."""
    for folder in FOLDER.iterdir():
        hosts.add_host(folder.name, File(folder))
