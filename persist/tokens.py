"""Single values sealed within a text: as one word, that tells nothing but its length.

A token is ``sealed:``, the name of its key (16 hexadecimal digits), a colon, and base64. The same value
in the same context always makes the same token, so that texts of one content stay the same: AES-SIV
(RFC 5297) is made for that. In another context, or with another key, it opens no more.
"""

import base64
import binascii
import re
from typing import Final, NoReturn, Self

import attrs

from .sealing import Seal, derived
from .trust import Signer

_TOKEN: Final = re.compile(r"sealed:([0-9a-f]{16}):([A-Za-z0-9+/]+={0,2})", re.ASCII)
_PURPOSE: Final = b"the key of sealed values: this signature is never published"


class TokenError(ValueError):
    """A text is no token, or not one of this key and context; the message says which."""


@attrs.frozen
class Tokens:
    """Seals values, and opens them. `name` is that of the key, which is held in memory only."""

    name: str
    _key: bytes = attrs.field(repr=False)

    @classmethod
    def of_user(cls, signer: Signer) -> Self:
        """With a key that follows from this user's own: only this user opens them."""
        return cls._of(derived(signer.sign(_PURPOSE), b"tokens", length=64))

    @classmethod
    def of_seal(cls, seal: Seal) -> Self:
        """With the key of a sealed file: who opens the file opens them."""
        return cls._of(seal.derived(b"tokens", length=64))

    @classmethod
    def _of(cls, key: bytes) -> Self:
        return cls(derived(key, b"name", length=8).hex(), key)

    def seal(self, value: bytes, context: bytes) -> str:
        """The token of `value`, for this place: `context` is to be told again when it is opened."""
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        # AESSIV takes no empty text.
        sealed = AESSIV(self._key).encrypt(b"\0" + value, [context])
        return f"sealed:{self.name}:{base64.b64encode(sealed).decode()}"

    def open(self, token: str, context: bytes) -> bytes:
        """The value. Raises `TokenError`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        match = _TOKEN.fullmatch(token)
        if match is None:
            raise TokenError("expected a sealed value, sealed:KEY:DATA")
        if match[1] != self.name:
            raise TokenError(f"it is sealed with another key ({match[1]}) than this ({self.name})")
        try:
            return AESSIV(self._key).decrypt(base64.b64decode(match[2]), [context])[1:]
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise TokenError("the sealed value was changed, or is of another place") from error

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never saved")
