"""A server of its own, at a port that nobody reaches from outside, shown at /blog.rpy/ here."""

from perdure.app.web.proxy.reverseproxy import ReverseProxy

resource = ReverseProxy("tcp:81:interface=localhost", "/")
