"""The classical server of many people: their pages, programs, documents, and a user to run as."""

import os
from pathlib import Path

from perdure.app.application import Application, ProcessSettings
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.programs.cgi import CGIDirectory
from perdure.app.web.routing.rewriting import Rewritten, TildeToUsers
from perdure.app.web.routing.userfolder import UserFolder
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import DEFAULT_PROCESSORS, File

samples = Path(__file__).resolve().parents[1]

root = File(
    samples / "site",
    processors=DEFAULT_PROCESSORS,
    index_names=["index", "index.html", "index.xhtml", "index.rpy", "index.cgi"],
)
root.put_child("users", UserFolder())
root.put_child("cgi-bin", CGIDirectory(samples / "cgi"))
root.put_child("doc", File(samples.parent / "docs"))

# /~ada/ is what /users/ada/ is.
top = Rewritten(root, [TildeToUsers()])

web = WebService(Site(top), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
# Ports below 1024 are opened by root, who then becomes somebody else.
process = ProcessSettings(uid="www-data", gid="www-data") if not os.getuid() else ProcessSettings()
application = Application("university", services=ServiceCollection([web]), process=process)
