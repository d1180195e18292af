"""Password records: what is kept instead of a password, and can be compared with one.

They are texts: ``$scrypt$ln=15,r=8,p=3$SALT$HASH`` (RFC 7914; salt and hash in base64 without padding),
which is what is made here, and ``$2y$...``, bcrypt as ``htpasswd -B`` makes it.
"""

import binascii
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from base64 import b64decode, b64encode
from typing import ClassVar, Final

import attrs

from ....persist.errors import PerdureError

_SALT: Final = 16
_HASH: Final = 32
_LONGEST: Final = 1024
_BCRYPT_TAKES: Final = 72
_MOST_MEMORY: Final = 1 << 28
_MOST_ROUNDS: Final = 16

_SCRYPT = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([^$]+)\$([^$]+)", re.ASCII)
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}", re.ASCII)
_OTHERS: Final = (
    ("$apr1$", "MD5 (apr1)"),
    ("$1$", "MD5"),
    ("{SHA}", "SHA-1 without salt"),
    ("$5$", "crypt's SHA-256"),
    ("$6$", "crypt's SHA-512"),
    ("$2", "bcrypt in a form that is not known here"),
    ("$scrypt$", "scrypt in a form that is not known here"),
)


@attrs.define
class PasswordError(PerdureError):
    """A password, or what is kept of one, cannot be used. No message has any part of it."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.frozen
class Cost:
    """What it costs to make, or to try, a password: scrypt's parameters.

    It takes ``128 * r * 2**ln`` bytes for a time that grows with that and with `p`. Raises
    `PasswordError` for more than 256 MB, or nonsense.
    """

    ln: int = 15
    r: int = 8
    p: int = 3

    def __attrs_post_init__(self) -> None:
        if not (self.ln > 0 < self.r and 0 < self.p <= _MOST_ROUNDS) or self.memory > _MOST_MEMORY:
            raise PasswordError(
                f"scrypt with ln={self.ln}, r={self.r}, p={self.p} is not used here"
            )

    @property
    def memory(self) -> int:
        """In bytes, while it is computed."""
        return 128 * self.r << self.ln

    def decoy(self) -> str:
        """A record that no password matches, and that costs as much to try as any."""
        return self._record(secrets.token_bytes(_SALT), bytes(_HASH))

    def record(self, password: str) -> str:
        """What is to be kept of `password`. Slow on purpose. Raises `PasswordError`."""
        text = prepared(password)
        if text is None:
            reason = f"a password has 1 to {_LONGEST} characters, and no control characters"
            raise PasswordError(reason)
        salt = secrets.token_bytes(_SALT)
        return self._record(salt, self.hashed(text, salt, _HASH))

    def hashed(self, text: str, salt: bytes, length: int) -> bytes:
        """What scrypt makes of `text`; other threads can work meanwhile."""
        return hashlib.scrypt(
            text.encode(),
            salt=salt,
            n=1 << self.ln,
            r=self.r,
            p=self.p,
            maxmem=2 * _MOST_MEMORY,
            dklen=length,
        )

    def _record(self, salt: bytes, digest: bytes) -> str:
        return f"$scrypt$ln={self.ln},r={self.r},p={self.p}${_encoded(salt)}${_encoded(digest)}"


STANDARD: Final = Cost()
"""What OWASP's password storage sheet asks for: 32 MB, and a fifth of a second on a small machine."""


def prepared(password: str) -> str | None:
    """`password` in the one form in which it counts (RFC 8265, 4.2); None if it can be none."""
    spaced = "".join(
        " " if unicodedata.category(each) == "Zs" else each for each in password[:4096]
    )
    text = unicodedata.normalize("NFC", spaced)
    if not 0 < len(text) <= _LONGEST or len(password) > 4096:
        return None
    return None if any(unicodedata.category(each) in ("Cc", "Cs") for each in text) else text


def matches(record: str, password: str) -> bool:
    """Whether `record` was made of `password`. Slow on purpose, so never to be called by the loop.

    Raises `PasswordError` for a record that cannot be used; see `check_record`.
    """
    text = prepared(password)
    if _BCRYPT.fullmatch(record):
        import bcrypt

        # As Apache does: bcrypt never took more than this.
        tried = bcrypt.checkpw((text or "").encode()[:_BCRYPT_TAKES], record.encode())
        return tried and text is not None
    cost, salt, digest = _taken_apart(record)
    tried = hmac.compare_digest(cost.hashed(text or "", salt, len(digest)), digest)
    return tried and text is not None


def check_record(record: str) -> None:
    """Raises `PasswordError` if `record` is none that can be used, and says what it seems to be."""
    if not _BCRYPT.fullmatch(record):
        _taken_apart(record)


def cost_of(record: str) -> Cost | None:
    """What it costs to try `record`, if it is scrypt's."""
    return None if _BCRYPT.fullmatch(record) else _taken_apart(record)[0]


def _taken_apart(record: str) -> tuple[Cost, bytes, bytes]:
    match = _SCRYPT.fullmatch(record)
    if match is None:
        kinds = (kind for start, kind in _OTHERS if record.startswith(start))
        raise PasswordError(next(kinds, "plain text, or by crypt"))
    ln, r, p, salt, digest = match.groups()
    try:
        cost = Cost(int(ln), int(r), int(p))
        return cost, _decoded(salt, _SALT // 2), _decoded(digest, _HASH)
    except (binascii.Error, ValueError):
        raise PasswordError("scrypt with a damaged salt or hash") from None


def _encoded(data: bytes) -> str:
    return b64encode(data).rstrip(b"=").decode()


def _decoded(text: str, least: int) -> bytes:
    data = b64decode(text + "=" * (-len(text) % 4), validate=True)
    if not least <= len(data) <= 2 * _HASH:
        raise ValueError(len(data))
    return data
