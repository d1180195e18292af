"""Endpoints on real sockets: listening, connecting, and what is in the way of it."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from perdure.app.connecting import ConnectError
from perdure.app.endpoints import Endpoint, describe, parse_endpoint
from perdure.app.listening import BindError, BindPermissionError, UNIXListener

HAS_IPV6 = Path("/proc/net/if_inet6").exists() and bool(
    Path("/proc/net/if_inet6").read_text().strip()
)
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Closes what is put into it."""
    with ExitStack() as stack:
        yield stack


def bound(held: ExitStack, text: str) -> list[socket.socket]:
    sockets = parse_endpoint(text).bind()
    for each in sockets:
        held.enter_context(closing(each))
    return sockets


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def echoed(listener: socket.socket, client: Endpoint) -> bytes:
    """What comes back from a server on `listener` when `client` sends it a line."""
    server = await asyncio.start_server(echo, sock=listener)
    async with server:
        reader, writer = await client.open_stream()
        writer.write(b"light\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "interface", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6), "localhost"]
)
def test_a_server_can_be_talked_to(interface: str, held: ExitStack, in_a_loop: Any) -> None:
    escaped = interface.replace(":", "\\:")
    listener = bound(held, f"tcp:0:interface={escaped}")[0]
    host, _, port = describe(listener).rpartition(":")
    assert host in (interface, f"[{interface}]", "127.0.0.1", "[::1]")
    client = parse_endpoint(f"tcp:{port}:interface={escaped}")
    assert in_a_loop(echoed(listener, client)) == b"light\n"


@needs_ipv6
def test_no_interface_is_every_address_at_one_port(held: ExitStack) -> None:
    four, six = bound(held, "tcp:0")
    assert (four.family, six.family) == (socket.AF_INET, socket.AF_INET6)
    assert port_of(four) == port_of(six) != 0
    assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, port_of(four)), timeout=5):
            pass


def test_sockets_do_not_block_and_are_not_inherited(held: ExitStack) -> None:
    for listener in bound(held, "tcp:0"):
        assert not listener.getblocking()
        assert not listener.get_inheritable()


def test_a_port_is_free_again_at_once_after_it_was_used(held: ExitStack) -> None:
    with closing(bound(held, "tcp:0:interface=127.0.0.1")[0]) as first:
        port = port_of(first)
        client = socket.create_connection(("127.0.0.1", port))
        first.setblocking(True)
        served, _ = first.accept()
        served.close()  # the server closes first: this port is in TIME_WAIT now
        client.close()
    assert port_of(bound(held, f"tcp:{port}:interface=127.0.0.1")[0]) == port


def test_a_port_in_use_is_refused_and_leaves_nothing_open(held: ExitStack) -> None:
    port = port_of(bound(held, "tcp:0:interface=127.0.0.1")[0])
    for text in (
        f"tcp:{port}:interface=127.0.0.1",
        f"tcp:{port}",
        f"tcp:{port}:interface=localhost",
    ):
        with pytest.raises(BindError, match="another process listens there") as caught:
            bound(held, text)
        assert caught.value.endpoint == text
        assert caught.value.exit_status == os.EX_UNAVAILABLE
    if HAS_IPV6:
        bound(held, f"tcp:{port}:interface=\\:\\:1")


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ("192.0.2.77", "this machine does not have that address"),
        ("no.such.host.invalid", "the interface 'no.such.host.invalid' is not known"),
        ("a" * 70 + ".invalid", "is not known"),
    ],
)
def test_an_address_of_somebody_else_is_refused(interface: str, said: str, held: ExitStack) -> None:
    with pytest.raises(BindError, match=said):
        bound(held, f"tcp:0:interface={interface}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_port_of_root_is_refused_to_others() -> None:
    program = (
        "from perdure.app.endpoints import parse_endpoint\n"
        "from perdure.app.privileges import Identity, drop\n"
        "drop(Identity(65534, 65534))\n"
        "try: parse_endpoint('tcp:81:interface=127.0.0.1').bind()\n"
        "except Exception as error: print(type(error).__name__, error.exit_status, error)\n"
    )
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not limit.exists() or int(limit.read_text()) <= 81:
        pytest.skip("this system lets anybody have any port")
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(f"{BindPermissionError.__name__} {os.EX_NOPERM} tcp:81:")
    assert "choose a port from 1024" in said


def test_a_unix_socket_can_be_talked_to_and_leaves_nothing_behind(
    held: ExitStack, tmp_path: Path, in_a_loop: Any
) -> None:
    path = tmp_path / "web.sock"
    endpoint = parse_endpoint(f"unix:{path}")
    (listener,) = bound(held, str(endpoint))
    assert describe(listener) == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert in_a_loop(echoed(listener, endpoint)) == b"light\n"
    for _ in range(2):
        endpoint.release(listener)
        assert not path.exists()


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o777])
def test_the_file_of_a_unix_socket_has_its_mode_whatever_the_umask(
    mode: int, held: ExitStack, tmp_path: Path
) -> None:
    umask = os.umask(0o077)
    try:
        bound(held, f"unix:{tmp_path}/s:mode={mode:o}")
    finally:
        assert os.umask(umask) == 0o077
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == mode


