"""The peers: each as strong as its own defaults allow, on one worker."""

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path

from .servers import Launch, Server

PAGES = Path(__file__).with_name("pages")
BIN = Path(sys.executable).parent

# The nginx.conf that Debian ships, but for one worker instead of one a core, and places of its own.
NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{
    worker_connections 768;
}}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {folder}/access.log;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {site};
    }}
}}
"""


def nginx(site: Path) -> Server:
    """nginx on the folder `site`, with Debian's configuration: access log on, sendfile on."""

    def launch(folder: Path, port: int) -> Launch:
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = NGINX.format(user=user, folder=folder, site=site, port=port)
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        return Launch(["nginx", "-e", f"{folder}/error.log", "-c", str(configuration)])

    return Server("nginx", "nginx", launch)


def caddy(site: Path) -> Server:
    """`caddy file-server` on the folder `site`, with its access log."""

    def launch(folder: Path, port: int) -> Launch:
        listen = f"127.0.0.1:{port}"
        command = ["caddy", "file-server", "--root", str(site), "--listen", listen, "--access-log"]
        # Caddy writes certificates and its last configuration into the user's home otherwise.
        return Launch(command, {"HOME": str(folder), "XDG_DATA_HOME": str(folder)})

    return Server("caddy", "caddy", launch)


def twisted_files(site: Path) -> Server:
    """`twistd web --path` on the folder `site`, with its access log."""
    return twisted("twisted files", ["--path", str(site)])


def twisted_hello() -> Server:
    """`twistd web --class` on a resource that says hello, with its access log."""
    return twisted("twisted hello", ["--class", "twisted_hello.Hello"])


def twisted(name: str, options: list[str], pages: Path = PAGES) -> Server:
    """`twistd web` with `options`, which may name what is in the folder `pages`."""

    def launch(folder: Path, port: int) -> Launch:
        daemon = [str(BIN / "twistd"), "-n", "--pidfile", "", "--logfile", "twistd.log"]
        listen = f"tcp:{port}:interface=127.0.0.1"
        web = ["web", "--listen", listen, "--logfile", "access.log", *options]
        return Launch([*daemon, *web], {"PYTHONPATH": str(pages)})

    return Server(name, str(BIN / "twistd"), launch)


def uvicorn(
    *options: str,
    name: str = "uvicorn",
    application: str = "asgi_hello:hello",
    environment: Mapping[str, str] | None = None,
) -> Server:
    """uvicorn on a page of the bench, by default a bare ASGI function, with httptools and uvloop."""

    def launch(folder: Path, port: int) -> Launch:
        places = ["--host", "127.0.0.1", "--port", str(port), "--app-dir", str(PAGES)]
        fastest = ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off"]
        command = [str(BIN / "uvicorn"), application, *places, *fastest, *options]
        return Launch(command, environment or {})

    return Server(name, str(BIN / "uvicorn"), launch)
