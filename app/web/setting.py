"""What a resource is told when it is made, and what is said of what makes no sense."""

import os
from collections.abc import Sequence
from typing import ClassVar

import attrs

from ...persist.errors import PerdureError


@attrs.define(str=False)
class SettingError(PerdureError):
    """A resource cannot work as it was described: `setting` is `value`, and `reason` says why not.

    `subject` says in the message what of, where the name of the setting does not.
    """

    exit_status: ClassVar[int] = os.EX_CONFIG
    subject: ClassVar[str] = ""
    setting: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}{self.setting} {self.value!r}: {self.reason}"

    @classmethod
    def texts(cls, setting: str, given: Sequence[str]) -> tuple[str, ...]:
        """`given`, which is to be a list. Raises this error for a single text."""
        if isinstance(given, str):
            raise cls(setting, given, f"a list is expected; say [{given!r}]")
        return tuple(given)
