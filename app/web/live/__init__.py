"""Pages that go on talking: WebSockets and event streams."""
