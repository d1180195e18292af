"""A snapshot's header: what it holds and whence it comes, as one line of JSON that a person reads.

    {"format": 1, "application": "web", "holds": "state", "written": "2026-11-21T05:47:19Z", ...}

Fields that this version does not know are passed over, so that a newer Perdure may add some.
"""

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

import attrs

if TYPE_CHECKING:
    from cattrs import Converter

FORMAT: Final = 1
"""The number of the format that this version writes, in every syntax."""

Holds = Literal["blueprint", "state"]


class PassportError(ValueError):
    """This is no passport, or a newer one; the message says which field is wrong, and how."""


@attrs.frozen(kw_only=True)
class Passport:
    """What a snapshot says of itself.

    `written` is a time in ISO 8601, UTC. `names` are the classes and functions the snapshot names,
    as ``module:qualname``. In a binary one they inform, and decide nothing: trust looks at the
    snapshot itself. In text they are what the signature covers (see `mandate`).
    `paths` are the folders where the application's own modules are found. `origin` is the digest,
    in hexadecimal, of the snapshot this one came from. `secret` are the fields that classes have
    declared secret (see `persistent`), by ``module:qualname`` of the class.
    """

    format: int
    application: str
    holds: Holds
    written: str
    writer: str
    python: str
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    origin: str | None = None
    secret: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict[str, tuple[str, ...]])

    def fields(self) -> dict[str, Any]:
        """All fields in their order, in Python's own types as JSON has them."""
        fields: dict[str, Any] = _converter().unstructure(self)
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `fields` gave; those that are not known here are passed over.

        Raises `PassportError`.
        """
        import cattrs

        try:
            made = _converter().structure(fields, cls)
        except cattrs.BaseValidationError as error:
            raise PassportError("; ".join(cattrs.transform_error(error))) from error
        if made.format > FORMAT:
            raise PassportError(newer(made.format))
        if made.format < 1:
            raise PassportError(f"the format {made.format} never was")
        return made

    def to_line(self) -> bytes:
        """One line of JSON, in ASCII, with its end."""
        return json.dumps(self.fields()).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read what `to_line` wrote. Raises `PassportError`."""
        try:
            content: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PassportError(str(error)) from error
        if not isinstance(content, dict):
            raise PassportError("an object in braces was expected")
        return cls.from_fields(cast("dict[str, Any]", content))


def newer(number: int) -> str:
    """What to say of a snapshot of the format `number`, greater than `FORMAT`."""
    return f"its format is {number}, and this Perdure reads up to {FORMAT}; take a newer Perdure"


@functools.cache
def _converter() -> "Converter":
    # Imported here: cattrs costs a tenth of a start, and `--help` reads no passport.
    import cattrs

    converter = cattrs.Converter()
    # cattrs would make "1" of 1 and 1 of "1"; a header that needs that is not one of ours.
    for kind in (str, int):
        converter.register_structure_hook(kind, _exactly)
    # It would also make texts of the letters of one text.
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
    return converter


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(value)
    return value


def _texts(value: Any, _kind: Any) -> tuple[str, ...]:
    return tuple(_exactly(each, str) for each in _exactly(value, list))
