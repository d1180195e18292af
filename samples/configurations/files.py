"""A folder of files, of which some are more: which ones, under what names, and of what type."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.programs.cgi import CGIDirectory, CGIScript
from perdure.app.web.script import ResourceScript
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File

samples = Path(__file__).resolve().parents[1]

root = File(
    samples / "pages",
    # What answers for the folder, the preferred first.
    index_names=["index.html", "hello.rpy"],
    # /hours is answered by hours.rpy: nobody sees how it is made.
    ignored_extensions=[".rpy"],
    processors={".rpy": ResourceScript, ".cgi": CGIScript},
)
# Put by hand, these come before files of the same name.
root.put_child("doc", File(samples.parent / "docs", content_types={".md": "text/markdown"}))
root.put_child("cgi-bin", CGIDirectory(samples / "cgi"))

fonts = File(samples / "hosts/harbour.example", content_types={".woff2": "application/font-woff2"})
root.put_child("fonts", fonts)

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("files", services=ServiceCollection([web]))
