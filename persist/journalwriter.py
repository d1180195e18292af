"""What a journal does to the disk, one step after the other; the thread is `journal`'s."""

from collections.abc import Sequence
from time import monotonic
from typing import Final, Literal

import attrs

from .files import WriteError, make_folder
from .frames import Frame
from .segment import Place, Segment

Level = Literal["durable", "relaxed"]

# At this size a segment is followed by another: a reader has one in memory as a whole.
_SEGMENT_BYTES: Final = 1 << 26
_RETAINED_BYTES: Final = 1 << 25
_SYNC_SECONDS: Final = 1.0


@attrs.define(eq=False)
class JournalWriter:
    """The newest segment of a journal and what may have to be written again. For one thread.

    Up to `durable` all records are on the device, and up to `secured` they are as safe as the level
    promises. After a `WriteError` of any method the segment is broken, and `renew` comes next.
    """

    _place: Place
    _level: Level
    _segment: Segment
    broken: bool = attrs.field(init=False, default=False)
    secured: int = attrs.field(init=False)
    durable: int = attrs.field(init=False)
    # Where the secured records end; what is beyond may be cut off a broken segment.
    _secured_size: int = attrs.field(init=False)
    _retained: list[Sequence[bytes]] = attrs.field(init=False, factory=list[Sequence[bytes]])
    _retained_bytes: int = attrs.field(init=False, default=0)
    _sync_at: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.durable = self.secured = self._segment.next - 1
        self._secured_size = self._segment.size

    @classmethod
    def begin(
        cls,
        place: Place,
        level: Level,
        first: int,
        *,
        carried: Sequence[Frame] = (),
        fresh: bool = False,
    ) -> "JournalWriter":
        """Begin with the number `first`. Raises `WriteError`."""
        segment = Segment.begin(place, first, fresh=fresh, carried=carried)
        return cls(place, level, segment)

    @property
    def first(self) -> int:
        """The number with which the segment begins."""
        return self._segment.first

    @property
    def is_full(self) -> bool:
        """Whether it is time for another segment."""
        return self._segment.size > _SEGMENT_BYTES

    def write(self, records: Sequence[bytes]) -> None:
        """Do what the level demands for `records`; they count only after `confirm`."""
        try:
            self._segment.write(records)
            if self._level == "durable":
                self._segment.sync()
        except WriteError:
            self.broken = True
            raise

    def confirm(self, records: Sequence[bytes]) -> int:
        """Count what was written as secured; gives its last number."""
        self.secured = self._segment.next - 1
        self._secured_size = self._segment.size
        if self._level == "durable":
            self.durable = self.secured
        else:
            if not self._retained:
                self._sync_at = monotonic() + _SYNC_SECONDS
            self._retained.append(records)
            self._retained_bytes += sum(map(len, records))
        return self.secured

    def sync_due(self) -> float | None:
        """In how many seconds `sync` should come; None if there is no need of it."""
        if not self._retained:
            return None
        if self._retained_bytes > _RETAINED_BYTES:
            return 0.0
        return max(0.0, self._sync_at - monotonic())

    def sync(self) -> None:
        """Put on the device what only the operating system has."""
        if self._retained:
            try:
                self._segment.sync()
            except WriteError:
                self.broken = True
                raise
            self.durable = self.secured
            self._forget_retained()

    def rotate(self) -> None:
        """Begin another segment, if there is anything in this one."""
        if self._segment.next == self._segment.first:
            return
        self.sync()
        self._segment.finish()
        self.broken = True
        self._begin(0)

    def renew(self, given_up: int) -> None:
        """Begin a segment that supersedes all that is not secured; so many numbers are given up.

        On the device it holds them as void from its beginning, and what is secured, but not durable
        yet. May be tried again and again.
        """
        self.broken = True
        self._segment.abandon(self._secured_size)
        make_folder(self._place.folder, self._place.disk)  # Somebody may have removed it.
        self._begin(given_up)

    def finish(self) -> None:
        """End the journal."""
        self.sync()
        self._segment.finish(last=True)

    def _begin(self, given_up: int) -> None:
        self._segment = Segment.begin(
            self._place, self.durable + 1, retained=self._retained, given_up=given_up
        )
        self._forget_retained()
        self.durable = self.secured = self._segment.next - 1
        self._secured_size = self._segment.size
        self.broken = False

    def _forget_retained(self) -> None:
        self._retained = []
        self._retained_bytes = 0
