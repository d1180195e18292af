"""An application of its own, as a part of this site: banners, at /banners/."""

from pathlib import Path

from perdure.app.web.routing.hosts import VirtualHosts
from perdure.app.web.script import ScriptRoot
from perdure.app.web.static import File

SCRIPT = Path(__file__).resolve().parents[2] / "banners/inside.rpy"


def add(hosts: VirtualHosts, default: File) -> None:
    default.put_child("banners", ScriptRoot(SCRIPT))
