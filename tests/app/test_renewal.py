"""Several certificates at one port, shown by name, and renewed while it is served."""

import asyncio
import contextlib
import datetime
import logging
import os
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from perdure.app import renewal
from perdure.app.application import Application
from perdure.app.certificates import (
    CertificateError,
    Credential,
    Pair,
    client_context,
    read_credential,
)
from perdure.app.endpoints import TLSEndpoint, parse_endpoint
from perdure.app.renewal import Certificates, renew_all
from perdure.app.web.resource import ErrorPage
from perdure.app.web.service import WebService
from perdure.app.web.site import Site

from ..certificate import Key, new_key, pem_of_certificate, pem_of_key


@pytest.fixture(scope="module")
def key() -> Key:
    return new_key()


@pytest.fixture
def folder(key: Key, tmp_path: Path) -> Path:
    """Certificates in each of the layouts."""
    folder = tmp_path / "certs"
    folder.mkdir()
    write(folder / "a.pem", key, "a.example")
    (folder / "b.pem").write_bytes(pem_of_certificate(key, "b.example", "*.b.example"))
    (folder / "b.key").write_bytes(pem_of_key(key))
    renewed = folder / "c.example"
    renewed.mkdir()
    (renewed / "fullchain.pem").write_bytes(pem_of_certificate(key, "c.example", "a.example"))
    (renewed / "privkey.pem").write_bytes(pem_of_key(key))
    (renewed / "cert.pem").write_bytes(b"not looked at")
    (folder / "README").write_text("neither is this")
    (folder / ".hidden.pem").write_text("nor this")
    return folder


def write(path: Path, key: Key, *names: str, days: float = 30) -> None:
    """Writes a certificate with its key, as one who renews it should: in one instant."""
    beside = path.with_name("." + path.name)
    beside.write_bytes(pem_of_certificate(key, *names, days=days) + pem_of_key(key))
    os.replace(beside, path)


