"""Whatever is done to a store and its journal, in whatever order, what is found is what was promised."""

import errno
import os
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from perdure.persist.files import WriteError
from perdure.persist.journal import Journal
from perdure.persist.restore import restore
from perdure.persist.snapshot import SnapshotError
from perdure.persist.storage import State
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy

from .journals import KEY, Told
from .simulator import ROOT, SimulatedDisk

KINDS = ("write", "sync", "create", "rename", "sync_folder", "allocate", "unlink", "link")
KEEP = 2
Effects = list[tuple[int, bytes]]


class StoreMachine(RuleBasedStateMachine):
    """Processes, one after the other, whose state is the list of the records they have applied.

    `sent` are all records that may be found, by number; `told` are those that must be; `doubtful`
    were withdrawn, and may come back only as long as the journal has not recovered since.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.sent: dict[int, bytes] = {}
        self.told: dict[int, bytes] = {}
        self.doubtful: dict[int, bytes] = {}
        self.made = 0
        self.start()

    def teardown(self) -> None:
        self.end()

    # A process.

    def start(self) -> None:
        """Find out what there is, and hold it against the promise."""
        self.failing = False
        self.notices = Told()
        self.store = FolderStore(ROOT, "web", keep=KEEP, disk=self.disk).lock()
        base, self.memory = 0, Effects()
        for state in self.store.states():
            with suppress(SnapshotError):
                base, self.memory = state.passport.sequence, self.content(state)
                break
        reader = self.store.records(KEY)
        self.memory += reader.records(base)
        assert reader.report.damage == ()
        found = dict(self.memory)
        numbers = [number for number, _ in self.memory]
        assert numbers == sorted(set(numbers)), "nothing is doubled, nothing out of order"
        assert self.told.items() <= found.items()
        assert found.items() <= self.sent.items() | self.doubtful.items()
        # What was found once is found ever after.
        self.sent, self.told, self.doubtful = dict(found), dict(found), {}
        first, carried = reader.resumption(base)
        self.journal: Journal = self.store.journal(
            first=first,
            carried=carried,
            key=KEY,
            level="durable",
            fresh=False,
            on_progress=self.notices.progress,
            on_failure=self.notices.failure,
            on_recovery=self.notices.recovery,
        )
        self.notices.secured = self.journal.secured

    def end(self) -> None:
        """The process is gone. Nothing that it does from now on is seen by any other."""
        self.disk.fault = lambda _, __: None
        self.journal.close()
        self.store.unlock()

    def go_on_with(self, disk: SimulatedDisk) -> None:
        """`count` must have come before `disk` was made of this one."""
        self.end()
        self.disk = disk
        self.start()

    def count(self) -> None:
        """Clients are told of what is secured."""
        secured = self.journal.secured
        self.told = {number: record for number, record in self.sent.items() if number <= secured}

    def content(self, state: State) -> Effects:
        found = self.store.read(state.path)[0]
        return cast(Effects, restore(found.stream, Policy.only()))

    # What it does.

    @rule(count=st.integers(1, 9))
    def send(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            record = b"%d" % self.made + b"." * (self.made * 97 % 900)
            number = self.journal.append(record)
            self.sent[number] = record
            self.memory.append((number, record))

    @precondition(lambda self: not self.failing)
    @rule()
    def wait(self) -> None:
        self.notices.wait(secured=max(self.sent, default=0))
        self.count()

    @precondition(lambda self: not self.failing)
    @rule()
    def checkpoint(self) -> None:
        sequence = self.journal.rotate() - 1
        draft = self.store.draft(self.memory, sequence=sequence, signer=None)
        self.wait()
        self.store.admit(draft)
        self.store.prune()

    @rule()
    def prune(self) -> None:
        self.store.prune()

    @precondition(lambda self: not self.failing)
    @rule()
    def leave_a_draft(self) -> None:
        self.store.draft(self.memory, sequence=self.journal.appended, signer=None)

    @precondition(lambda self: not self.failing)
    @rule()
    def save_and_start(self) -> None:
        self.save()
        self.end()
        self.start()

    def save(self) -> None:
        self.store.save(self.memory, sequence=self.journal.appended, signer=None)
        self.told = dict(self.sent)

    # What befalls it.

    @rule(seed=st.none() | st.integers(0, 1000))
    def lose_power(self, seed: int | None) -> None:
        self.count()
        self.go_on_with(self.disk.cut(seed))

    @precondition(lambda self: not self.failing)
    @rule(
        seed=st.none() | st.integers(0, 1000),
        share=st.floats(0, 1),
        saving=st.booleans(),
    )
    def lose_power_meanwhile(self, seed: int | None, share: float, saving: bool) -> None:
        """In a checkpoint, or in the save at the end; what was told before it must be there."""
        self.wait()
        told, begun = self.told, len(self.disk.steps)
        if saving:
            self.save()
        else:
            self.checkpoint()
        after = begun + round(share * (len(self.disk.steps) - begun))
        left = self.disk.cut(seed, after)
        self.end()
        self.told, self.disk = told, left
        self.start()

    @rule()
    def be_killed(self) -> None:
        self.count()
        self.go_on_with(self.disk.inherited())

    @precondition(lambda self: not self.failing)
    @rule(kind=st.sampled_from(KINDS), number=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def fail(self, kind: str, number: int) -> None:
        seen = len(self.notices.failures)
        self.disk.fault = lambda asked, _: number if asked in {kind, "sync"} else None
        self.send(2)
        self.notices.wait(failures=seen + 2)
        self.failing = True

    @precondition(lambda self: self.failing)
    @rule(saving=st.booleans())
    def write_in_vain(self, saving: bool) -> None:
        before = [state.path for state in self.store.states()]
        write = self.store.save if saving else self.store.draft
        with pytest.raises(WriteError):
            write(self.memory, sequence=self.journal.appended, signer=None)
        after = [state.path for state in self.store.states()]
        # The one of the last stop may be a generation as well by now.
        assert set(before) <= set(after)

    @precondition(lambda self: self.failing)
    @rule()
    def withdraw(self) -> None:
        for number in self.journal.withdraw():
            if number in self.sent:
                self.doubtful[number] = self.sent.pop(number)
        self.memory = [(number, record) for number, record in self.memory if number in self.sent]

    @precondition(lambda self: self.failing)
    @rule()
    def heal(self) -> None:
        seen = self.notices.recoveries
        self.disk.fault = lambda _, __: None
        if self.journal.failure is not None:
            self.notices.wait(recoveries=seen + 1)
        self.wait()
        self.doubtful.clear()
        self.failing = False

    @rule()
    def damage_the_newest_and_start(self) -> None:
        # No precondition: what a loss of power has left hangs on the journal's thread.
        if len(self.sound()) > 1:
            self.disk.damage(self.store.states()[0].path)
            self.be_killed()

    def sound(self) -> list[State]:
        """Those that can be read, of the newest one and those that are kept besides."""
        found: list[State] = []
        for state in self.store.states()[: KEEP + 1]:
            with suppress(SnapshotError):
                self.content(state)
                found.append(state)
        return found


@pytest.mark.usefixtures("impatient")
def test_a_store_keeps_its_promise_in_every_order_of_events() -> None:
    examples = int(os.environ.get("PERDURE_TEST_EXAMPLES", "80"))
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=examples, stateful_step_count=25)
    )
