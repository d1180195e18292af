# For a proxy in front that can do no more than lead to another address: what it sends to
# /vhost.rpy/https/example.org:443/ is answered as by https://example.org/, with all hosts and guards
# of the site that this script is in. It believes whoever gets here, so let nobody but the proxy
# reach this server.
from perdure.app.web.routing.hosts import VHostMonster

resource = VHostMonster()
