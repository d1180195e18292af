"""What is said when states of earlier code cannot be brought up to the code there is."""

from collections.abc import Sequence
from typing import Self

import attrs

from .restore import RestoreError

_MOST_PROBLEMS = 5


@attrs.define
class SchemaError(RestoreError):
    """The states of a class cannot be brought up. Nothing was built, and nothing changed."""


@attrs.define
class NewerSchemaError(SchemaError):
    """The state is of version `recorded` of a class, and the code has only version `present`."""

    recorded: int
    present: int

    @classmethod
    def of(cls, name: str, recorded: int, present: int) -> Self:
        """That class `name` has these versions."""
        return cls(
            name,
            f"its state is of version {recorded}, and the code here has version {present}",
            "run the newer code, or take an earlier snapshot",
            recorded,
            present,
        )


@attrs.define
class MissingStepError(SchemaError):
    """There is no step to version `missing`, on the way from `recorded` to `present`."""

    recorded: int
    present: int
    missing: int

    @classmethod
    def of(cls, name: str, recorded: int, present: int, missing: int) -> Self:
        """That class `name` lacks that step."""
        return cls(
            name,
            f"its state is of version {recorded}, the code here has version {present}, and no step"
            f" leads to version {missing}",
            f"write one with @upgrades({name.rpartition('.')[2]}, to={missing})",
            recorded,
            present,
            missing,
        )


@attrs.define
class StepError(SchemaError):
    """The step to version `to` failed, or gave what is no state. `place` is that of the object."""

    to: int
    place: str

    @classmethod
    def of(cls, name: str, to: int, place: str, what: str) -> Self:
        """That the step of class `name` did `what`."""
        return cls(
            name, f"its step to version {to} {what}, for {place}", "mend that step", to, place
        )


@attrs.define
class FieldError(SchemaError):
    """A `field` that came or went, which no default or place is there for. `place` is the object's."""

    field: str
    place: str

    @classmethod
    def missing(cls, name: str, field: str, place: str) -> Self:
        """That a new field has no default."""
        return cls(
            name,
            f"the field {field} is new, it has no default, and {place} has no value for it",
            "give it a default that needs no other fields, or declare a version and a step to it",
            field,
            place,
        )

    @classmethod
    def unkept(cls, name: str, field: str, place: str) -> Self:
        """That the value of a former field would be lost."""
        return cls(
            name,
            f"the field {field} is gone, and {place} has a value in it that its objects, which"
            " have slots and no weak references, cannot keep",
            "declare a version and a step that takes it out, or a slot for weak references",
            field,
            place,
        )


@attrs.define
class RetypedError(SchemaError):
    """Fields have other types now, and values that do not fit; `problems` begin with their places."""

    problems: tuple[str, ...]

    @classmethod
    def of(cls, name: str, problems: Sequence[str]) -> Self:
        """That instances of class `name` have them."""
        shown = "; ".join(problems[:_MOST_PROBLEMS])
        more = len(problems) - _MOST_PROBLEMS
        return cls(
            name,
            f"its fields have other types now: {shown}{f'; and {more} more' if more > 0 else ''}",
            "declare a version and a step that makes the new values",
            tuple(problems),
        )
