"""TLS contexts, and what is wrong with certificate files."""

import os
import ssl
from pathlib import Path
from typing import ClassVar

import attrs

from ..persist.errors import PerdureError


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


def server_context(endpoint: str, cert: str, key: str) -> ssl.SSLContext:
    """A context for serving, TLS 1.2 and later, with the PEM files `cert` (and its chain) and `key`.

    `endpoint` is for messages. Raises `CertificateError`.
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


def _read(endpoint: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "name the PEM file with cert= and key=; relative paths begin where it runs"
        raise CertificateError(endpoint, path, reason, remedy) from error
