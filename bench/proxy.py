"""Requests per second through a reverse proxy, to the same server behind: nginx on the load's core.

The proxy has the other core to itself, which is what is compared: what is in front of it and behind it
is the same for all, and takes turns on the core of the load.
"""

import contextlib
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

from . import peers
from .claims import Verdict
from .http import Comparison, Page, installed, measured
from .ours import LOGGED, ours
from .servers import LOAD_CORE, Launch, Server, running

SIZE = 1024
PATH = "/1k.html"

COMPARISONS = [
    Comparison("proxied 1 KB / nginx", Page("ours", PATH), Page("nginx proxy", PATH), 0.3),
    Comparison(
        "proxied 1 KB, no two requests alike / nginx",
        Page("ours", PATH, varied=True),
        Page("nginx proxy", PATH, varied=True),
        0.3,
    ),
    Comparison("proxied 1 KB / Twisted", Page("ours", PATH), Page("twisted proxy", PATH), 3),
]

_OURS = """\
from perdure.app.web.proxy.reverseproxy import ReverseProxy

class Behind(ReverseProxy):
    def __init__(self):
        super().__init__("tcp:{port}:interface=127.0.0.1")
"""

_TWISTED = """\
from twisted.web.proxy import ReverseProxyResource

class Behind(ReverseProxyResource):
    def __init__(self):
        super().__init__("127.0.0.1", {port}, b"")
"""

# As what Debian ships, and what the manual of `keepalive` says for HTTP.
_NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{
    worker_connections 768;
}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream behind {{
        server 127.0.0.1:{behind};
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def run(folder: Path, rounds: int, seconds: int) -> Iterator[Verdict]:
    """Keep every proxy running, and load one after the other, `rounds` times."""
    site = folder / "behind"
    site.mkdir()
    line = b"<p>The same line again and again.</p>\n"
    (site / PATH[1:]).write_bytes((line * (SIZE // len(line) + 1))[:SIZE])
    with contextlib.ExitStack() as stack:
        nginx = peers.nginx(site)
        if not list(installed([nginx])):
            return
        behind = stack.enter_context(running(nginx, folder, cores=(LOAD_CORE,)))
        pages = folder / "pages"
        pages.mkdir()
        (pages / "ours_behind.py").write_text(_OURS.format(port=behind.port))
        (pages / "twisted_behind.py").write_text(_TWISTED.format(port=behind.port))
        options = ["--class", "ours_behind.Behind", "--pythonpath", str(pages), *LOGGED]
        proxies = [
            ours("ours", options),
            Server("nginx proxy", "nginx", _nginx(behind.port)),
            peers.twisted("twisted proxy", ["--class", "twisted_behind.Behind"], pages),
        ]
        instances = {
            server.name: stack.enter_context(running(server, folder))
            for server in installed(proxies)
        }
        yield from measured(COMPARISONS, instances, rounds, seconds)


def _nginx(behind: int) -> Callable[[Path, int], Launch]:
    def launch(folder: Path, port: int) -> Launch:
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = _NGINX.format(user=user, folder=folder, port=port, behind=behind)
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        return Launch(["nginx", "-e", f"{folder}/error.log", "-c", str(configuration)])

    return launch
