r"""Encryption at rest: what a sealed file or record consists of, and how it is made and opened.

**Keys.** A *secret* is a passphrase, or the 32 bytes of a key file. An application has a random *data
key*, which every file of it is sealed with. The *envelope* holds the data key, sealed with the secret,
and stands in the clear at the head of each file::

    1 scrypt n=131072 r=8 p=1 salt=.. key=.. check=.. wrapped=.. sum=..
    1 file salt=.. key=.. check=.. wrapped=.. sum=..

    salt      16 random bytes, new for each envelope; here and below in hexadecimal
    key       8 bytes that name the data key, and tell nothing of it
    check     8 bytes by which a wrong secret is told from damage
    wrapped   the data key: AES-256-GCM, nonce of zeros, the words before ``check`` authenticated
    sum       the first 8 bytes of the SHA-256 of all before

    master  = scrypt(passphrase, salt, n, r, p), or HKDF(bytes of the key file, salt, "key file")
    check   = HKDF(master, "check"), wrapping key = HKDF(master, "wrap"), key = HKDF(data key, "name")

HKDF is that of RFC 5869 with SHA-256 and 32 bytes unless said otherwise, and ``perdure`` with a blank
before each purpose. So scrypt (RFC 7914) is computed once for a run, and a checkpoint computes none.
Another passphrase is another envelope around the same data key: what was sealed before can be opened
by whoever opens one envelope of that key. Parameters that a file asks for are bounded before any
memory is taken: `n` a power of two from 2**14 to 2**20, `r` up to 32, `p` up to 4, and 1 GiB at most.

**Blocks.** A content of any length, such as that of a snapshot, is sealed in chunks::

    32 bytes                  random, from which the block has its own key
    1 MiB + 16, and so on     each chunk under AES-256-GCM; the last is shorter, and may be empty

    key   = HKDF(data key, salt = the 32 bytes, "block")
    nonce = the number of the chunk, from 0, in 11 bytes; then 1 for the last chunk, and 0 for others
    authenticated as well: the SHA-256 of the head, which is all of the file before the block

That is the construction STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption,
2015). Chunks that were changed, swapped, repeated, left out or cut off at the end, those of another
file, and a head that was changed, all fail to open.

**Records.** Of each frame of a journal (see `frames`) the body is sealed by itself::

    8 bytes    the name of the data key
    12 bytes   random: the nonce
    ...        the body under AES-256-GCM; bytes 8 to 31 of the frame are authenticated as well

    key   = HKDF(data key, "journal", a zero byte, the application, a zero byte, the segment's number)

The nonce is in the frame, and not counted from a salt in the segment's head: so the frames outlive a
head that is damaged, and a segment that is begun a second time under its number repeats none.

What is sealed can be neither read nor changed without the secret. Seen can be its length, when it was
written, and how often. While an application runs, its keys and contents are in its memory.
"""

import functools
import hashlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NoReturn, Self

import attrs

from .errors import PerdureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK: Final = 1 << 20
OVERHEAD: Final = 36
"""How many bytes longer a sealed body of a frame is."""
_TAG: Final = 16
_BLOCK_SALT: Final = 32
_NAME: Final = 8
_NONCE: Final = 12
_ZEROS: Final = bytes(_NONCE)
_NUMBERS: Final = {"n": (1 << 14, 1 << 20), "r": (1, 32), "p": (1, 4)}
_MOST_MEMORY: Final = 1 << 30
# What takes 128 MB and a quarter of a second today (OWASP's first choice for scrypt).
_SCRYPT: Final = (1 << 17, 8, 1)
_ENVELOPE: Final = re.compile(
    r"1 (?:scrypt n=(?P<n>\d{1,15}) r=(?P<r>\d{1,15}) p=(?P<p>\d{1,15})|file)"
    r" salt=(?P<salt>[0-9a-f]{32}) key=(?P<name>[0-9a-f]{16}) check=(?P<check>[0-9a-f]{16})"
    r" wrapped=(?P<wrapped>[0-9a-f]{96}) sum=(?P<sum>[0-9a-f]{16})",
    re.ASCII,
)

Kind = Literal["passphrase", "key file"]


class EnvelopeError(ValueError):
    """This is no envelope, or one that asks for too much; the message says how."""


class TamperedError(ValueError):
    """What is sealed is not as it was when it was sealed; the message says where."""


@attrs.define
class WrongSecretError(PerdureError):
    """A secret is not that of an envelope."""

    kind: Kind
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        return f"the {self.kind} is not the one it was sealed with"


