"""Fields of records that say how much, how many or how long."""

import math
from typing import Any

import attrs


def bound(default: float, *, least: float | None = None, optional: bool = False) -> Any:
    """A field of an attrs record for a finite number: of `least` or more, or more than 0.

    It may be None if it is `optional`. Anything else raises ValueError, which names record and field,
    when the record is made.
    """
    metadata = {"least": least, "optional": optional}
    return attrs.field(default=default, validator=_check, metadata=metadata)


def _check(record: object, field: "attrs.Attribute[Any]", value: object) -> None:
    least: float | None = field.metadata["least"]
    if _fits(value, least) or (value is None and field.metadata["optional"]):
        return
    expected = "more than 0" if least is None else f"{least:g} or more"
    what = f"{field.name} of {type(record).__name__}"
    raise ValueError(f"{what} must be {expected}, and finite, not {value!r}")


def _fits(value: object, least: float | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value < math.inf:
        return False
    return value > 0 if least is None else value >= least
