"""The records of a journal, in lines for a person; no code of the application's is run."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import attrs

from ..app.records import ReplayError, Turn
from ..app.rewind import all_records, damage_of, microseconds, read_record, shown
from ..convert.recordview import RecordView
from ..persist import inventory
from ..persist.frames import journal_key
from ..persist.inventory import SegmentFacts
from ..persist.store import FolderStore
from ..persist.trust import Signer
from .storetext import headless

_FORGOTTEN = "-- what is above does not count any more: a history of its own begins here"


@attrs.frozen
class Choice:
    """Which records to show: of a `component`, not before the time `since`, the `last` so many.

    What is secret in them is shown with `reveal` only.
    """

    component: str | None = None
    since: float | None = None
    last: int | None = None
    reveal: bool = False

    def has(self, turn: Turn) -> bool:
        """Whether the record is one of these, but for how many there are."""
        if self.since is not None and microseconds(turn.time) < microseconds(self.since):
            return False
        return self.component is None or any(self.is_about(key) for key, _, _ in turn.entries)

    def is_about(self, key: str) -> bool:
        """Whether an entry with this key is to be shown."""
        wanted = self.component
        if wanted is None:
            return True
        if wanted.startswith("registry[") and wanted.endswith("]"):
            wanted = wanted[len("registry[") : -1]
        return wanted in (key, key.partition(":")[0])


@attrs.define(eq=False)
class Log:
    """The journal of `store`, as it is now, as this user sees it.

    `tell` is called with what an operator must know besides.
    """

    store: FolderStore
    signer: Signer
    tell: Callable[[str], object]
    status: int = os.EX_OK
    _segments: list[SegmentFacts] = attrs.field(init=False)
    _key: bytes | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        key = journal_key(self.signer)
        store = self.store
        self._segments = inventory.inventory(store.journal_folder, store.application, key)
        strange = [each for each in self._segments if each.writer in ("nobody", "other")]
        self._key = None if strange else key
        for each in strange:
            whose = (
                "not signed"
                if each.writer == "nobody"
                else "not written with this user's key, or not this user's file"
            )
            self.tell(f"{each.path}: {whose}; what it says is shown, and not to be believed")
        for each in self._segments:
            if each.header is None:
                self.status = os.EX_DATAERR
                self.tell(headless(each))

    def lines(self, choice: Choice) -> Iterator[str]:
        """The records of the choice. Raises JournalError."""
        first = 0
        if choice.last is not None:
            numbers: deque[int] = deque(maxlen=choice.last)
            numbers.extend(
                number for number, turn in self._turns() if turn is None or choice.has(turn)
            )
            if not numbers:
                return
            first = numbers[0]
        view = RecordView(self._key is not None, self._secret(), choice.reveal)
        begins = deque(each.first for each in self._segments if each.is_fresh)
        told_any = False
        for number, turn in self._turns(tells=True):
            while begins and begins[0] <= number:
                begins.popleft()
                view.forget()
                if told_any:
                    yield _FORGOTTEN
            if turn is None:
                continue
            if number < first or not choice.has(turn):
                for entry in turn.entries:
                    view.note(*entry)
                continue
            told_any = True
            yield f"{number}  {shown(turn.time)}"
            for key, kind, content in turn.entries:
                if choice.is_about(key):
                    yield from (f"    {line}" for line in view.lines(key, kind, content))
                else:
                    view.note(key, kind, content)
        if begins and told_any:
            yield _FORGOTTEN

    def _turns(self, *, tells: bool = False) -> Iterator[tuple[int, Turn | None]]:
        reader, records = all_records(self.store, self._key)
        for number, payload in records:
            try:
                yield number, read_record(number, payload, trusted=self._key is not None)
            except ReplayError as error:
                self.status = os.EX_DATAERR
                if tells:
                    self.tell(str(error))
                yield number, None
        if not tells:
            return
        report = reader.report
        for text in damage_of(report, [each.first for each in self._segments if each.is_fresh]):
            self.status = os.EX_DATAERR
            self.tell(text)
        if report.cut:
            self.tell(f"{report.cut} bytes at the end were not finished, or are being written")
        # With each history one number is given up by design.
        given_up = report.given_up - sum(each.is_fresh for each in self._segments)
        if given_up > 0:
            self.tell(f"{given_up:,} records were given up: the disk failed, and clients were told")

    def _secret(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for state in reversed(self.store.states()):
            for name, fields in state.passport.secret.items():
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), *fields)))
        return found
