"""A journal that is durable when the test says so."""

import pickle
from typing import Any

import attrs

from perdure.persist.errors import PerdureError


@attrs.define
class DiskError(PerdureError):
    """The disk is full."""

    def __str__(self) -> str:
        return "no space left"


@attrs.define
class Paper:
    """Does what `persist.journal` does, in memory, and only when asked."""

    payloads: dict[int, bytes] = attrs.field(factory=dict[int, bytes])
    appended: int = 0
    secured: int = 0
    refusal: PerdureError | None = None
    """What `append` raises."""

    def append(self, payload: bytes) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.appended += 1
        self.payloads[self.appended] = payload
        return self.appended

    def withdraw(self) -> range:
        given_up = range(self.secured + 1, self.appended + 1)
        for number in given_up:
            self.payloads.pop(number, None)
        return given_up

    @property
    def entries(self) -> list[list[tuple[str, str, Any]]]:
        """What each record says, but for the shapes of classes, and that there are no folders."""
        return [
            [
                (key, kind, content)
                for key, kind, content in pickle.loads(payload)[1]
                if kind not in ("shapes", "secret") and (kind, content) != ("folders", ())
            ]
            for payload in self.payloads.values()
        ]

    @property
    def kinds(self) -> list[list[tuple[str, str]]]:
        """The keys and kinds of what each record says; a class goes without its module."""
        return [
            [(key.rpartition(".")[2], kind) for key, kind, _ in entries] for entries in self.entries
        ]
