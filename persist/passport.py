"""A snapshot's header: what it holds and whence it comes, as one line of JSON that a person reads.

    {"format": 1, "application": "web", "holds": "state", "written": "2026-11-21T05:47:19Z", ...}

Fields that this version does not know are passed over, so that a newer Perdure may add some.
"""

import functools
import json
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from cattrs import Converter

Holds = Literal["blueprint", "state"]


class PassportError(ValueError):
    """A line that is no passport; the message says which field is wrong, and how."""


@attrs.frozen(kw_only=True)
class Passport:
    """What a snapshot says of itself.

    `written` is a time in ISO 8601, UTC. `names` are the classes and functions the snapshot names,
    as ``module:qualname``; they inform, and decide nothing: trust looks at the snapshot itself.
    `paths` are the folders where the application's own modules are found. `origin` is the digest,
    in hexadecimal, of the snapshot this one came from.
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

    def to_line(self) -> bytes:
        """One line of JSON, in ASCII, with its end."""
        return json.dumps(_converter().unstructure(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Passport":
        """Read what `to_line` wrote. Raises `PassportError`."""
        import cattrs

        try:
            content = json.loads(line)
            if not isinstance(content, dict):
                raise PassportError("an object in braces was expected")
            return _converter().structure(content, cls)
        except cattrs.BaseValidationError as error:
            raise PassportError("; ".join(cattrs.transform_error(error))) from error
        except (ValueError, RecursionError) as error:
            raise PassportError(str(error)) from error


@functools.cache
def _converter() -> "Converter":
    # Imported here: cattrs costs a tenth of a start, and `--help` reads no passport.
    import cattrs

    converter = cattrs.Converter()
    # cattrs would make "1" of 1 and 1 of "1"; a header that needs that is not one of ours.
    for kind in (str, int):
        converter.register_structure_hook(kind, _exactly)
    return converter


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(value)
    return value
