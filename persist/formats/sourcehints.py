"""What somebody probably meant who wrote what is no word of the source syntax."""

import difflib
from collections.abc import Collection
from typing import Final

_CONSTANTS: Final = {
    "true": "True", "yes": "True", "false": "False", "no": "False", "null": "None", "nil": "None",
    "none": "None", "undefined": "None", "nan": "float('nan')", "inf": "float('inf')",
    "infinity": "float('inf')",
}  # fmt: skip
_OTHER_WORDS: Final = {
    "list": "[1, 2]", "tuple": "(1, 2)", "dict": "{'key': 1}", "ordereddict": "Instance(...)",
    "str": "'text'", "int": "1", "bool": "True", "bytes": "b'bytes'",
    "object": "Instance(...)", "reference": "Deref(...)", "method": "InstanceMethod(...)",
}  # fmt: skip
_TYPOGRAPHIC: Final = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
_LIKENESS: Final = 0.6
_LONGEST: Final = 40


def bare(word: str, follows: bytes) -> str:
    """What is wrong with `word`, which stands there without quotes; `follows` is what comes next."""
    shown = _cut(word)
    if word[:1] in _TYPOGRAPHIC:
        return f"expected a value, got {word[:1]}; a text stands in straight quotes: 'text'"
    if follows in (b"'", b'"'):
        return f"expected a value, got {shown} before a quote; write the text itself: 'text'"
    constant = _CONSTANTS.get(word.lower())
    hint = f"is {constant} meant?" if constant else "are its quotes missing?"
    if follows == b":":
        hint = f"is {shown}=... meant, or are its quotes missing?"
    return f"expected a value, got the bare word {shown}; {hint}"


def unknown(word: str, known: Collection[str]) -> str:
    """What is wrong with ``word(``, of which there is none among those `known`."""
    shown = _cut(word)
    meant = _OTHER_WORDS.get(word.lower())
    if meant is None:
        by_small = {each.lower(): each for each in known}
        near = difflib.get_close_matches(word[:_LONGEST].lower(), by_small, 1, _LIKENESS)
        meant = f"{by_small[near[0]]}(...)" if near else None
    if meant is not None:
        return f"there is no {shown}(...); is {meant} meant?"
    return f"there is no {shown}(...); there are {', '.join(sorted(known))}"


def _cut(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..."
