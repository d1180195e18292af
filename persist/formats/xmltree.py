r"""The XML syntax: a snapshot as a tree of elements that a person reads and edits.

    <?xml version="1.0" encoding="UTF-8"?>
    <snapshot format="1">
      <passport application="web" holds="state" written="2026-11-21T05:47:19Z" ...>
        <paths>
          <list>
            <string value="/srv/site"/>
          </list>
        </paths>
      </passport>
      <signature key="..." value="..."/>
      <instance class="perdure.app.application.Application">
        <dictionary>
          <string role="key" value="counter"/>
          <instance class="visits.Counter" reference="1">
          ...

The fields of the passport that are texts are attributes; of the others each is an element with one
value inside; those that are empty are left out. Fields that are not known are passed over. The
signature (see `mandate`; key and value in hexadecimal) is absent if nobody signed. Then comes the
application, one value. After it may stand others with ``reference=``, in any order.

These are the values. Each may have ``role="key"``, which is what every other child of a <dictionary>
has, and ``reference="N"``, by which <reference key="N"/> means the same object elsewhere, before or after it.

    none, bool, int, float   value=: true or false; 5, or 0x5; 1.5, inf, -inf, nan, or
                             nan: and the 16 hexadecimal digits of an unusual one
    string                   value=, or else the content, to the last blank. encoding="escaped":
                             a backslash begins \\ \x07 \ud800 or \U0010ffff
    bytes, bytearray         value= in printable ASCII, or else the content in base64
    list, tuple, set, frozenset     their members
    dictionary               keys and values in turn
    class, function          name=: what a module holds; which of the two words makes no difference
    datetime, date, time, decimal   value= (see `words`); in the first and the third the time zone
    method                   name=, and in it the object it is bound to
    module                   name=
    concealed                value=, and in it the sealed text (see `concealment`), or a tuple
    instance                 class=, and in it, where there are any, in this order: <arguments> and
                             <keywords> of __new__, <members> that are appended, <items> that are
                             set, as keys and values in turn, <setter> of the state, and the state
    copyreg                  what a call of loadfunc= returns. In it <tuple>, the arguments; then what
                             an instance may have, but for arguments and keywords. <loadfunc>
                             with a value, before the tuple: what is called, if it has no name

A name is ``visits.Counter``, or with a colon, ``visits:Outer.Inner``, where dots alone would not tell
the module. Names, and all attributes, are plain text of XML: what is not is refused when it is written.

Comments, processing instructions, CDATA and any white space between elements are passed over. There
is no DOCTYPE, and so no entities. Elements nest 1,000 deep, tags have 16 MB, decimal numbers 4,300
digits. Any encoding that expat reads is read, and UTF-8 written. ``snapshot.rng`` says all this in
RELAX NG.

The same graph is always written as the same bytes: numbers count up as they are first mentioned, and
are given to what is mentioned twice or had to be put elsewhere; indentation is two blanks a level;
what would stand deeper than 40 levels stands after the application, in the order of mention. An
attribute has at most 80 characters of text or bytes, and an int 1,000 digits before it is hexadecimal.
"""

from collections.abc import Iterator
from typing import Any, Final

from ..collector import collector_off
from ..content import Content, Snapshot
from ..graph import Graph
from ..mandate import Signature
from ..passport import Passport, PassportError
from ..sealing import Seal
from ..survey import survey
from ..trust import Signer
from . import xmlreader, xmlwriter
from .armor import armored
from .format import Format, FormatError
from .signing import opened, signed
from .xmlevents import Document
from .xmltext import in_attribute, is_plain

_BEGINS: Final = (b"<?xml", b"<snapshot", b"<!--", b"\xff\xfe<\0", b"\xfe\xff\0<")


def encode(
    passport: Passport, content: Content, signer: Signer | None, seal: Seal | None = None
) -> Iterator[bytes]:
    """The pieces of a file. Raises FormatError for what XML cannot hold."""
    if seal is not None:
        passport, content = armored(passport, content, signer, seal)
        signer = None
    graph = content.graph
    with collector_off():
        passport, signature, looked = signed(passport, graph, signer)
        yield _head(passport.fields(), signature)
        yield from xmlwriter.write(graph.root, looked)
        yield b"</snapshot>\n"


def decode(data: bytes) -> Snapshot:
    """What the bytes of a file hold. Raises FormatError."""
    found = _read(data, None)
    try:
        passport = Passport.from_fields(found.fields)
    except PassportError as error:
        raise FormatError(f"the passport is wrong: {error}", found.line) from error
    return opened(data, FORMAT.name, passport, found.signature, found.graph)


def decode_graph(data: bytes, lines: dict[int, int] | None = None) -> Graph:
    """The graph that the bytes of a file hold. Raises FormatError.

    `lines`, if given, takes the line on which each object begins, by its ``id``; those of texts
    and other scalars are not in it.
    """
    return _read(data, lines).graph


def _read(data: bytes, lines: dict[int, int] | None) -> Document:
    try:
        return xmlreader.read(data, lines)
    except FormatError as error:
        from . import xmlhints

        raise xmlhints.hinted(data, error) from error


FORMAT: Final = Format("xml", ".xml", _BEGINS, encode, decode, decode_graph)


def _head(fields: dict[str, Any], signature: Signature | None) -> bytes:
    number = fields.pop("format")
    attributes = ""
    elements: list[bytes] = []
    for name, value in fields.items():
        if type(value) is str and is_plain(value):
            attributes += f' {name}="{in_attribute(value)}"'
        elif value not in (None, [], {}, 0):
            inside = b"".join(xmlwriter.write(value, survey(value), 3))
            elements.append(b"    <%b>\n%b    </%b>\n" % (name.encode(), inside, name.encode()))
    passport = f"  <passport{attributes}".encode()
    passport += b"".join((b">\n", *elements, b"  </passport>\n")) if elements else b"/>\n"
    line = ""
    if signature is not None:
        line = f'  <signature key="{signature.key.hex()}" value="{signature.value.hex()}"/>\n'
    begin = f'<?xml version="1.0" encoding="UTF-8"?>\n<snapshot format="{number}">\n'
    return begin.encode() + passport + line.encode()
