"""A snapshot as one HTML page, in which a person unfolds it, searches it and sees what takes the space.

The page asks the network for nothing, and its policy (CSP) forbids that it could; nor does a
browser run any script but ours, whose digest the policy names. What the snapshot holds is in the page as
data, which its script shows as text only:

``head``      the passport; by object number (see `Sizes`) the count of objects first met under it, and
              its own bytes; where objects are met again, as number and holder in turn
``objects``   several, each the records of the next objects: their shape, their text and its length
              if they have one, their fields, the count of members if there are pairs too, members,
              pairs
``shapes``    what is common to many: title, whether there is a text, names of fields, members, pairs

A value in a record is what JSON says, or an array: of a number for an object; else of a letter for the
kind, and how it is shown: ``f`` float, ``i`` great int, ``b`` bytes, ``g`` name, ``t`` empty tuple, ``h`` hidden.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from ..persist.content import Snapshot
from ..persist.hiding import merged
from ..persist.survey import survey
from .outline import HIDDEN, Outline
from .sizes import Sizes, sizes

_FOLDER: Final = Path(__file__).with_name("templates")
_SCRIPTS: Final = (
    "values.js",
    "model.js",
    "search.js",
    "tree.js",
    "space.js",
    "details.js",
    "main.js",
)
_LONGEST: Final = 2000  # characters of one text
_CHUNK: Final = 1000
_SAFE: Final = 2**53  # beyond it JavaScript has no exact integers
_Shape = tuple[str, bool, tuple[str, ...], bool, bool]


def render(snapshot: Snapshot, *, reveal: bool = False) -> Iterator[bytes]:
    """The page, in pieces. What is secret is not in it (see `Outline`), but with `reveal`.

    Texts of more than 2,000 characters are shortened, and their length is said.
    """
    root = snapshot.content.graph.root
    outline = Outline(survey(root), {} if reveal else merged(snapshot.passport.secret))
    measured = sizes(root, outline)
    begin, middle, end = _template()
    yield begin
    yield from _data("head", [_head(snapshot, measured)])
    yield middle
    shapes: dict[_Shape, int] = {}
    records = (_record(item, outline, measured.numbers, shapes) for item in measured.objects)
    while chunk := list(islice(records, _CHUNK)):
        yield from _data("objects", chunk)
    yield from _data("shapes", list(shapes))
    yield end


def _template() -> tuple[bytes, bytes, bytes]:
    style = _FOLDER.joinpath("page.css").read_text("utf-8")
    script = "".join(_FOLDER.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    page = _FOLDER.joinpath("page.html").read_text("utf-8")
    page = page.replace("{policy}", policy).replace("{style}", style)
    begin, _, rest = page.partition("{head}")
    middle, _, end = rest.partition("{objects}")
    return begin.encode(), middle.encode(), end.replace("{script}", script).encode()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(kind: str, rows: Iterable[Any]) -> Iterator[bytes]:
    text = json.dumps(rows, separators=(",", ":"))
    # All else that could end a script or begin another is ASCII by now.
    text = text.replace("<", "\\u003c")
    yield f'<script type="application/json" class="{kind}">{text}</script>\n'.encode("ascii")


def _head(snapshot: Snapshot, measured: Sizes) -> dict[str, Any]:
    counts = [0] * len(measured.objects)
    for holder in measured.holders[1:]:
        counts[holder] += 1
    return {
        "passport": snapshot.passport.fields(),
        "syntax": snapshot.syntax,
        "signer": snapshot.signer_key and snapshot.signer_key.hex(),
        "chunk": _CHUNK,
        "counts": counts,
        "own": measured.own,
        "again": list(chain.from_iterable(measured.again)),
    }


def _record(
    item: object, outline: Outline, numbers: dict[int, int], shapes: dict[_Shape, int]
) -> list[Any]:
    if isinstance(item, str | bytes | bytearray):
        leaf: _Shape = (type(item).__name__, True, (), False, False)
        return [shapes.setdefault(leaf, len(shapes)), _shortened(item), len(item)]
    sections = outline.open(item)
    fields = tuple([name for name, _value in sections.fields])
    has_both = bool(sections.members and sections.pairs)
    shape = (
        sections.title,
        sections.text is not None,
        fields,
        bool(sections.members),
        bool(sections.pairs),
    )
    record: list[Any] = [shapes.setdefault(shape, len(shapes))]
    if sections.text is not None:
        record += [_shortened(sections.text), len(sections.text)]
    for number, part in enumerate(sections.parts()):
        if has_both and number == len(fields):
            record.append(len(sections.members))
        known = numbers.get(id(part))
        record.append(_value(part) if known is None else [known])
    return record


def _value(value: object) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_SAFE < value < _SAFE else ["i", *_great(value)]
    if isinstance(value, float):
        return ["f", repr(value)]
    if isinstance(value, bytes):
        return ["b", repr(value)]
    if value is HIDDEN:
        return ["h"]
    return ["t"] if value == () else ["g", str(value)]


def _great(number: int) -> tuple[str, int]:
    """A great number, in hexadecimal if Python would refuse it in decimal; and its digits."""
    text = str(number) if number.bit_length() < 3000 else hex(number)
    return text[:_LONGEST], len(text.removeprefix("-").removeprefix("0x"))


def _shortened(item: str | bytes | bytearray) -> str:
    if isinstance(item, str):
        return item[:_LONGEST]
    # A byte is shown in up to four characters.
    return repr(bytes(item[: _LONGEST // 4]))
