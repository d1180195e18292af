"""The key with which an application signs what it gives to strangers, to know it again."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

import attrs

from ...persist.secret import Secret

_LENGTH = 32


def _new_key() -> Secret[bytes]:
    return Secret(secrets.token_bytes(_LENGTH))


@attrs.define(eq=False)
class SigningKey:
    """256 random bits; a component of the registry, made when something is first to be signed.

    It is part of the application's state: what was signed is known again after a restart. Text
    forms have it sealed. Whoever wants that nothing signed so far counts any more removes it.
    """

    _key: Secret[bytes] = attrs.field(factory=_new_key)

    def sign(self, purpose: str, message: str) -> str:
        """The signature of `message`: 43 characters that a cookie, a form and a URL can have.

        What is signed for one `purpose`, which has no NUL, is signed for no other. It is HMAC-SHA256.
        """
        signed = f"{purpose}\0{message}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key.reveal(), signed, sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_signed(self, purpose: str, message: str, signature: str) -> bool:
        """Whether `signature` is that of `message`, found in a time that tells nothing else."""
        expected = self.sign(purpose, message)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