def test_a_relative_path_is_found_again_from_another_folder(
    held: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (listener,) = bound(held, "unix:s")
    monkeypatch.chdir("/")
    listener.close()
    assert not (tmp_path / "s").exists()


def test_a_socket_left_by_the_dead_is_replaced(held: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    bound(held, f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_somebody_answers_at_is_left_alone(held: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound(held, f"unix:{path}:backlog=1")
    before = path.stat().st_ino
    # Twice and more: the probes fill the queue, and a full queue is an answer too.
    for _ in range(4):
        with pytest.raises(BindError, match="another process listens there"):
            bound(held, f"unix:{path}")
    assert path.stat().st_ino == before


def test_a_plain_file_is_never_replaced(held: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(BindError, match="is there already and is not a socket"):
        bound(held, f"unix:{path}")
    assert path.read_text() == "precious"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BindError, match="is there already"):
        bound(held, f"unix:{link}")


def test_closing_removes_only_the_file_that_is_ours(held: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "s"
    (first,) = bound(held, f"unix:{path}")
    path.unlink()
    bound(held, f"unix:{path}")
    first.close()
    assert path.is_socket()


def test_a_child_that_closes_a_socket_does_not_remove_its_file(
    held: ExitStack, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    (listener,) = bound(held, f"unix:{path}")
    assert isinstance(listener, UNIXListener)
    child = os.fork()
    if not child:
        listener.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert path.is_socket()


@pytest.mark.parametrize(
    ("path", "said"),
    [("missing/s", "there is no such folder"), ("x" * 200, "choose a path of at most 107 bytes")],
)
def test_a_path_where_no_socket_can_be_is_refused(
    path: str, said: str, held: ExitStack, tmp_path: Path
) -> None:
    with pytest.raises(BindError, match=said):
        bound(held, f"unix:{tmp_path}/{path}")
    assert list(tmp_path.iterdir()) == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return port_of(server)


def test_where_nobody_listens_nobody_answers(tmp_path: Path, in_a_loop: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectError, match="nobody listens there") as caught:
            await parse_endpoint(f"tcp:{free_port()}:interface=127.0.0.1").open_stream()
        assert caught.value.exit_status == os.EX_UNAVAILABLE
        with pytest.raises(ConnectError, match="No such file"):
            await parse_endpoint(f"unix:{tmp_path}/s").open_stream()
        with pytest.raises(ConnectError, match="see whether host or path is right"):
            await parse_endpoint("tcp:80:interface=no.such.host.invalid").open_stream()

    in_a_loop(scenario())


def test_connecting_does_not_take_for_ever(in_a_loop: Any) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = port_of(full)
            with ExitStack() as waiting:
                # A full queue drops further attempts: they would be repeated for minutes.
                for _ in range(4):
                    client = waiting.enter_context(socket.socket())
                    client.setblocking(False)
                    client.connect_ex(("127.0.0.1", port))
                endpoint = parse_endpoint(f"tcp:{port}:interface=127.0.0.1")
                with pytest.raises(ConnectError, match=r"no connection within 0\.1 s"):
                    await endpoint.open_stream(timeout=0.1)

    in_a_loop(scenario())
