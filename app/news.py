"""What has to be known before anything is made of a record: folders, shapes of classes, secret fields."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import attrs

from ..persist.persistent import secret_fields
from ..persist.shapes import name_of, texts_of

Entry = tuple[str, str, Any]


@attrs.define(eq=False)
class News:
    """Tells in a record what no record before it has told.

    `folders` gives those where modules are found besides; a run tells them first of all, also where
    there are none: so a recovery knows where a run begins. `classes` are what the records name: it
    grows, and may hold functions as well.
    """

    folders: Callable[[], Sequence[str]]
    classes: Collection[object]
    _folders: tuple[str, ...] | None = attrs.field(default=None, init=False)
    _shapes: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _secrets: dict[str, tuple[str, ...]] = attrs.field(
        factory=dict[str, tuple[str, ...]], init=False
    )
    _looked_at: int = attrs.field(default=0, init=False)

    def entries(self) -> list[Entry]:
        """The entries to begin the next record with; they are taken for told."""
        found: list[Entry] = []
        folders = tuple(self.folders())
        if folders != self._folders:
            self._folders = folders
            found.append(("", "folders", folders))
        if len(self.classes) != self._looked_at:
            self._looked_at = len(self.classes)
            texts = texts_of(self.classes)
            new = tuple(pair for pair in texts.items() if pair[0] not in self._shapes)
            self._shapes |= texts
            if new:
                found.append(("", "shapes", new))
            # Whoever looks at the journal has no passport yet that says so.
            secret = tuple(pair for pair in self._secret() if pair[0] not in self._secrets)
            self._secrets |= dict(secret)
            if secret:
                found.append(("", "secret", secret))
        return found

    def _secret(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for item in self.classes:
            fields = secret_fields(item)
            if isinstance(item, type) and fields:
                yield name_of(item), fields

    def is_checkpointed(self) -> None:
        """The records up to now may go: what they have told of classes has to be told again."""
        self._shapes.clear()
        self._secrets.clear()
        self._looked_at = 0

    def is_lost(self) -> None:
        """Records that were written last are given up, and what they have told with them."""
        self._folders = None
        self.is_checkpointed()
