"""Hostile files: bombs in how they are packed, in XML and in source, and passports that lie."""

import hashlib
import json
import tracemalloc

import attrs
import pytest
import zstandard

from perdure.convert import convert
from perdure.persist.content import Content, Snapshot
from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.trust import Policy

from ..passport import PASSPORT
from ..persist.streams import called, named, stream, text
from .conftest import Canary
from .techniques import COMMAND

ONLY = Policy.only()
MEMORY = 60_000_000
SYSTEM = stream(called(named("os", "system"), text(COMMAND)))
MAGIC = b"PERDURE SNAPSHOT 1\n"


def binary(head: bytes, payload: bytes, passport: bytes | None = None) -> bytes:
    """An unsigned file whose checksum is right."""
    body = MAGIC + (PASSPORT.to_line() if passport is None else passport) + head + b"\n" + payload
    return body + hashlib.sha256(body).digest() + bytes(96)


ZEROS = bytes(100_000_000)
BOMB = zstandard.ZstdCompressor(level=19).compress(ZEROS)
MANY = zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS)
PLAIN = b"plain %d %d" % (len(SYSTEM), len(SYSTEM))
LINE = PASSPORT.to_line()
FIELDS = json.loads(LINE)

BINARY: dict[str, bytes] = {
    "a bomb": binary(b"zstd %d %d" % (len(BOMB), len(ZEROS)), BOMB),
    "a bomb that says it is small": binary(b"zstd %d %d" % (len(BOMB), 1000), BOMB),
    "a bomb that does not say its size": binary(b"zstd %d %d" % (len(MANY), 1000), MANY),
    "two frames": binary(b"zstd %d %d" % (2 * len(BOMB), 1000), BOMB * 2),
    "a size without end": binary(b"zstd %d %d" % (len(BOMB), 10**18), BOMB),
    "a size of many digits": binary(b"zstd 5 " + b"9" * 100_000, b"aaaaa"),
    "a negative size": binary(b"zstd 5 -1", b"aaaaa"),
    "another method": binary(b"gzip 5 5", b"aaaaa"),
    "no method": binary(b"", b"aaaaa"),
    "a passport of any depth": binary(PLAIN, SYSTEM, b"[" * 1_000_000 + b"\n"),
    "a passport that is no object": binary(PLAIN, SYSTEM, b"[]\n"),
    "a number of many digits": binary(
        PLAIN, SYSTEM, LINE.replace(b'"sequence": 0', b'"sequence": ' + b"9" * 100_000)
    ),
    "a path for a name": binary(
        PLAIN, SYSTEM, json.dumps({**FIELDS, "application": "../canary"}).encode() + b"\n"
    ),
    "nothing": b"",
    "a magic line": MAGIC,
    "no checksum": binary(PLAIN, SYSTEM)[:-128],
    "a byte more": binary(PLAIN, SYSTEM) + b"\0",
    "a forged signature": binary(PLAIN, SYSTEM)[:-96] + b"\1" * 96,
}


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_file_is_refused_within_bounds(name: str, canary: Canary) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            _ = table.by_name("pickle").decode(BINARY[name]).stream
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000


# A passport informs, and decides nothing.
LIES: dict[str, bytes] = {
    "names that are harmless": json.dumps({**FIELDS, "names": ["datetime:date"]}).encode() + b"\n",
    "no names": LINE,
    "folders": json.dumps({**FIELDS, "paths": ["/tmp", "."]}).encode() + b"\n",
    "a key twice": LINE.replace(b"{", b'{"names": ["os:system"], "names": [], ', 1),
    "another writer": json.dumps({**FIELDS, "writer": "you"}).encode() + b"\n",
    "fields that nobody knows": json.dumps({**FIELDS, "trusted": True}).encode() + b"\n",
}


@pytest.mark.parametrize("name", LIES)
def test_a_passport_that_lies_changes_nothing(name: str, canary: Canary) -> None:
    found = table.by_name("pickle").decode(binary(PLAIN, SYSTEM, LIES[name]))
    assert found.signer_key is None
    with pytest.raises(TrustError) as caught:
        restore(found.stream, ONLY, found.passport.shapes)
    assert caught.value.names == ("os:system",)


def written(form: str) -> str:
    found = Snapshot(PASSPORT, Content.of_stream(SYSTEM), b"", None, "pickle")
    return b"".join(convert.pieces(found, form, None)).decode()


XML = written("xml")
LAUGHS = "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol" * 10}">' for n in range(12)
)  # fmt: skip


def document(doctype: str, entity: str) -> str:
    head, _, rest = XML.partition("?>")
    return f"{head}?>{doctype}{rest.replace(COMMAND, entity)}"


TEXTS: dict[str, tuple[str, str]] = {
    "a billion laughs": ("xml", document(f"<!DOCTYPE a [{LAUGHS}]>", "&a11;")),
    "a quadratic blow-up": (
        "xml",
        document(f'<!DOCTYPE a [<!ENTITY a "{"x" * 100_000}">]>', "&a;" * 1_000),
    ),
    "a file as an entity": (
        "xml",
        document('<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;"),
    ),
    "a file as a parameter": (
        "xml",
        document('<!DOCTYPE a [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>', "a"),
    ),
    "another host": (
        "xml",
        document('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "a"),
    ),
    "an inclusion": (
        "xml",
        XML.replace(
            "</snapshot>",
            '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/></snapshot>',
        ).replace(COMMAND, "a"),
    ),
    "a depth without end": ("xml", XML.replace("<tuple", "<list>" * 300_000 + "<tuple", 1)),
    "source that calls": ("source", written("source") + "\nopen('canary', 'w')\n"),
    "source that imports": ("source", written("source") + "\nimport hostile_trap\n"),
    "source that computes": (
        "source",
        written("source")
        .replace(repr(COMMAND), "'a' * 10 ** 12")
        .replace(f'"{COMMAND}"', "'a' * 9"),
    ),
    "source of any depth": ("source", written("source") + "\n" + "(" * 300_000),
    "source with a walrus": ("source", written("source") + "\n(a := open('canary', 'w'))\n"),
    "source with an f-string": ("source", written("source") + "\nf\"{open('canary', 'w')}\"\n"),
    "source with a decorator": (
        "source",
        written("source") + "\n@__import__('hostile_trap').a\nclass A: pass\n",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_refused_within_bounds(name: str, canary: Canary) -> None:
    form, data = TEXTS[name]
    assert data != written(form)
    tracemalloc.start()
    try:
        with pytest.raises((FormatError, TrustError, RestoreError)) as caught:
            restore(table.by_name(form).decode(data.encode()).stream, ONLY)
        assert tracemalloc.get_traced_memory()[1] < 2 * MEMORY
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize("form", ["xml", "source"])
def test_a_text_cannot_take_over_a_signature(form: str, canary: Canary) -> None:
    """The names that a signature covers are those of the content, whatever the passport says."""
    lying = attrs.evolve(PASSPORT, names=())
    found = Snapshot(lying, Content.of_stream(SYSTEM), b"", None, "pickle")
    data = b"".join(table.by_name(form).encode(lying, found.content, None, None))
    again = table.by_name(form).decode(data)
    assert again.signer_key is None
    with pytest.raises(TrustError):
        restore(again.stream, ONLY)