def shown(context: ssl.SSLContext, name: str | None) -> set[str]:
    """The names in the certificate that a client which asks for `name` is shown."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    client = asking.wrap_bio(client_in, client_out, server_hostname=name)
    server = context.wrap_bio(client_out, client_in, server_side=True)
    for each in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            each.do_handshake()
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    return names_of(x509.load_der_x509_certificate(certificate))


def names_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(names.value.get_values_for_type(x509.DNSName))


def certificates(text: str) -> Certificates:
    endpoint = parse_endpoint(text)
    assert isinstance(endpoint, TLSEndpoint)
    return endpoint.certificates()


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("a.example", "a.example"),  # of two for one name, the first
        ("c.example", "c.example"),
        ("b.example", "b.example"),
        ("x.b.example", "b.example"),
        ("X.B.Example", "b.example"),
        ("x.y.b.example", "a.example"),  # a wildcard stands for one part
        ("unknown.example", "a.example"),
        (None, "a.example"),
    ],
)
def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(
    folder: Path, name: str | None, first: str
) -> None:
    context = certificates(f"tls:0:certs={folder}").context
    assert first in shown(context, name)


def test_a_certificate_beside_the_folder_is_for_all_other_names(
    folder: Path, key: Key, tmp_path: Path
) -> None:
    write(tmp_path / "own.pem", key, "own.example")
    context = certificates(f"tls:0:cert={tmp_path}/own.pem:certs={folder}").context
    assert shown(context, None) == shown(context, "unknown.example") == {"own.example"}
    assert "c.example" in shown(context, "c.example")


def test_the_folder_may_be_that_of_one_name(folder: Path) -> None:
    context = certificates(f"tls:0:certs={folder}/c.example").context
    assert "c.example" in shown(context, None)


async def s_client(address: str, *options: str) -> bytes:
    """What openssl says of a connection."""
    client = await asyncio.create_subprocess_exec(
        "openssl",
        *("s_client", "-connect", address, *options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said, _ = await client.communicate()
    return said


def test_openssl_is_shown_them_by_a_web_service(folder: Path, in_a_loop: Any) -> None:
    async def scenario() -> None:
        application = Application("web")
        endpoint = parse_endpoint(f"tls:0:interface=127.0.0.1:certs={folder}")
        web = WebService(Site(ErrorPage(404)), [endpoint])
        services = application.services
        await services.add(web)
        services.belong_to(application)
        await services.bind_up()
        await services.bring_up()
        try:
            address = web.addresses[0].removeprefix("https://").rstrip("/")
            for name, first in (("x.b.example", "b.example"), ("c.example", "c.example")):
                said = await s_client(address, "-servername", name, "-alpn", "h2")
                assert b"ALPN protocol: h2" in said
                assert first in names_of(x509.load_pem_x509_certificate(said))
            for version in ("-tls1", "-tls1_1"):
                said = await s_client(address, version, "-cipher", "ALL:@SECLEVEL=0")
                assert b"no peer certificate available" in said
        finally:
            await services.bring_down()

    in_a_loop(scenario())


def test_the_sane_defaults(folder: Path) -> None:
    context = certificates(f"tls:0:certs={folder}").context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    ciphers = [each["name"] for each in context.get_ciphers()]
    assert all("GCM" in name or "CHACHA20" in name for name in ciphers)
    assert all(name.startswith(("TLS_", "ECDHE")) for name in ciphers)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("nothing", "No such file or directory; name a folder"),
        ("folder", "no certificate is in this folder; it must have NAME.pem"),
        ("file", "Not a directory"),
    ],
)
def test_a_folder_without_certificates_is_said_before_anything_is_opened(
    tmp_path: Path, made: str, said: str
) -> None:
    if made == "folder":
        (tmp_path / "certs").mkdir()
    elif made == "file":
        (tmp_path / "certs").write_text("")
    with pytest.raises(CertificateError) as caught:
        parse_endpoint(f"tls:0:certs={tmp_path}/certs").bind()
    assert said in str(caught.value)


def test_one_bad_file_in_the_folder_is_said_too(folder: Path) -> None:
    (folder / "z.pem").write_text("nothing")
    with pytest.raises(CertificateError, match=r"z\.pem: no certificate is in it"):
        certificates(f"tls:0:certs={folder}")


# Renewal.


def renew(held: Certificates, times: int = 1) -> None:
    for _ in range(times):
        asyncio.run(held.renew())


def test_what_is_renewed_is_shown_and_what_is_added_too(
    folder: Path, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = certificates(f"tls:0:certs={folder}")
    renew(held)
    assert not caplog.records
    other = new_key()
    write(folder / "a.pem", other, "a.example", "new.example", days=90)
    write(folder / "d.pem", key, "d.example")
    (folder / "b.pem").unlink()
    renew(held)
    assert shown(held.context, None) == {"a.example", "new.example"}
    assert shown(held.context, "d.example") == {"d.example"}
    assert "a.example" in shown(held.context, "b.example")
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3
    assert "a.pem is shown, valid until" in caplog.text
    assert "b.pem is gone, and shown no more" in caplog.text


def test_what_is_renewed_while_it_is_read_first_is_shown_as_well(
    folder: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_replace(endpoint: str, pair: Pair, protocols: Sequence[str] = ()) -> Credential:
        monkeypatch.undo()
        credential = read_credential(endpoint, pair, protocols)
        write(folder / "a.pem", key, "new.example", days=90)
        return credential

    monkeypatch.setattr(renewal, "read_credential", read_and_replace)
    held = certificates(f"tls:0:cert={folder}/a.pem")
    assert shown(held.context, None) == {"a.example"}
    renew(held)
    assert shown(held.context, None) == {"new.example"}


def test_a_broken_renewal_keeps_what_there_was_and_is_said_once(
    folder: Path, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = certificates(f"tls:0:certs={folder}")
    (folder / "a.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense")
    renew(held)
    assert not caplog.records  # it may be in the making
    renew(held, 3)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "a.pem: no private key is in it" in record.message
    assert "what was read before is shown on" in record.message
    assert shown(held.context, "a.example") == {"a.example"}
    write(folder / "a.pem", key, "a.example", "again.example", days=90)
    renew(held, 2)
    assert "again.example" in shown(held.context, "a.example")
    assert "can be used again" in caplog.records[1].message
    assert "is shown, valid until" in caplog.records[2].message
    assert len(caplog.records) == 3


def test_two_files_may_be_replaced_one_after_the_other(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = certificates(f"tls:0:certs={folder}/c.example")
    other = new_key()
    (folder / "c.example" / "fullchain.pem").write_bytes(
        pem_of_certificate(other, "c.example", "new.example")
    )
    renew(held)
    assert "new.example" not in shown(held.context, None)
    (folder / "c.example" / "privkey.pem").write_bytes(pem_of_key(other))
    renew(held)
    assert "new.example" in shown(held.context, None)
    assert not caplog.records


def test_a_folder_that_cannot_be_read_any_more_changes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = certificates(f"tls:0:certs={folder}")
    folder.rename(folder.with_name("elsewhere"))
    renew(held, 3)
    assert "b.example" in shown(held.context, "b.example")
    folder.with_name("elsewhere").rename(folder)
    renew(held)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_a_key_that_may_not_be_read_any_more_is_said_with_the_way_out(
    folder: Path, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    held = certificates(f"tls:0:certs={folder}")
    write(folder / "a.pem", key, "a.example", days=90)
    (folder / "a.pem").chmod(0o600)
    for path in (folder, *folder.parents[:-1]):
        path.chmod(path.stat().st_mode | 0o755)
    os.seteuid(65534)
    try:
        renew(held, 3)
    finally:
        os.seteuid(0)
    (record,) = caplog.records
    assert "a.pem: user 65534 may not read it; let the user of the server read it" in record.message


def test_what_expires_is_said_once_a_day(
    tmp_path: Path, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "server.pem", key, "a.example", days=15)
    held = certificates(f"tls:0:cert={tmp_path}/server.pem")
    now = datetime.datetime.now(datetime.UTC)
    for hours in range(0, 24 * 17, 6):
        held.warn(now + datetime.timedelta(hours=hours))
    said = [record.message for record in caplog.records]
    assert len(said) == 16
    assert "server.pem expires in 13 days" in said[0]
    assert "server.pem expires in 0 days" in said[13]
    assert "server.pem has expired" in said[14]
    write(tmp_path / "server.pem", key, "a.example", days=90)
    renew(held)
    held.warn(now + datetime.timedelta(days=18))
    assert len(caplog.records) == 16


def test_a_signal_has_them_looked_at_now(folder: Path, key: Key) -> None:
    async def scenario() -> None:
        held = certificates(f"tls:0:certs={folder}")
        watch = asyncio.create_task(held.watch())
        await asyncio.sleep(0)
        former = held.choose("a.example")
        write(folder / "a.pem", key, "a.example", days=90)
        renew_all()
        while held.choose("a.example") is former:
            await asyncio.sleep(0)
        watch.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 4))


def test_a_server_that_listens_already_shows_what_is_renewed(folder: Path) -> None:
    async def scenario() -> None:
        held = certificates(f"tls:0:certs={folder}")
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=held.context
        )
        port = server.sockets[0].getsockname()[1]
        write(folder / "a.pem", new_key(), "a.example", days=90)
        trusting = client_context(folder / "a.pem")
        await held.renew()
        async with server:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname="a.example"
            )
            assert await reader.read() == b""
            writer.close()

    asyncio.run(scenario())
