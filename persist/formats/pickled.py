r"""The binary syntax, and the default.

    offset  content
    0       PERDURE SNAPSHOT 1\n                  the magic line: what this is, and its format
            {"format": 1, ... }\n                 the passport, one line of JSON in ASCII
            zstd 1234 56789\n                     how the payload is packed, its bytes in the file,
                                                  and the bytes of the stream once unpacked
            ...                                   the payload
    -128    32 bytes                              SHA-256 of everything before
    -96     32 bytes                              the public key of the signer (Ed25519)
    -64     64 bytes                              its signature of that digest (see `trust`)

The first three lines are read with ``head -n 3``. The payload is a pickle stream of protocol 5, as
one Zstandard frame (``zstd``), or as it is (``plain``) where packing would shrink it more than a
thousandfold: a reader takes a greater claim for an attack on its memory. A file that nobody
signed has zeros for key and signature. Nothing follows the signature.

Of a sealed one (see `sealing`) the passport tells little, and has the envelope as ``sealed``. The third
line is ``sealed 1234 1000``, and the payload a block of so many bytes, in which so many are sealed: the
whole passport, the third line and the payload as above. All before the block is the block's head.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import attrs

from ..content import Content, Sealed, Snapshot
from ..passport import FORMAT as NUMBER
from ..passport import Passport, PassportError, newer
from ..sealing import Envelope, Seal, TamperedError, block_size
from ..trust import Signer, verify
from .format import Format, FormatError

MAGIC: Final = b"PERDURE SNAPSHOT "
_MAGIC_LINE: Final = MAGIC + b"%d\n" % NUMBER
_UNSIGNED: Final = bytes(96)
_TRAILER: Final = 32 + len(_UNSIGNED)
_LONGEST_LINE: Final = 1 << 24
_GREATEST_RATIO: Final = 1000
_SPARE: Final = 1 << 16
_DAMAGED: Final = "the file is damaged ({}); take a copy, or an earlier generation"


def encode(
    passport: Passport, content: Content, signer: Signer | None, seal: Seal | None = None
) -> Iterator[bytes]:
    """The pieces of a file. Raises FormatError if the content has no stream."""
    checksum = hashlib.sha256()
    pieces = passport.to_line(), *_packed(content.stream)
    for piece in (_MAGIC_LINE, *pieces) if seal is None else _sealed(passport, pieces, seal):
        checksum.update(piece)
        yield piece
    digest = checksum.digest()
    yield digest
    yield _UNSIGNED if signer is None else signer.public + signer.sign(digest)


def decode(data: bytes) -> Snapshot:
    """What the bytes of a file hold, each of them checked. Raises FormatError."""
    if not data.startswith(_MAGIC_LINE):
        raise FormatError(_other_magic(data))
    if len(data) < len(_MAGIC_LINE) + _TRAILER:
        raise _damage("it ends too early", len(data))
    body, trailer = memoryview(data)[:-_TRAILER], data[-_TRAILER:]
    digest, key, signature = trailer[:32], trailer[32:64], trailer[64:]
    if hashlib.sha256(body).digest() != digest:
        raise _damage("its checksum does not match")
    signer_key = None if trailer[32:] == _UNSIGNED else key
    if signer_key is not None and not verify(key, digest, signature):
        raise _damage("its signature does not match", len(body) + 64)
    passport, start = _passport(data)
    line, place = _line(data, start)
    if passport.sealed:
        block = body[place:]
        if line != _sealed_line(len(block), line):
            raise _damage("the third line is not as it should be", start)
        sealed = Sealed(Envelope.parse(passport.sealed), data[:place], block)
        return Snapshot(
            passport, Content.of_sealed(), digest, signer_key, FORMAT.name, sealed=sealed
        )
    stream = _unpacked(line, start, body[place:])
    return Snapshot(passport, Content.of_stream(stream), digest, signer_key, FORMAT.name)


def opened(found: Snapshot, seal: Seal) -> Snapshot:
    """The sealed snapshot `found`, in whichever syntax, with its content. Raises FormatError."""
    sealed = found.sealed
    assert sealed is not None
    try:
        content = seal.content(sealed.block, sealed.head)
        begin = content.index(b"\n") + 1
        end = content.index(b"\n", begin)
        passport = Passport.from_line(bytes(content[:begin]))
    except (TamperedError, ValueError) as error:
        raise _damage(str(error)) from error
    if passport.outside(found.passport.sealed) != found.passport:
        raise _damage("its passport says two things")
    stream = _unpacked(bytes(content[begin:end]), begin, memoryview(content)[end + 1 :])
    return attrs.evolve(
        found, passport=passport, content=Content.of_stream(stream), sealed=None, seal=seal
    )


def peek(file: BinaryIO) -> Passport:
    """The passport of the file, whose content is neither read nor checked. Raises FormatError."""
    head = file.readline(_LONGEST_LINE)
    if head != _MAGIC_LINE:
        raise FormatError(_other_magic(head))
    return _passport(head + file.readline(_LONGEST_LINE) + bytes(_TRAILER))[0]


FORMAT: Final = Format("pickle", "", (MAGIC,), encode, decode)


def _passport(data: bytes) -> tuple[Passport, int]:
    """The passport, and where the line after it begins."""
    start = len(_MAGIC_LINE)
    line, place = _line(data, start)
    try:
        return Passport.from_line(line), place
    except PassportError as error:
        raise FormatError(f"its passport is wrong: {error}; write it anew", offset=start) from error


def _sealed(passport: Passport, pieces: Iterable[bytes], seal: Seal) -> Iterator[bytes]:
    content = b"".join(pieces)
    size = block_size(len(content))
    outside = passport.outside(str(seal.envelope)).to_line()
    head = b"%b%bsealed %d %d\n" % (_MAGIC_LINE, outside, size, len(content))
    yield head
    yield from seal.block(content, head)


def _sealed_line(size: int, line: bytes) -> bytes | None:
    """How the third line has to be before a block of `size` bytes; None for no such line."""
    length = line.rpartition(b" ")[2]
    if not length.isdigit() or len(length) > 18 or block_size(int(length)) != size:
        return None
    return b"sealed %d %d" % (size, int(length))


def _damage(what: str, offset: int | None = None) -> FormatError:
    return FormatError(_DAMAGED.format(what), offset=offset)


def _other_magic(data: bytes) -> str:
    number = data[len(MAGIC) :].partition(b"\n")[0][:20]
    if number.isdigit() and int(number) > NUMBER:
        return newer(int(number))
    return _DAMAGED.format("its first line is not as it should be")


def _packed(stream: bytes) -> tuple[bytes, bytes]:
    import zstandard

    method, payload = b"zstd", zstandard.ZstdCompressor(write_checksum=False).compress(stream)
    if len(stream) > len(payload) * _GREATEST_RATIO + _SPARE:
        method, payload = b"plain", stream
    return b"%s %d %d\n" % (method, len(payload), len(stream)), payload


def _line(data: bytes, start: int) -> tuple[bytes, int]:
    end = data.find(b"\n", start, min(start + _LONGEST_LINE, len(data) - _TRAILER))
    if end < 0:
        raise _damage("a line of its head does not end", start)
    return data[start:end], end + 1


def _unpacked(line: bytes, place: int, payload: memoryview) -> bytes:
    import zstandard

    try:
        method, *sizes = line.decode("ascii").split(" ")
        packed, size = map(int, sizes)
    except ValueError as error:
        raise _damage("the third line is not as it should be", place) from error
    if packed != len(payload):
        raise _damage(f"it has {len(payload)} bytes of payload, not {packed}", place)
    if method == "plain" and size == packed:
        return bytes(payload)
    if method != "zstd" or not 0 <= size <= packed * _GREATEST_RATIO + _SPARE:
        raise FormatError(
            f"a payload of {packed} bytes cannot hold {size} as {method!r}", offset=place
        )
    try:
        # The frame has a size of its own, which zstandard believes: it must be the one just checked.
        if zstandard.get_frame_parameters(payload).content_size != size:
            raise FormatError("the payload and the third line disagree on the size", offset=place)
        return zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _damage(f"it does not unpack: {error}", place) from error
    except MemoryError as error:
        raise FormatError(
            f"its {size} bytes, once unpacked, take more memory than there is", offset=place
        ) from error
