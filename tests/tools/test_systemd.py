"""What a supervisor hears, and what it does not."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.tools.systemd import Supervisor


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that this process is told to notify."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
    ):
        heard.bind(f"{folder}/notify")
        heard.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            monkeypatch.delenv(name, raising=False)
        yield heard


def watch(supervisor: Supervisor) -> float | None:
    """How often `supervisor` wants to hear; its line is closed."""
    if supervisor.line is not None:
        supervisor.line.close()
    return supervisor.interval


def test_it_is_told_even_when_its_path_is_hidden_later(listener: socket.socket) -> None:
    supervisor = Supervisor.of_environment()
    Path(listener.getsockname()).unlink()  # as a chroot does it
    for _ in range(2):
        supervisor.tell("READY=1", "MAINPID=1")
        assert listener.recv(100) == b"READY=1\nMAINPID=1"
    assert watch(supervisor) is None
    assert "NOTIFY_SOCKET" not in os.environ


def test_one_that_is_gone_is_no_error(listener: socket.socket) -> None:
    supervisor = Supervisor.of_environment()
    listener.close()
    supervisor.tell("READY=1")
    watch(supervisor)


@pytest.mark.parametrize("address", [None, "", "/nothing/here", "@nobody listens here", "a" * 200])
def test_none_that_listens_is_no_error(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    supervisor = Supervisor.of_environment()
    supervisor.tell("READY=1")
    assert supervisor.line is None


@pytest.mark.parametrize(
    ("period", "pid", "interval"),
    [
        ("3000000", None, 1.5),
        ("3000000", "ours", 1.5),
        ("3000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_a_watch_is_kept_if_it_is_ours(
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    period: str,
    pid: str | None,
    interval: float | None,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", period)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert watch(Supervisor.of_environment()) == interval
    assert not {"WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)
