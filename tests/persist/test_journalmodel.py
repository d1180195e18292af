"""Whatever is done to a journal, in whatever order, what is read is what was promised."""

import errno

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from perdure.persist.files import WriteError
from perdure.persist.segment import prune

from .journals import FOLDER, Told, begin, read
from .simulator import SimulatedDisk

KINDS = ("write", "sync", "create", "rename", "sync_folder", "allocate")


class JournalMachine(RuleBasedStateMachine):
    """A journal, the disk it is on, and what must be read from it.

    `appended` are all records that may be read, by number; `gone` the numbers that may be missing:
    those withdrawn, which may come back only if the journal has not recovered since.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.told = Told()
        self.journal = begin(self.told, self.disk)
        self.appended: dict[int, bytes] = {}
        self.gone: set[int] = set()
        self.doubtful: set[int] = set()
        self.base = 0
        self.made = 0
        self.failing = False

    def teardown(self) -> None:
        self.disk.fault = lambda _, __: None
        self.journal.close()

    def append(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            content = b"%d" % self.made + b"." * (self.made * 97 % 900)
            self.appended[self.journal.append(content)] = content

    def settle(self) -> None:
        self.told.wait(secured=max(set(self.appended) - self.gone, default=0))

    @precondition(lambda self: not self.failing)
    @rule(count=st.integers(1, 20))
    def append_and_wait(self, count: int) -> None:
        self.append(count)
        self.settle()

    @rule()
    def rotate(self) -> None:
        assert self.journal.rotate() == self.journal.appended + 1

    @precondition(lambda self: not self.failing)
    @rule()
    def checkpoint(self) -> None:
        self.base = self.journal.rotate() - 1
        prune(self.disk, FOLDER, self.base)

    @precondition(lambda self: not self.failing)
    @rule(kind=st.sampled_from(KINDS), number=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def fail(self, kind: str, number: int) -> None:
        seen = len(self.told.failures)
        self.disk.fault = lambda asked, _: number if asked in {kind, "sync"} else None
        self.append(2)
        self.told.wait(failures=seen + 2)
        self.failing = True

    @precondition(lambda self: self.failing)
    @rule()
    def withdraw(self) -> None:
        given_up = self.journal.withdraw()
        assert given_up.stop == self.journal.appended + 1
        assert all(number > self.journal.secured for number in given_up)
        self.gone.update(given_up)
        self.doubtful.update(given_up)

    @precondition(lambda self: self.failing)
    @rule()
    def heal(self) -> None:
        seen = self.told.recoveries
        self.disk.fault = lambda _, __: None
        if self.journal.failure is not None:
            self.told.wait(recoveries=seen + 1)
        self.settle()
        self.doubtful.clear()
        self.failing = False

    @precondition(lambda self: not self.failing)
    @rule()
    def stop_and_start(self) -> None:
        self.journal.close()
        self.recover(self.disk, self.journal.secured)

    @rule(seed=st.none() | st.integers(0, 1000))
    def lose_power(self, seed: int | None) -> None:
        secured, left = self.journal.secured, self.disk.cut(seed)
        self.disk.fault = lambda _, __: None
        self.journal.close()
        self.recover(left, secured)

    @precondition(lambda self: self.failing)
    @rule()
    def give_up(self) -> None:
        secured = self.journal.secured
        with pytest.raises(WriteError):
            self.journal.close()
        assert self.journal.secured == secured
        self.disk.fault = lambda _, __: None
        self.recover(self.disk, secured)

    def recover(self, left: SimulatedDisk, secured: int) -> None:
        found, reader = read(left, after=self.base)
        report = reader.report
        assert report.damage == ()
        assert reader.last >= secured
        for number in range(self.base + 1, reader.last + 1):
            may_be_missing = number in self.gone
            may_be_there = number not in self.gone or number in self.doubtful
            if number in found:
                assert may_be_there
                assert found[number] == self.appended[number]
            else:
                assert may_be_missing
        self.appended = dict(found)
        self.gone = set(range(self.base + 1, reader.last + 1)) - set(found)
        self.doubtful.clear()
        self.failing = False
        self.disk, self.told = left, Told()
        first, carried = reader.resumption(self.base)
        self.journal = begin(self.told, left, first=first, carried=carried)
        self.told.secured = self.journal.secured
        assert self.journal.appended == max(reader.last, self.base)


@pytest.mark.usefixtures("impatient")
def test_a_journal_keeps_its_promise_in_every_order_of_events() -> None:
    run_state_machine_as_test(
        JournalMachine, settings=settings(max_examples=60, stateful_step_count=30)
    )
