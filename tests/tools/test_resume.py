"""What the product is for: build, run, stop, resume."""

import re
import signal
from pathlib import Path

import pytest

from .conftest import Workshop


def visitor(text: str) -> int:
    found = re.search(r"visitor[^0-9]*(\d+)", text)
    assert found, text
    return int(found[1])


def test_a_counter_goes_on_where_it_stopped_whatever_is_run_and_rebuilt(
    workshop: Workshop, site: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    assert [visitor(server.get("counter.rpy")) for _ in range(3)] == [1, 2, 3]
    assert server.stop(signal.SIGINT).status == 0
    assert "web-shutdown.snap" in workshop.files()

    server = workshop.start("-f", "web-shutdown.snap")
    assert visitor(server.get("counter.rpy")) == 4
    assert server.stop().status == 0

    workshop.mkapp("web", "--path", site, "--port", "0", "--add-header", "X-Built: again")
    server = workshop.start("-f", "web.snap")
    assert visitor(server.get("counter.rpy")) == 5
    assert server.stop().status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_stops_cleanly_with_a_snapshot(
    workshop: Workshop, site: Path, number: int
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    result = workshop.start("-f", "web.snap").stop(number)
    assert result.status == 0, result
    assert "web-shutdown.snap" in workshop.files()
    assert "web.pid" not in workshop.files()
