"""The words of the source syntax, and which names of fields can stand in it."""

import keyword
import re
import unicodedata
from typing import Final

HEAD: Final = "# Perdure snapshot, source, format 1. This is parsed, never executed.\n"
"""The first line of a file."""
BEGINS: Final = "# Perdure snapshot, source, format "

WORDS: Final = {
    "datetime": "Datetime",
    "date": "Date",
    "time": "Time",
    "decimal": "Decimal",
    "method": "InstanceMethod",
    "module": "Module",
    "concealed": "Concealed",
}
"""The words here for those of `persist.words`."""

_FIELD: Final = re.compile(r"[^\W\d]\w*")


def is_field(name: str) -> bool:
    """Whether `name` may stand before an equals sign in a call, and is then read as it is."""
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and name != "__debug__"
        and (
            name.isascii()
            or (_FIELD.fullmatch(name) is not None and unicodedata.normalize("NFKC", name) == name)
        )
    )
