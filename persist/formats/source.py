r"""The source syntax: looks and reads like Python, is parsed by a parser of its own, never executed.

    # Perdure snapshot, source, format 1. This is parsed, never executed.

    passport = Passport(format=1, application='web', holds='state', ...)

    signature = Signature(key='9f...', value='0c...')

    application = Instance(
        'perdure.app.application.Application',
        name='web',
        registry=Ref(1, Instance(
            'perdure.app.registry.Registry',
            _components={'visits.Counter': Instance('visits.Counter', value=42)},
        )),
        owner=Deref(1),
    )

The file is UTF-8, and begins with the first line above (after a byte-order mark at most). It is a
sequence of statements, each on a line of its own, in any order. ``passport`` and ``application`` are there
once; ``signature`` once, or not if nobody signed (see `mandate`: to edit values voids no signature).
Whatever else is a statement has the form ``Ref(number, object)``. The file is valid Python: comments, line
breaks, quotes, adjacent literals, and underscores in numbers are a person's to choose.

Scalars and containers are as in Python: None, True, 1, 0x1f, 1.5, 'text', b'bytes', [1, 2], (1,),
{'key': 1}, {1, 2}; set() is empty. Besides there are:

    frozenset({1, 2})  frozenset()  bytearray(b'bytes')
    float('inf')  float('-inf')  float('nan')  float('nan:fff8000000000000')   all 64 bits
    Base64('AAEC')                bytes
    Class('visits.Counter')       what a module has by that name, a class or another object:
    Function('visits.make')       which of the two words stands there makes no difference
    Instance('visits.Counter', ...)               an object of that class
    Copyreg('collections.deque', ([1, 2], 9), ...)  what the function returns for these arguments;
                                  in the place of its name there may be an object
    Datetime('2026-11-21T10:00:00', timezone)  Date('2026-11-21')  Time('10:00:00')  Decimal('1.50')
    InstanceMethod('name', object)  Module('visits')
    Concealed('key', 'base64')    the value of a secret field (see `concealment`); or a tuple for the text
    Ref(1, object)  Deref(1)      an object that is met in several places, and the others of these,
                                  before it or after it

A name is ``module.name``, or ``module:Outer.Inner`` if one of the two parts has what would separate them
(the last colon does, or else the last dot).

What an Instance or Copyreg is given stands in it in this order, each once at most:

    Arguments(1, 2)               of ``__new__``, for an Instance only
    Keywords(size=1)              likewise; Keywords({'class': 1}) if one of them is no identifier
    Members(1, 2)                 appended to it
    Items({'key': 1})             set as its items
    Setter(function)              that is called with the object and its state
    a state                       of any sort; or, a dict of identifiers being the usual state:
    field=value, ...              these

The writer's layout is that of ``black``: four blanks, an element a line, a comma after the last; on one
line what fits in 88 characters and nests at most two deep; one literal for each line of a long text.
Where brackets would stand deeper than forty, there is a Deref, and its object stands on the top level
after the application. The members of sets have the order of `survey`. So the same graph always gives the same text.

Limits of the reader: brackets nest 1,000 deep; a decimal number has 4,300 digits.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from ..collector import collector_off
from ..content import Content, Snapshot
from ..graph import Graph
from ..mandate import Signature
from ..passport import FORMAT as NUMBER
from ..passport import Passport, PassportError, newer
from ..reduction import class_of
from ..sealing import Seal
from ..survey import Survey
from ..trust import Signer
from .armor import armored
from .format import Format, FormatError
from .signing import opened, signed
from .sourcebuilder import Record
from .sourcenames import BEGINS, HEAD
from .sourcereader import Reader
from .sourcewriter import Writer

_BEGINS: Final = re.compile(rb"(?:\xef\xbb\xbf)?" + BEGINS.encode() + rb"(\d{1,9})\.[^\r\n]*\r?\n")
_PIECE: Final = 1 << 16
_CHECKED: Final = 1 << 20
_NOTHING_SHARED: Final = Survey(frozenset(), {}, [])


def encode(
    passport: Passport, content: Content, signer: Signer | None, seal: Seal | None = None
) -> Iterator[bytes]:
    """The pieces of a file. Raises FormatError for a name that cannot be written."""
    if seal is not None:
        passport, content = armored(passport, content, signer, seal)
        signer = None
    graph = content.graph
    with collector_off():
        passport, signature, looked = signed(passport, graph, signer)
        yield from _gathered(_texts(passport, signature, graph.root, looked))


def decode(data: bytes) -> Snapshot:
    """What the bytes of a file hold. Raises FormatError."""
    with collector_off():
        heads, graph = _read(data, None)
    if "passport" not in heads:
        raise FormatError("the statement passport = Passport(...) is missing")
    passport = _passport(heads["passport"], data)
    return opened(data, FORMAT.name, passport, _signature(heads.get("signature"), data), graph)


def decode_graph(data: bytes, lines: dict[int, int] | None = None) -> Graph:
    """The graph that the bytes of a file hold. Raises FormatError.

    `lines`, if given, takes the line of each object that has brackets, by its ``id``.
    """
    with collector_off():
        return _read(data, lines)[1]


FORMAT: Final = Format("source", ".py", (BEGINS.encode(),), encode, decode, decode_graph)


def _texts(
    passport: Passport, signature: Signature | None, root: Any, looked: Survey
) -> Iterator[str]:
    head = Writer(_NOTHING_SHARED)
    yield f"{HEAD}\n"
    yield from head.statements("passport", head.record("Passport", passport.fields()))
    yield "\n"
    if signature is not None:
        key, value = signature.key.hex(), signature.value.hex()
        yield from head.statements(
            "signature", head.record("Signature", {"key": key, "value": value})
        )
        yield "\n"
    yield from Writer(looked).statements("application", root)


def _gathered(texts: Iterator[str]) -> Iterator[bytes]:
    gathered: list[str] = []
    size = 0
    for text in texts:
        gathered.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "".join(gathered).encode()
            gathered.clear()
            size = 0
    yield "".join(gathered).encode()


def _read(data: bytes, lines: dict[int, int] | None) -> tuple[dict[str, Record], Graph]:
    match = _BEGINS.match(data)
    if match is None:
        raise FormatError(f"expected the first line {HEAD.rstrip()!r}", 1, 1)
    if int(match[1]) != NUMBER:
        number = int(match[1])
        raise FormatError(newer(number) if number > NUMBER else f"the format {number} never was", 1)
    _check_text(data)
    return Reader(data, lines).read()


def _check_text(data: bytes) -> None:
    nul = data.find(b"\0")
    if nul >= 0:
        raise FormatError("there is a NUL; write it as \\x00", *_coordinate(data, nul))
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    start = held = 0
    try:
        for start in range(0, len(data), _CHECKED):
            held = len(decoder.getstate()[0])
            decoder.decode(view[start : start + _CHECKED], start + _CHECKED >= len(data))
    except UnicodeDecodeError as error:
        line, column = _coordinate(data, start - held + error.start)
        raise FormatError(f"this is not UTF-8: {error.reason}", line, column) from error


def _coordinate(data: bytes, place: int) -> tuple[int, int]:
    begin = data.rfind(b"\n", 0, place) + 1
    column = len(data[begin:place].decode("utf-8-sig", "replace")) + 1
    return data.count(b"\n", 0, place) + 1, column


def _passport(record: Record, data: bytes) -> Passport:
    try:
        return Passport.from_fields(_checked(record.fields))
    except PassportError as error:
        line, column = _coordinate(data, record.start)
        raise FormatError(f"the passport is wrong: {error}", line, column) from error


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields`, if there is nothing in them but what JSON has too. Raises `PassportError`."""
    left: list[Any] = [fields]
    while left:
        value = left.pop()
        kind = class_of(value)
        if kind is list:
            left += cast("list[Any]", value)
        elif kind is dict and all(type(key) is str for key in cast("dict[Any, Any]", value)):
            left += cast("dict[str, Any]", value).values()
        elif kind not in (str, int, bool, type(None)):
            raise PassportError("expected only texts, numbers, lists and dicts")
    return fields


def _signature(record: Record | None, data: bytes) -> Signature | None:
    if record is None:
        return None
    try:
        key, value = (bytes.fromhex(record.fields[name]) for name in ("key", "value"))
    except (KeyError, TypeError, ValueError) as error:
        line, column = _coordinate(data, record.start)
        raise FormatError(
            "expected Signature(key='...', value='...') with hexadecimal digits; without the"
            " statement nobody has signed",
            line,
            column,
        ) from error
    return Signature(key, value)
