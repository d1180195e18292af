# For a proxy in front that can do no more than lead to another address: what it sends to
# /vhost.rpy/https/example.org:443/ is answered as by https://example.org/. It believes whoever gets
# here, so let nobody but the proxy reach this server.
from pathlib import Path

from perdure.app.web.routing.hosts import VHostMonster
from perdure.app.web.static import DEFAULT_PROCESSORS, File

resource = VHostMonster(File(Path(__file__).parent, processors=DEFAULT_PROCESSORS))
