"""Applications written for other interfaces: WSGI and ASGI."""
