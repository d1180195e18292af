"""For a proxy in front that tells by the address what it was asked for."""

from perdure.app.web.routing.hosts import VHostMonster, VirtualHosts
from perdure.app.web.static import File


def add(hosts: VirtualHosts, default: File) -> None:
    default.put_child("vhost", VHostMonster(hosts))
