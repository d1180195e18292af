"""A site whose replies are compressed on the fly."""

from pathlib import Path

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.web.replies.compression import Compressed
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import DEFAULT_PROCESSORS, File

# On TLS, a page that shows a secret beside what its visitor has typed does not belong in here: by
# the length of replies the secret can be guessed.
root = Compressed(
    File(Path(__file__).resolve().parents[1] / "site", processors=DEFAULT_PROCESSORS),
    codings=["gzip"],
)

web = WebService(Site(root), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("compressed", services=ServiceCollection([web]))
