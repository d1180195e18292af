"""Certificates with their keys, the TLS contexts made of them, and what is wrong with the files."""

import datetime
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ..persist.errors import PerdureError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Mozilla's "intermediate" for TLS 1.2: forward secrecy and authenticated encryption only, as all of
# TLS 1.3 is. What the browsers of ten years ago can speak.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


@attrs.define(str=False)
class CertificateError(PerdureError):
    """The certificate or the key of a TLS endpoint cannot be used."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    endpoint: str
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.path}: {self.reason}; {self.remedy}"


@attrs.frozen
class Pair:
    """Where a certificate and its key are: two PEM files, or one."""

    cert: str
    key: str

    def signature(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when one of the files does. Raises `OSError`."""
        found = [os.stat(path) for path in (self.cert, self.key)]
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)


@attrs.frozen
class Credential:
    """A certificate as it was read: a context that shows it, for which names, until when."""

    pair: Pair
    context: ssl.SSLContext
    names: tuple[str, ...]
    expires: datetime.datetime


def read_credential(endpoint: str, pair: Pair, protocols: Sequence[str] = ()) -> Credential:
    """What is in the files of `pair` now. `endpoint` is for messages. Raises `CertificateError`.

    `protocols` are offered by ALPN, the best first. The names are those for which the certificate
    vouches (RFC 9525, 2), in lower case.
    """
    context = server_context(endpoint, pair.cert, pair.key, protocols)
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(Path(pair.cert).read_bytes())
        names = _names(certificate)
    except (OSError, ValueError) as error:
        reason = f"it cannot be read as a certificate ({error})"
        raise CertificateError(endpoint, pair.cert, reason, "make it anew") from error
    return Credential(pair, context, names, certificate.not_valid_after_utc)


def server_context(
    endpoint: str, cert: str, key: str, protocols: Sequence[str] = ()
) -> ssl.SSLContext:
    """A context for serving, with the PEM files `cert` (and its chain) and `key`.

    TLS 1.2 and later, without compression and renegotiation, with ciphers that keep what was
    recorded secret when the key is stolen. `endpoint` is for messages. Raises `CertificateError`.
    """
    pem = {path: _read(endpoint, path) for path in (cert, key)}
    if b"-----BEGIN CERTIFICATE-----" not in pem[cert]:
        raise CertificateError(
            endpoint, cert, "no certificate is in it", "give a PEM file, with cert="
        )
    if b"PRIVATE KEY-----" not in pem[key]:
        raise CertificateError(
            endpoint, key, "no private key is in it", "give a PEM file, with key="
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    if protocols:
        context.set_alpn_protocols(protocols)
    encrypted: list[bool] = []

    def ask() -> str:
        # Without this OpenSSL would ask on the terminal, which a daemon does not have.
        encrypted.append(True)
        return ""

    try:
        context.load_cert_chain(cert, key, password=ask)
    except ssl.SSLError as error:
        if encrypted:
            reason, remedy = "the key needs a passphrase", "store it without: `openssl pkey`"
            raise CertificateError(endpoint, key, reason, remedy) from error
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"the key is not the one of the certificate in {cert}"
            raise CertificateError(endpoint, key, reason, "give the two that match") from error
        where = cert if cert == key else f"{cert} or {key}"
        reason = f"it is damaged or too weak ({error.reason or error})"
        raise CertificateError(endpoint, where, reason, "make it anew") from error
    except (OSError, ValueError) as error:
        raise CertificateError(endpoint, cert, str(error), "give readable PEM files") from error
    return context


def client_context(authorities: Path | None = None) -> ssl.SSLContext:
    """A context for connecting, TLS 1.2 and later, that checks certificates and host names.

    It trusts what the system trusts, or the certificates in the PEM file `authorities` instead.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def find_pairs(endpoint: str, folder: str) -> list[Pair]:
    """The certificates in a folder, by name: ``NAME.pem`` with the key in it or in ``NAME.key``,
    and ``fullchain.pem`` with ``privkey.pem``, there or in ``NAME/``, as ACME clients lay them out.

    Raises `CertificateError` when there are none, or the folder cannot be read.
    """
    try:
        pairs = _pairs_in(Path(folder))
    except OSError as error:
        remedy = "name a folder that this user may read with certs="
        raise CertificateError(endpoint, folder, error.strerror or str(error), remedy) from error
    if not pairs:
        reason = "no certificate is in this folder"
        remedy = "it must have NAME.pem, or NAME/fullchain.pem and NAME/privkey.pem"
        raise CertificateError(endpoint, folder, reason, remedy)
    return pairs


def _pairs_in(folder: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for path in (folder, *sorted(folder.iterdir())):
        chain, key = path / "fullchain.pem", path / "privkey.pem"
        if path.name.startswith("."):
            continue
        if chain.exists() and key.exists():
            pairs.append(Pair(str(chain), str(key)))
            if path == folder:
                return pairs
        elif path.suffix == ".pem" and path.is_file():
            beside = path.with_suffix(".key")
            pairs.append(Pair(str(path), str(beside if beside.exists() else path)))
    return pairs


def _names(certificate: "Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        name.lower().rstrip(".") for name in alternatives.value.get_values_for_type(x509.DNSName)
    )


def _read(endpoint: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "name the PEM file with cert= and key=; relative paths begin where it runs"
        if isinstance(error, PermissionError):
            reason = f"user {os.geteuid()} may not read it"
            remedy = "let the user of the server read it, by its group say, or start it anew"
        raise CertificateError(endpoint, path, reason, remedy) from error
