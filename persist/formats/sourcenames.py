"""The words of the source syntax, and how names of modules and fields stand in it."""

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
}
"""The words here for those of `persist.words`."""

_FIELD: Final = re.compile(r"[^\W\d]\w*")


def dotted(module: str, name: str) -> str:
    """What `module` has as `name`, in one text.

    ``visits.Counter``, or ``visits:Outer.Inner`` where the last dot is not the one between the two.
    Raises `ValueError` for a `name` with a colon, which no text of this kind could tell.
    """
    if ":" in name:
        raise ValueError(f"the name {name!r:.80}, of {module!r:.80}, has a colon in it")
    if ":" in module or "." in name:
        return f"{module}:{name}"
    return f"{module}.{name}"


def split(text: str) -> tuple[str, str]:
    """The module and the name that `dotted` put together. Raises `ValueError`."""
    module, _, name = text.rpartition(":" if ":" in text else ".")
    if not module or not name:
        raise ValueError(f"expected a name such as 'visits.Counter', got {text!r:.80}")
    return module, name


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
