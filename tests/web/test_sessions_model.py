"""Sessions against a model: whatever is done to them, and whenever a write fails, in any order."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from werkzeug.datastructures import MultiDict

from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.turns import Turn, UnsafeError, closed, taking
from perdure.app.web.limits import Limits
from perdure.app.web.sessions import KeptSession, Sessions, cookie_name
from perdure.persist.trust import Policy

from ..paper import DiskError, Paper

TIMEOUT = 100.0
NOTHING: MultipleResults[str] = multiple()


class SessionsAsTheyShouldBe(RuleBasedStateMachine):
    """`used` has when each cookie that is good was used last.

    What is undone has been used by another name, perhaps, at `undone` at the latest.
    """

    values: Bundle[str] = Bundle("values")

    def __init__(self) -> None:
        super().__init__()
        self.now = 2e9
        self.used: dict[str, float] = {}
        # What is not on the disk yet would be as in here, were it lost.
        self.safe: dict[str, float] = {}
        self.undone = 0.0
        self.fails = False
        self.paper = Paper()
        self.loop = asyncio.new_event_loop()
        self.application = Application("web")
        self.ledger = Ledger(self.application, self.paper, Policy.everything())
        self.ledger.open()
        self.sessions = Sessions(
            self.application.registry,
            Limits(session_time=TIMEOUT, sessions=1000),
            self.loop,
            ledger=self.ledger,
            clock=lambda: self.now,
        )
        self.sessions.open()

    def teardown(self) -> None:
        self.fails = False
        self.sessions.close()
        closed(self.ledger)
        self.loop.close()

    def find(self, value: str) -> KeptSession | None:
        return self.sessions.find(MultiDict([(cookie_name(False), value)]), False)

    @precondition(lambda self: not self.fails)
    @rule(target=values)
    def begin(self) -> str:
        turn = Turn(self.ledger)
        with taking(turn):
            _, value = self.sessions.begin(False)
            turn.end()
        self.used[value] = self.now
        return value

    @rule(value=values)
    def use(self, value: str) -> None:
        turn = Turn(self.ledger)
        with taking(turn):
            kept = self.find(value)
            if kept is not None:
                self.sessions.touch(kept)
                self.sessions.use(kept)
                self.used[value] = self.now
            turn.end()

    @rule(target=values, value=values)
    def rotate(self, value: str) -> MultipleResults[str]:
        turn = Turn(self.ledger)
        with taking(turn):
            kept = self.find(value)
            if kept is None:
                return NOTHING
            self.sessions.touch(kept)
            new = self.sessions.rotate(kept, False)
            try:
                turn.end()
            except UnsafeError:
                assert self.fails
                return NOTHING
        self.used.pop(value)
        self.used[new] = self.now
        return multiple(new)

    @rule(value=consumes(values))
    def end(self, value: str) -> None:
        turn = Turn(self.ledger)
        with taking(turn):
            kept = self.find(value)
            if kept is None:
                return
            self.sessions.end(kept)
            try:
                turn.end()
            except UnsafeError:
                assert self.fails
                return
        self.used.pop(value)

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 50.0, 99.0, 110.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.sessions.tick()

    @precondition(lambda self: not self.fails)
    @rule()
    def secure(self) -> None:
        self.paper.secured = self.paper.appended
        self.ledger.progressed()
        self.safe = dict(self.used)

    @rule()
    def fail(self) -> None:
        """All that was not on the disk is undone."""
        if not self.fails:
            self.fails = True
            self.undone = self.now
            self.paper.refusal = DiskError()
            self.ledger.failed(DiskError())
            self.used = {
                value: max(used, self.used.get(value, 0.0)) for value, used in self.safe.items()
            }

    @rule()
    def recover(self) -> None:
        self.fails = False
        self.paper.refusal = None
        self.ledger.recovered()

    @invariant()
    def whoever_was_here_is_known(self) -> None:
        for value, used in self.used.items():
            if self.now < used + TIMEOUT:
                assert self.find(value) is not None

    @invariant()
    def whoever_was_not_here_is_not(self) -> None:
        for value, used in self.used.items():
            if self.now >= max(used, self.undone) + TIMEOUT * 1.1:
                assert self.find(value) is None

    @invariant()
    def nothing_is_kept_that_never_ends(self) -> None:
        """All that the registry has is in the order of ends."""
        kept = {
            each.name
            for each in self.application.registry.components.values()
            if isinstance(each, KeptSession)
        }
        queues = self.sessions._queues.values()  # pyright: ignore[reportPrivateUsage]
        assert kept <= {name for queue in queues for name in queue}


TestSessions = SessionsAsTheyShouldBe.TestCase
TestSessions.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
