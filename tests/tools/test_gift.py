"""A saved state that is run where there is nothing else of the application."""

import shutil
from pathlib import Path

from .conftest import Workshop


def test_it_is_not_said_to_leave_anything_aside(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    server.get("counter.rpy")
    assert server.stop().status == 0
    empty = workshop.folder / "empty"
    empty.mkdir()
    gift = shutil.copy(workshop.folder / "web-shutdown.snap", empty / "gift.snap")
    server = workshop.start("-f", gift, "--rundir", empty)
    assert "visitor 2" in server.get("counter.rpy")
    result = server.stop()
    assert "aside" not in result.out + result.err