@attrs.frozen
class Secret:
    """What a person keeps: the bytes of a passphrase, or the 32 of a key file."""

    kind: Kind
    _value: bytes = attrs.field(repr=False)

    def master(self, envelope: "Envelope") -> bytes:
        """The key that follows from it for this envelope, whose kind is the same."""
        if self.kind == "key file":
            return derived(self._value, b"key file", envelope.salt)
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        n, r, p = envelope.scrypt or _SCRYPT
        return Scrypt(salt=envelope.salt, length=32, n=n, r=r, p=p).derive(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never saved")


@attrs.frozen
class Envelope:
    """What is in the clear at the head of what is sealed. `scrypt` is n, r and p, for a passphrase."""

    salt: bytes
    name: bytes
    check: bytes
    wrapped: bytes
    scrypt: tuple[int, int, int] | None

    @property
    def kind(self) -> Kind:
        """What opens it."""
        return "key file" if self.scrypt is None else "passphrase"

    def __str__(self) -> str:
        """Its one line of text."""
        text = f"{self._facts()} check={self.check.hex()} wrapped={self.wrapped.hex()}"
        return f"{text} sum={_sum(text)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` gave. Raises `EnvelopeError`, also for parameters beyond the bounds."""
        match = _ENVELOPE.fullmatch(text)
        if match is None:
            if re.match(r"\d{1,9} ", text) and not text.startswith("1 "):
                raise EnvelopeError("it is sealed in a newer way; take a newer Perdure")
            raise EnvelopeError("it does not say how it is sealed, or that is damaged")
        if _sum(text.rpartition(" sum=")[0]) != match["sum"]:
            raise EnvelopeError("what it says of how it is sealed is damaged")
        scrypt = None
        if match["n"] is not None:
            scrypt = int(match["n"]), int(match["r"]), int(match["p"])
            _check_costs(*scrypt)
        salt, name, check, wrapped = (
            bytes.fromhex(match[each]) for each in ("salt", "name", "check", "wrapped")
        )
        return cls(salt, name, check, wrapped, scrypt)

    @classmethod
    def around(cls, key: bytes, secret: Secret) -> Self:
        """A new one, in which `key` is for `secret`."""
        scrypt = _SCRYPT if secret.kind == "passphrase" else None
        name = derived(key, b"name", length=_NAME)
        empty = cls(os.urandom(16), name, b"", b"", scrypt)
        master = secret.master(empty)
        check = derived(master, b"check", length=_NAME)
        wrapped = _aead(derived(master, b"wrap")).encrypt(_ZEROS, key, empty._facts().encode())
        return attrs.evolve(empty, check=check, wrapped=wrapped)

    def opened(self, secret: Secret) -> bytes:
        """The data key. Raises `WrongSecretError`, and `TamperedError` for what nobody has made."""
        from cryptography.exceptions import InvalidTag

        master = secret.master(self)
        if derived(master, b"check", length=_NAME) != self.check:
            raise WrongSecretError(secret.kind)
        try:
            key = _aead(derived(master, b"wrap")).decrypt(
                _ZEROS, self.wrapped, self._facts().encode()
            )
        except InvalidTag as error:
            raise TamperedError("its key was changed") from error
        return key

    def _facts(self) -> str:
        way = "file"
        if self.scrypt is not None:
            way = "scrypt n={} r={} p={}".format(*self.scrypt)
        return f"1 {way} salt={self.salt.hex()} key={self.name.hex()}"


@attrs.frozen
class Seal:
    """An envelope that was opened: what seals the files of an application, and opens them.

    It is held in memory only. Which secret it came from is not kept.
    """

    envelope: Envelope
    _key: bytes = attrs.field(repr=False)

    @classmethod
    def new(cls, secret: Secret) -> Self:
        """One with a data key of its own. It takes a quarter of a second, for a passphrase."""
        key = os.urandom(32)
        return cls(Envelope.around(key, secret), key)

    @classmethod
    def of(cls, envelope: Envelope, secret: Secret) -> Self:
        """That of `envelope`. Raises as `Envelope.opened`."""
        return cls(envelope, envelope.opened(secret))

    def for_secret(self, secret: Secret) -> Self:
        """The same data key in an envelope for another secret."""
        return attrs.evolve(self, envelope=Envelope.around(self._key, secret))

    def derived(self, purpose: bytes, salt: bytes = b"", *, length: int = 32) -> bytes:
        """A key for a purpose of its own."""
        return derived(self._key, purpose, salt, length=length)

    def block(self, content: bytes, head: bytes) -> Iterator[bytes]:
        """The pieces of a block in which `content` is sealed, for a file that begins with `head`."""
        salt = os.urandom(_BLOCK_SALT)
        yield salt
        aead, beyond = _aead(self.derived(b"block", salt)), hashlib.sha256(head).digest()
        view = memoryview(content)
        last = max(0, len(content) - 1) // CHUNK
        for number in range(last + 1):
            chunk = view[number * CHUNK : (number + 1) * CHUNK]
            yield aead.encrypt(_nonce(number, last), chunk, beyond)

    def content(self, block: bytes | memoryview, head: bytes) -> bytearray:
        """What is sealed in a `block`. Raises `TamperedError`; then nothing of it is given."""
        from cryptography.exceptions import InvalidTag

        view = memoryview(block)
        salt, chunks = bytes(view[:_BLOCK_SALT]), view[_BLOCK_SALT:]
        if len(chunks) < _TAG:
            raise TamperedError("its sealed content is cut off")
        aead, beyond = _aead(self.derived(b"block", salt)), hashlib.sha256(head).digest()
        step = CHUNK + _TAG
        last = (len(chunks) - 1) // step
        # One at a time: a list of all chunks would take as much memory again.
        found = bytearray(len(chunks) - _TAG * (last + 1))
        for number in range(last + 1):
            chunk = chunks[number * step : (number + 1) * step]
            try:
                opened = aead.decrypt(_nonce(number, last), chunk, beyond)
            except InvalidTag as error:
                raise TamperedError(
                    f"chunk {number + 1} of {last + 1} of its sealed content, or what is said of it"
                    " before, is not as it was sealed"
                ) from error
            found[number * CHUNK : (number + 1) * CHUNK] = opened
        return found

    def records(self, application: str, first: int) -> "RecordSeal":
        """What seals the frames of the journal's segment that begins with the number `first`."""
        place = f"journal\0{application}\0{first}".encode("utf-8", "surrogatepass")
        return RecordSeal(self.envelope.name, self.derived(place))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seal is never saved")


def block_size(length: int) -> int:
    """How long a block is in which so many bytes are sealed."""
    return _BLOCK_SALT + length + _TAG * (max(0, length - 1) // CHUNK + 1)


@attrs.frozen
class RecordSeal:
    """What seals the bodies of frames in one segment of a journal."""

    _name: bytes
    _key: bytes = attrs.field(repr=False)

    @functools.cached_property
    def _cipher(self) -> "AESGCM":
        return _aead(self._key)

    def closed(self, facts: bytes, body: list[bytes]) -> bytes:
        """The sealed form of a body, whose frame says `facts` of it in the clear."""
        nonce = os.urandom(_NONCE)
        content = body[0] if len(body) == 1 else b"".join(body)
        return b"".join((self._name, nonce, self._cipher.encrypt(nonce, content, facts)))

    def opened(self, facts: bytes, sealed: bytes) -> bytes:
        """What `closed` was given. Raises `TamperedError`."""
        from cryptography.exceptions import InvalidTag

        nonce, rest = sealed[_NAME : _NAME + _NONCE], sealed[_NAME + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, rest, facts)
        except (InvalidTag, ValueError) as error:
            raise TamperedError("it is not as it was sealed") from error


def name_in(sealed: bytes) -> bytes:
    """The name of the data key with which the body of a frame is sealed."""
    return sealed[:_NAME]


def derived(key: bytes, purpose: bytes, salt: bytes = b"", *, length: int = 32) -> bytes:
    """HKDF of `key` for a `purpose` that is no other's."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt or None, b"perdure " + purpose).derive(key)


def _aead(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _nonce(number: int, last: int) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + bytes([number == last])


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _NAME]


def _check_costs(n: int, r: int, p: int) -> None:
    for name, value in (("n", n), ("r", r), ("p", p)):
        least, most = _NUMBERS[name]
        if not least <= value <= most:
            raise EnvelopeError(
                f"its seal asks scrypt for {name}={value}, and {least} to {most} are taken; it may be"
                " made to harm"
            )
    if n & (n - 1):
        raise EnvelopeError(f"its seal asks scrypt for n={n}, which is no power of two")
    if 128 * n * r > _MOST_MEMORY:
        raise EnvelopeError(
            f"its seal asks scrypt for {128 * n * r / 1e9:.1f} GB of memory, and"
            f" {_MOST_MEMORY / 1e9:.1f} are given; it may be made to harm"
        )
