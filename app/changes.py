"""What is known of components, and what was found to have become of them."""

from typing import Any

import attrs

from ..persist.components import Record

Entry = tuple[str, str, Any]
"""Key, kind and content: ("state", (made, state)), ("gone", None), ("command", see `ledger`).

In what is found by one look, "gone" is also what another component has replaced. States before that
mean the one that goes, those after it the one that is there now.
"""


@attrs.define
class Known:
    """A component as it was when it was last looked at. `record` is None if it could not be taken.

    It is not `looked_at` again if it has mutations or is too large.
    """

    component: object
    record: Record | None
    looked_at: bool = True


class Memory(dict[str, Known]):
    """What is known of components, by their keys. It is changed by `know` and `forget` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.holders: dict[str, set[str]] = {}
        """The keys of those whose record refers to a component, by its key."""
        self.size = 0
        """Bytes of all records."""

    def know(self, key: str, known: Known) -> None:
        """From now on this is known."""
        self.forget(key)
        self[key] = known
        if known.record is not None:
            self.size += len(known.record.state)
            for each in known.record.met:
                self.holders.setdefault(each, set()).add(key)

    def forget(self, key: str) -> None:
        """From now on nothing is known of this one."""
        known = self.pop(key, None)
        if known is not None and known.record is not None:
            self.size -= len(known.record.state)
            for each in known.record.met:
                holders = self.holders.get(each, set())
                holders.discard(key)
                if not holders:
                    self.holders.pop(each, None)


Before = dict[str, Known | None]
"""What components were, by their keys; None is nothing."""


@attrs.define
class Changes:
    """What was found by a look: the `entries` of a record, what they replace, and whom it `saw`.

    `let_go` are the keys of what components referred to before, and do not now.
    """

    entries: list[Entry] = attrs.field(factory=list[Entry])
    before: Before = attrs.field(factory=Before)
    saw: list[str] = attrs.field(factory=list[str])
    let_go: set[str] = attrs.field(factory=set[str])

    def add(self, later: "Changes") -> None:
        """What was found by the next look."""
        self.entries += later.entries
        self.let_go |= later.let_go
        self.before = {**later.before, **self.before}
