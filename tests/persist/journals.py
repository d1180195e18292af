"""What the tests of the journal share: records, and a journal that is waited for."""

import contextlib
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import attrs

from perdure.persist.disk import DISK, Disk
from perdure.persist.files import WriteError
from perdure.persist.frames import Frame
from perdure.persist.journal import Journal
from perdure.persist.journalreader import JournalReader
from perdure.persist.journalwriter import Level

from .simulator import ROOT, SimulatedDisk

KEY = b"k" * 32
FOLDER = ROOT / "web.journal"
PATIENCE = 30.0


def payload(number: int) -> bytes:
    """What the tests append as the record `number`: told from all others, and of all sizes."""
    return b"record %d " % number + b"." * (number * 37 % 700)


@attrs.define(eq=False)
class Told:
    """What a journal has said, for the threads that wait for it."""

    disk: SimulatedDisk | None = None
    secured: int = 0
    failures: list[WriteError] = attrs.field(factory=list[WriteError])
    recoveries: int = 0
    changed: threading.Condition = attrs.field(factory=threading.Condition)

    def progress(self, secured: int) -> None:
        with self.changed:
            self.secured = secured
            if self.disk is not None:
                self.disk.note(("secured", secured))
            self.changed.notify_all()

    def failure(self, error: WriteError) -> None:
        with self.changed:
            self.failures.append(error)
            self.changed.notify_all()

    def recovery(self) -> None:
        with self.changed:
            self.recoveries += 1
            if self.disk is not None:
                self.disk.note(("recovered", 0))
            self.changed.notify_all()

    def wait(self, *, secured: int = 0, failures: int = 0, recoveries: int = 0) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: (
                    self.secured >= secured
                    and len(self.failures) >= failures
                    and self.recoveries >= recoveries
                ),
                PATIENCE,
            ), (self.secured, self.failures, self.recoveries)


def begin(
    told: Told,
    disk: Disk = DISK,
    *,
    folder: Path = FOLDER,
    first: int = 1,
    level: Level = "durable",
    fresh: bool = False,
    carried: Sequence[Frame] = (),
    backlog: int = 1 << 28,
) -> Journal:
    return Journal(
        folder,
        application="web",
        first=first,
        key=KEY,
        level=level,
        fresh=fresh,
        carried=carried,
        backlog=backlog,
        on_progress=told.progress,
        on_failure=told.failure,
        on_recovery=told.recovery,
        disk=disk,
    )


@contextlib.contextmanager
def ending(journal: Journal) -> Generator[Journal]:
    """Close the journal at the end, failed or not."""
    try:
        yield journal
    finally:
        with contextlib.suppress(WriteError):
            journal.close()


def read(
    disk: Disk = DISK, folder: Path = FOLDER, after: int = 0
) -> tuple[dict[int, bytes], JournalReader]:
    """All records, whose numbers only grow; and the reader, for what it says of them."""
    reader = JournalReader(folder, "web", KEY, disk)
    found = list(reader.records(after))
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    return dict(found), reader


class Gate(SimulatedDisk):
    """A disk whose syncs wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Semaphore(0)
        self.through = threading.Semaphore(0)
        self.closed = False

    def sync(self, handle: int) -> None:
        if self.closed:
            self.arrived.release()
            assert self.through.acquire(timeout=PATIENCE)
        super().sync(handle)
