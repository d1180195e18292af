r"""The bytes of a journal segment.

    PERDURE JOURNAL 1\n         the magic line: what this is, and its format
    {"application": ... }\n     the header: one line of JSON in ASCII
    frames                      until the zeros begin, or the file ends

    a frame, integers little-endian
    0   4   B5 70 66 0A         the mark, by which a frame is found again after damage
    4   4   CRC-32              of all of the frame that follows
    8   4   length              of the body
    12  4   count               of the records, or of the numbers given up
    16  8   first               the sequence number of the first of them; the others follow it
    24  8   synced              the last number known to be on the device when this was written
    32  16  tag                 BLAKE2b, keyed, of bytes 8 to 31 and the body
    48      body                a length of 4 bytes for each record, then the records

A frame holds what was written together. That makes it as cheap to check as to write: one checksum
and one tag for all, where each record with its own would cost more than its payload; and nothing
is lost by it, since what was written together was acknowledged together, and a failing disk loses
sectors, not records. An empty body says that the numbers were given up: their records are void,
and never were acknowledged. An empty body with a count of zero ends a journal that was closed.

The tag says who wrote the frame, since recovery unpickles what is in it. Its key comes from the
user's own (`journal_key`), the application and the segment's first number, so that no frame counts
in any other place; that the header has no part in it lets the frames outlive a damaged header.
Where a journal was written without the user's key the tag protects from accidents only.

Of a sealed journal the header has the envelope as ``sealed``, and of each frame with records the body is
sealed (see `sealing`), which the highest bit of the count says. Lengths and tag are of the sealed body.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Generator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import attrs

from .sealing import OVERHEAD, Envelope, EnvelopeError, RecordSeal, TamperedError
from .trust import Signer

FORMAT: Final = 1
MAGIC: Final = b"PERDURE JOURNAL "
MARK: Final = b"\xb5pf\n"
GREATEST_NUMBER: Final = (1 << 63) - 1
GREATEST_RECORD: Final = (1 << 31) - 1
LONGEST_HEADER: Final = 4096
_HEAD: Final = struct.Struct("<4sIIIQQ16s")
_FACTS: Final = struct.Struct("<IIQQ")
_LENGTH: Final = struct.Struct("<I")
_CHECKED: Final = 8
_TAGGED_END: Final = 32
_SEALED: Final = 1 << 31
_PURPOSE: Final = b"the key of journals: this signature is never published"
# A larger record is neither joined to others nor copied on its way to the disk.
LARGE: Final = 1 << 18
# What a search after damage may check, in sizes of the segment: forged heads could claim much.
_SEARCH: Final = 8


class HeaderError(ValueError):
    """What begins a segment is no header; the message says why."""


class NewerFormatError(HeaderError):
    """A later version of Perdure wrote the segment; the message is the number of its format."""


@attrs.frozen(kw_only=True)
class Header:
    """What a segment says of itself.

    `first` is the number of the first record that may be in it; all greater ones in older segments
    are superseded. `written` is a time in ISO 8601, UTC. A `fresh` segment forgets every state and
    record before it. `sealed` is the envelope of a sealed one, and else empty.
    """

    application: str
    first: int
    written: str
    writer: str
    fresh: bool = False
    sealed: str = ""

    def to_bytes(self) -> bytes:
        """Both lines."""
        facts = attrs.asdict(self)
        if not self.sealed:
            del facts["sealed"]
        line = json.dumps(facts).encode("ascii")
        return b"%s%d\n%s\n" % (MAGIC, FORMAT, line)

    @classmethod
    def from_bytes(cls, start: bytes) -> "Header":
        """Read what `to_bytes` wrote, and more may follow. Raises `HeaderError`."""
        magic, end, rest = start[:LONGEST_HEADER].partition(b"\n")
        number = magic.removeprefix(MAGIC)
        if not end or not magic.startswith(MAGIC) or not number.isdigit():
            raise HeaderError("it does not begin like a segment of a journal")
        if number != b"%d" % FORMAT:
            raise NewerFormatError(number.decode("ascii"))
        line, end, _ = rest.partition(b"\n")
        try:
            facts: Any = json.loads(line)
            known: dict[str, Any] = {"sealed": "", **facts}
            header = cls(**{name: known[name] for name in attrs.fields_dict(cls)})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise HeaderError("its header is damaged") from error
        kinds = {"application": str, "first": int, "written": str, "writer": str, "fresh": bool}
        kinds["sealed"] = str
        if not end or any(type(getattr(header, name)) is not kinds[name] for name in kinds):
            raise HeaderError("its header is damaged")
        if header.sealed:
            try:
                Envelope.parse(header.sealed)
            except EnvelopeError as error:
                raise HeaderError(str(error)) from error
        return header


class Frame(NamedTuple):
    """A frame that was found whole, from `offset` to `end`, in a segment's bytes.

    `records` are copies of the payloads; None if its `total` numbers were given up, or if it is
    `sealed`: then that is its body, which `unsealed` opens.
    """

    offset: int
    end: int
    first: int
    total: int
    synced: int
    records: list[bytes] | None
    sealed: bytes | None = None


class ForeignTagError(ValueError):
    """A frame is whole, and another key made its tag; the message is its offset."""


def journal_key(signer: Signer | None) -> bytes:
    """The secret from which the tags of this user's journals come; none without a signer."""
    if signer is None:
        return b""
    # No digest of a snapshot is as long as this, so nobody has seen this signature.
    return hashlib.blake2b(signer.sign(_PURPOSE), digest_size=32).digest()


