# Banners of another server, as a page of this one: those of published.py.
from perdure.app.web.proxy.reverseproxy import ReverseProxy

resource = ReverseProxy("unix:banners.sock")
