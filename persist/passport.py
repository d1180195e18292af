"""A snapshot's header: what it holds and whence it comes, as one line of JSON that a person reads.

    {"format": 1, "application": "web", "holds": "state", "written": "2026-11-21T05:47:19Z", ...}

Fields that this version does not know are passed over, so that a newer Perdure may add some.
"""

import functools
import json
import operator
import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeGuard, cast, get_args

import attrs

from .sealing import Envelope, EnvelopeError
from .shapes import UNKNOWN, Shape, parsed

if TYPE_CHECKING:
    from cattrs import Converter

FORMAT: Final = 1
"""The number of the format that this version writes, in every syntax."""

LAST_SEQUENCE: Final = 1 << 62
"""Up to here the numbers of records may come from files: as many again are left to go on with."""

Holds = Literal["blueprint", "state"]
_LATER: Final = ("classes", "packages", "blueprint", "sealed")

# A text may put lists of any depth there.
_SHOWN: Final = reprlib.Repr()
_SHOWN.maxstring = 80


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
    declared secret (see `persistent`), by ``module:qualname`` of the class. `sequence` is the number
    of the last record of the journal whose effect it holds; 0 for none. `classes` are the shapes that
    classes of applications had (see `shapes`), but for those of which there is nothing to say.
    `packages` are the versions of the installed packages that these names come from, by the names of
    the packages. `blueprint` is the digest of the blueprint that ran; None if none did, or it is
    unknown. `sealed` is the envelope of a sealed snapshot (see `sealing`), and empty for any other; then
    only what `outside` leaves is told, and all of it inside.
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
    sequence: int = 0
    classes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    packages: Mapping[str, str] = attrs.field(factory=dict[str, str])
    blueprint: str | None = None
    sealed: str = ""

    def outside(self, sealed: str) -> Self:
        """What of it may be known to everybody, of a snapshot whose envelope is `sealed`."""
        return type(self)(
            format=self.format,
            application=self.application,
            holds=self.holds,
            written=self.written,
            writer=self.writer,
            python="",
            sequence=self.sequence,
            sealed=sealed,
        )

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The recorded shapes of all that the snapshot names, by ``module:qualname``."""
        found = {**dict.fromkeys(self.names, UNKNOWN), **parsed(self.classes)}
        for name in self.secret.keys() & found.keys():
            # Not in the texts of earlier versions of Perdure.
            secret = tuple(sorted({*found[name].secret, *self.secret[name]}))
            found[name] = attrs.evolve(found[name], secret=secret)
        return found

    def fields(self) -> dict[str, Any]:
        """All fields in their order, in Python's own types as JSON has them."""
        fields: dict[str, Any] = _converter().unstructure(self)
        for name in _LATER:
            if not fields[name]:
                # As it was before there were these: signatures of that time cover it so.
                del fields[name]
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
            found = cattrs.transform_error(error, format_exception=_reason)
            raise PassportError("; ".join(map(_by_field, found))) from error
        if made.format > FORMAT:
            raise PassportError(newer(made.format))
        if made.format < 1:
            raise PassportError(f"the format {made.format} never was")
        name = made.application
        if name[:1] in ("", ".") or "/" in name or not name.isprintable():
            # Files of the state are called after it.
            raise PassportError(
                f"application: expected printable text without / and no . in front, got {name!r:.80}"
            )
        if not 0 <= made.sequence <= LAST_SEQUENCE:
            raise PassportError(
                f"sequence: expected a number from 0 to {LAST_SEQUENCE}, got {made.sequence}"
            )
        try:
            parsed(made.classes)
        except ValueError as error:
            raise PassportError(f"classes: {error}") from error
        if made.sealed:
            try:
                Envelope.parse(made.sealed)
            except EnvelopeError as error:
                raise PassportError(f"sealed: {error}") from error
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
    # cattrs would make "1" of 1 and 1 of "1", and texts of the letters of one text; a header that
    # needs that is not one of ours.
    converter.register_structure_hook(str, _exactly(str, "a text"))
    converter.register_structure_hook(int, _exactly(int, "a whole number"))
    others = {Holds: _holds, tuple[str, ...]: _texts, str | None: _text_or_none}
    for kind, hook in others.items():
        converter.register_structure_hook_func(functools.partial(operator.eq, kind), hook)
    return converter


def _exactly(kind: type, expected: str) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _kind: Any) -> Any:
        if type(value) is not kind:
            raise _unexpected(expected, value)
        return value

    return hook


def _holds(value: Any, _kind: Any) -> Any:
    if value not in get_args(Holds):
        raise _unexpected(" or ".join(map(repr, get_args(Holds))), value)
    return value


def _texts(value: Any, _kind: Any) -> tuple[str, ...]:
    if not _is_list(value) or any(type(each) is not str for each in value):
        raise _unexpected("a list of texts", value)
    return tuple(value)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list


def _text_or_none(value: Any, _kind: Any) -> Any:
    if value is not None and type(value) is not str:
        raise _unexpected("a text", value)
    return value


def _unexpected(expected: str, value: Any) -> ValueError:
    return ValueError(f"expected {expected}, got {_SHOWN.repr(value)}")


def _reason(error: BaseException, _kind: Any) -> str:
    if isinstance(error, KeyError):
        return "it is missing"
    return (
        str(error)
        if isinstance(error, ValueError)
        else "expected texts, or lists of them, by names"
    )


def _by_field(text: str) -> str:
    """What cattrs says as ``reason @ $.field``, with the field first."""
    reason, _, field = text.rpartition(" @ $")
    return f"{field.lstrip('.')}: {reason}"