def tagger(key: bytes, application: str, first: int) -> hashlib.blake2b:
    """What makes the tags of the segment that begins with the number `first`."""
    place = f"{application}\0{first}".encode("utf-8", "surrogatepass")
    own = hashlib.blake2b(place, digest_size=32, key=key).digest()
    return hashlib.blake2b(digest_size=16, key=own)


def encode(
    tags: hashlib.blake2b,
    first: int,
    records: Sequence[bytes],
    synced: int,
    seal: RecordSeal | None = None,
) -> list[bytes]:
    """A frame of `records`; as pieces, because a large record is not copied but to be sealed."""
    count = len(records)
    lengths = struct.pack(f"<{count}I", *map(len, records))
    if count == 1 and len(records[0]) > LARGE:
        return _encode(tags, first, count, synced, [lengths, records[0]], seal)
    return _encode(tags, first, count, synced, [b"".join((lengths, *records))], seal)


def encode_void(tags: hashlib.blake2b, first: int, count: int, synced: int) -> list[bytes]:
    """A frame that says that `count` numbers were given up, or, with none, that this is the end."""
    return _encode(tags, first, count, synced, [b""])


def unsealed(frame: Frame, seal: RecordSeal) -> Frame:
    """The sealed `frame` with its records. Raises `TamperedError`."""
    body = frame.sealed
    assert body is not None
    facts = _FACTS.pack(len(body), frame.total | _SEALED, frame.first, frame.synced)
    content = seal.opened(facts, body)
    start = 4 * frame.total
    if start > len(content):
        raise TamperedError("what is sealed in it is no batch of records")
    lengths = struct.unpack_from(f"<{frame.total}I", content)
    limits = list(accumulate(lengths, initial=start))
    if limits[-1] != len(content):
        raise TamperedError("what is sealed in it is no batch of records")
    return frame._replace(records=[content[a:b] for a, b in pairwise(limits)], sealed=None)


def _encode(
    tags: hashlib.blake2b,
    first: int,
    count: int,
    synced: int,
    body: list[bytes],
    seal: RecordSeal | None = None,
) -> list[bytes]:
    length = sum(map(len, body))
    if seal is None:
        facts = _FACTS.pack(length, count, first, synced)
    else:
        facts = _FACTS.pack(length + OVERHEAD, count | _SEALED, first, synced)
        body = [seal.closed(facts, body)]
    hasher = tags.copy()
    hasher.update(facts)
    for piece in body:
        hasher.update(piece)
    checked = facts + hasher.digest()
    checksum = zlib.crc32(checked)
    for piece in body:
        checksum = zlib.crc32(piece, checksum)
    start = b"".join((MARK, checksum.to_bytes(4, "little"), checked, body[0]))
    return [start, *body[1:]]


def read_frames(
    data: bytes, offset: int, tags: hashlib.blake2b | None
) -> Generator[Frame, None, int]:
    """The frames from `offset` on; gives back where the first thing that is none begins.

    Without `tags` they are not checked. Raises `ForeignTagError`.
    """
    view = memoryview(data)
    while (frame := _parse(data, view, offset, tags)) is not None:
        yield frame
        offset = frame.end
    return offset


def find_frames(data: bytes, offset: int, tags: hashlib.blake2b | None) -> list[Frame]:
    """All whole frames after something at `offset` that is none, however much is between them.

    Takes time in proportion to `data`, whatever is in it.
    """
    view = memoryview(data)
    found: list[Frame] = []
    budget = _SEARCH * len(data)
    while budget > 0 and (offset := data.find(MARK, offset)) >= 0:
        try:
            frame = _parse(data, view, offset, tags)
        except ForeignTagError:
            frame = None
        if frame is not None:
            found.append(frame)
            offset = frame.end
        else:
            budget -= _claimed(data, offset)
            offset += 1
    return found


def _claimed(data: bytes, offset: int) -> int:
    if offset + _HEAD.size > len(data):
        return _HEAD.size
    end = offset + _HEAD.size + _HEAD.unpack_from(data, offset)[2]
    return _HEAD.size if end > len(data) else end - offset


def _parse(
    data: bytes, view: memoryview, offset: int, tags: hashlib.blake2b | None
) -> Frame | None:
    body = offset + _HEAD.size
    if body > len(data):
        return None
    mark, checksum, length, count, first, synced, tag = _HEAD.unpack_from(data, offset)
    end = body + length
    is_sealed, count = count & _SEALED, count & ~_SEALED
    if (
        mark != MARK
        or end > len(data)
        or zlib.crc32(view[offset + _CHECKED : end]) != checksum
        or not synced < first <= GREATEST_NUMBER + 1 - count
    ):
        return None
    if tags is not None:
        hasher = tags.copy()
        hasher.update(view[offset + _CHECKED : offset + _TAGGED_END])
        hasher.update(view[body:end])
        # Whoever forges a tag in a file has no way to time the comparison.
        if hasher.digest() != tag:
            raise ForeignTagError(offset)
    if not length:
        return Frame(offset, end, first, count, synced, None)
    if is_sealed:
        return Frame(offset, end, first, count, synced, None, data[body:end])
    start = body + 4 * count
    if start > end:
        return None
    if count == 1:  # Not the general way, which takes half as long again for a journal at rest.
        whole = _LENGTH.unpack_from(data, body)[0] == end - start
        return Frame(offset, end, first, 1, synced, [data[start:end]]) if whole else None
    lengths = struct.unpack_from(f"<{count}I", data, body)
    limits = list(accumulate(lengths, initial=start))
    if limits[-1] != end:
        return None
    return Frame(offset, end, first, count, synced, [data[a:b] for a, b in pairwise(limits)])
