"""TLS endpoints with certificates made here: what works, and what is wrong with files."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from perdure.app.certificates import CertificateError, client_context
from perdure.app.connecting import ConnectError
from perdure.app.endpoints import TLSEndpoint, parse_endpoint

from ..certificate import Key, new_key, pem_of_certificate, pem_of_key


@pytest.fixture(scope="module")
def key() -> Key:
    return new_key()


@pytest.fixture
def pem(key: Key, tmp_path: Path) -> Path:
    """A file with a certificate and its key."""
    path = tmp_path / "server.pem"
    path.write_bytes(pem_of_certificate(key) + pem_of_key(key))
    return path


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(writer.get_extra_info("ssl_object").version().encode())
    writer.close()


async def greeting(server: TLSEndpoint, context: ssl.SSLContext | None, host: str) -> bytes:
    """What a client gets from a TLS server at `server`."""
    (listener,) = server.bind()
    port = listener.getsockname()[1]
    listening = await asyncio.start_server(greet, sock=listener, ssl=server.ssl_context())
    async with listening:
        client = parse_endpoint(f"tls:{port}:interface={host}")
        reader, writer = await client.open_stream(context=context)
        try:
            return await reader.read()
        finally:
            writer.close()


def server_at(pem: Path, interface: str = "127.0.0.1") -> TLSEndpoint:
    return TLSEndpoint(0, str(pem), interface=interface)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
def test_a_client_that_trusts_the_certificate_is_served(
    pem: Path, host: str, in_a_loop: Any
) -> None:
    answer = in_a_loop(greeting(server_at(pem), client_context(pem), host))
    assert answer == b"TLSv1.3"


def test_a_client_checks_certificates_unless_told_otherwise(pem: Path, in_a_loop: Any) -> None:
    with pytest.raises(ConnectError, match="its certificate is not trusted"):
        in_a_loop(greeting(server_at(pem), None, "localhost"))


def test_a_client_checks_the_name_of_the_host(pem: Path, in_a_loop: Any) -> None:
    with pytest.raises(ConnectError, match="its certificate is not trusted"):
        in_a_loop(greeting(server_at(pem, "0.0.0.0"), client_context(pem), "127.0.0.2"))


def test_a_server_that_does_not_speak_tls_is_noticed(pem: Path, in_a_loop: Any) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(shout, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ConnectError, match="does not speak TLS"):
                await parse_endpoint(f"tls:{port}:interface=127.0.0.1").open_stream()

    async def shout(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    in_a_loop(scenario())


def test_versions_before_1_2_are_not_spoken(pem: Path) -> None:
    context = server_at(pem).ssl_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context().verify_mode is ssl.CERT_REQUIRED
    assert client_context().check_hostname


def test_certificate_and_key_may_be_two_files(key: Key, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_bytes(pem_of_certificate(key))
    (tmp_path / "k.pem").write_bytes(pem_of_key(key))
    endpoint = parse_endpoint(f"tls:0:cert={tmp_path}/c.pem:key={tmp_path}/k.pem")
    assert endpoint.ssl_context() is not None


def with_lines(pem: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    return b"".join(change(pem.splitlines(keepends=True)))


def test_each_thing_wrong_with_the_files_is_said_before_anything_is_opened(
    key: Key, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cert, good = pem_of_certificate(key), pem_of_key(key)
    cases = [
        (None, good, "c.pem: No such file or directory"),
        (cert, None, "k.pem: No such file or directory"),
        (b"", good, "c.pem: no certificate is in it; give a PEM file, with cert="),
        (good, good, "c.pem: no certificate is in it"),
        (cert, cert, "k.pem: no private key is in it; give a PEM file, with key="),
        (cert, pem_of_key(new_key()), "k.pem: the key is not the one of the certificate"),
        (cert, pem_of_key(key, BestAvailableEncryption(b"secret")), "the key needs a passphrase"),
        (with_lines(cert, lambda lines: [*lines[:3], *lines[5:]]), good, "damaged or too weak"),
        (cert, with_lines(good, lambda lines: [lines[0], lines[-1]]), "damaged or too weak"),
    ]
    for number, (cert_pem, key_pem, said) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in (("c.pem", cert_pem), ("k.pem", key_pem)):
            if content is not None:
                (folder / name).write_bytes(content)
        endpoint = TLSEndpoint(1, f"{folder}/c.pem", f"{folder}/k.pem", "192.0.2.77")
        with pytest.raises(CertificateError) as caught:
            endpoint.bind()
        assert said in str(caught.value)
        assert str(caught.value).startswith(str(endpoint))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_status == os.EX_CONFIG
    assert capfd.readouterr() == ("", "")  # nobody was asked for a passphrase


def test_a_folder_is_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="Is a directory"):
        TLSEndpoint(0, str(tmp_path)).bind()


def test_a_client_not_of_ours_is_served_too(pem: Path, in_a_loop: Any) -> None:
    async def scenario() -> str:
        server = server_at(pem)
        (listener,) = server.bind()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        listening = await asyncio.start_server(hello, sock=listener, ssl=server.ssl_context())
        async with listening:
            client = await asyncio.create_subprocess_exec(
                "curl", "-sS", "--cacert", str(pem), url, stdout=subprocess.PIPE
            )
            answer, _ = await client.communicate()
        return answer.decode()

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    assert in_a_loop(scenario()) == "hello"
