"""What stands in the XML form besides values: snapshot, passport, signature, the sections of a node.

And the attributes that elements may have.
"""

import difflib
import re
from collections.abc import Collection
from typing import Final

from ..mandate import Signature
from ..passport import FORMAT, newer
from .xmlbuilder import Builder
from .xmlframes import FREE, KEYED, NODES, SECTIONS, STRICT, WrongError

# The attributes of each value, besides role and reference; with a question mark, it may lack.
ATTRIBUTES: Final = {
    "none": (), "bool": ("value",), "int": ("value",), "float": ("value",),
    "string": ("value?", "encoding?"), "bytes": ("value?",), "bytearray": ("value?",),
    "list": (), "tuple": (), "set": (), "frozenset": (), "dictionary": (),
    "instance": ("class",), "copyreg": ("loadfunc?",), "class": ("name",), "function": ("name",),
    "datetime": ("value",), "date": ("value",), "time": ("value",), "decimal": ("value",),
    "method": ("name",), "module": ("name",), "concealed": ("value",), "reference": ("key",),
}  # fmt: skip
_EXAMPLES: Final = {
    "bool": "true", "int": "5", "float": "1.5", "datetime": "2026-11-21T05:47:19",
    "date": "2026-11-21", "time": "05:47:19", "decimal": "1.50", "reference": "1",
    "instance": "visits.Counter", "class": "visits.Counter", "function": "visits.make",
    "method": "flash", "module": "visits",
}  # fmt: skip
# What people write who know other formats, where no likeness of letters leads to the right word.
_OTHER_WORDS: Final = {
    "none": ("nothing", "null", "nil", "nonetype", "undefined", "empty"),
    "bool": ("true", "false", "yes", "no"),
    "int": ("number", "integer", "long", "num"),
    "float": ("double", "real"),
    "string": ("text", "str", "char", "unicode"),
    "bytes": ("binary", "base64", "blob", "data"),
    "list": ("array", "sequence"),
    "dictionary": ("dict", "map", "mapping", "table", "struct"),
    "instance": ("object", "obj"),
    "copyreg": ("call", "reduce"),
    "reference": ("ref", "deref", "pointer"),
}
_MEANT: Final = {word: name for name, words in _OTHER_WORDS.items() for word in words}
_LIKENESS: Final = 0.7
_NUMBER: Final = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_MODES: Final = {"loadfunc": STRICT, "setter": STRICT, "keywords": KEYED, "items": KEYED}


def start_part(builder: Builder, name: str, attributes: list[str]) -> bool:
    """Begin what is no value, but belongs to the innermost open element. Return whether it does."""
    frame = builder.frame
    if frame.name in NODES:
        if name == "tuple" and frame.name == "copyreg" and "arguments" not in (frame.extra or ()):
            section = "arguments"
        elif name in SECTIONS and (name != "arguments" or frame.name == "instance"):
            section = name
        else:
            return False
        frame.check_section(section)
        check_attributes(name, _given(attributes), ())
        builder.push(section, None, _MODES.get(section, FREE))
    elif frame.name == "" and name == "snapshot":
        number = _format_of(_given(attributes))
        builder.push(name, None, STRICT).extra = {"format": number}
    elif frame.name == "" and name not in ATTRIBUTES and name not in SECTIONS:
        raise WrongError(
            f"expected <snapshot>, got <{name:.80}>: it is not a snapshot but another document;"
            " name a file that mkapp, rundaemon or appconvert has written"
        )
    elif frame.name == "snapshot" and name in ("passport", "signature"):
        extra = frame.extra or {}
        if frame.parts or name in extra or (name == "signature" and "passport" not in extra):
            raise WrongError(f"<{name}> must stand once, before the application")
        given = _given(attributes)
        extra[name] = given if name == "passport" else _signature(given)
        extra.setdefault("line", builder.parser.CurrentLineNumber)
        builder.push(name, given, STRICT)
    elif frame.name == "passport" and name not in ATTRIBUTES:
        check_attributes(name, _given(attributes), ())
        builder.push("field", name, STRICT)
    else:
        return False
    return True


def check_attributes(name: str, given: dict[str, str], allowed: Collection[str]) -> None:
    """Complain of an attribute that `name` has not, or lacks."""
    for attribute in allowed:
        if attribute not in given and not attribute.endswith("?"):
            example = _EXAMPLES.get(name)
            hint = f': write <{name} {attribute}="{example}"/>' if example else ""
            raise WrongError(f"<{name}> needs an attribute {attribute}{hint}")
    for attribute in given:
        if attribute not in allowed and f"{attribute}?" not in allowed:
            known = " and ".join(each.rstrip("?") for each in allowed) or "no attributes here"
            raise WrongError(f"<{name}> has {known}, but no {attribute!r:.80}")


def check_number(text: str) -> None:
    """Complain of a number for references that is none."""
    if text[:1] in "0" or len(text) > 18 or not (text.isdigit() and text.isascii()):
        raise WrongError(f"a reference is a number from 1 on, got {text!r:.80}")


def unknown(name: str) -> str:
    """What is wrong with an element `name` that is no value."""
    if name in SECTIONS:
        return f"<{name}> belongs in an <instance> or a <copyreg>, before its state"
    word = name[:80].lower()
    near = difflib.get_close_matches(word, [*ATTRIBUTES, *SECTIONS], 1, _LIKENESS)
    meant = _MEANT.get(word) or next(iter(near), None)
    if meant is not None:
        return f"there is no element <{name:.80}>; is <{meant}> meant?"
    return f"there is no element <{name:.80}>; a value is one of {', '.join(ATTRIBUTES)}"


def _given(attributes: list[str]) -> dict[str, str]:
    return dict(zip(attributes[::2], attributes[1::2], strict=True))


def _format_of(given: dict[str, str]) -> int:
    check_attributes("snapshot", given, ("format",))
    text = given["format"]
    if not _NUMBER.fullmatch(text):
        raise WrongError(f"a format is a number, got {text!r:.80}")
    if int(text) > FORMAT:
        raise WrongError(newer(int(text)))
    return int(text)


def _signature(given: dict[str, str]) -> Signature:
    check_attributes("signature", given, ("key", "value"))
    return Signature(_hexadecimal(given["key"], 32), _hexadecimal(given["value"], 64))


def _hexadecimal(text: str, length: int) -> bytes:
    if not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", text):
        raise WrongError(f"expected {2 * length} hexadecimal digits, got {text!r:.80}")
    return bytes.fromhex(text)
