"""How both text syntaxes spell numbers, and the names of what modules hold."""

import math
import re
import struct
from typing import Final

MOST_DIGITS: Final = 4300
"""An int of more decimal digits is not read: that is as many as Python itself reads."""
LEAST_HEXADECIMAL: Final = 10**1000
"""From here on an int is written in hexadecimal: a person does not read a thousand digits."""
_SPECIAL: Final = re.compile("nan|-?inf|nan:[0-9a-fA-F]{16}")
_NAN: Final = "7ff8000000000000"


def int_text(number: int) -> str:
    """`number` in decimal, or in hexadecimal."""
    return str(number) if -LEAST_HEXADECIMAL < number < LEAST_HEXADECIMAL else hex(number)


def float_text(number: float) -> str:
    """The shortest decimal for `number`; for a NaN of unusual bits those as well."""
    if not math.isnan(number) or (bits := struct.pack(">d", number).hex()) == _NAN:
        return repr(number)
    return f"nan:{bits}"


def special_float(text: str) -> float | None:
    """Read what `float_text` wrote for a number that is not finite; None for all else."""
    if not _SPECIAL.fullmatch(text):
        return None
    if ":" not in text:
        return float(text)
    number: float = struct.unpack(">d", bytes.fromhex(text[4:]))[0]
    return number if math.isnan(number) else None


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


def split(text: str) -> tuple[str, str] | None:
    """The module and the name that `dotted` put together; None if `text` has not both."""
    module, _, name = text.rpartition(":" if ":" in text else ".")
    return (module, name) if module and name else None
