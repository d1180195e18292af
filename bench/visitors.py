"""Clients of the crash lab's pages, which write down what they were told, and hold the server to it."""

import abc
import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

import attrs

from perdure.persist.errors import PerdureError

Get = Callable[[str, str], Awaitable[str]]
"""Ask for a path, with a cookie or an empty text; what the page answers."""

_NUMBER: Final = re.compile(r"visitor (\d+)")
_PATIENCE: Final = 30.0


@attrs.frozen
class LostError(PerdureError):
    """Somebody was told what is not so after the crash."""

    exit_status: ClassVar[int] = 1

    page: str
    told: str
    found: str

    def __str__(self) -> str:
        return f"{self.page}: clients were told {self.told}, and there is {self.found}"


@attrs.define(eq=False)
class Claim(abc.ABC):
    """What the clients of one page were told, and what they have asked without an answer.

    Clients have numbers, and come again with the same one. So many of them as are `pipelined` do not
    wait for a reply before they send more.
    """

    page: ClassVar[str]
    clients: int = 4
    pipelined: int = 0
    undone: bool = False
    """Whether what was answered by 503 surely has not happened: where no mutation waits with it."""
    doubtful: Counter[int] = attrs.field(factory=Counter[int], init=False)
    """For each client the requests that may have been done or not."""
    cookies: dict[int, str] = attrs.field(factory=dict[int, str], init=False)

    def ask(self, client: int) -> str:
        """The path of its next request."""
        return self.page

    def glimpsed(self, client: int, text: str) -> None:  # noqa: B027 - few look at parts
        """A part of a reply has come."""

    @abc.abstractmethod
    def told(self, client: int, text: str) -> None:
        """A reply has come, whole."""

    def refused(self, client: int) -> None:
        """A request was answered by 503."""
        if self.undone:
            self.doubtful[client] -= 1

    @abc.abstractmethod
    async def check(self, get: Get) -> None:
        """Compare with a server that has just started. Raises `LostError`.

        What is found is what clients know from then on.
        """

    def hold(self, is_so: bool, told: object, found: object) -> None:
        """Raise `LostError` unless `is_so`."""
        if not is_so:
            raise LostError(self.page, str(told), str(found))


@attrs.define(eq=False)
class Count(Claim):
    """A page that counts: the greatest number that any client has seen, be it in half a reply."""

    page = "counter.rpy"
    step: ClassVar[int] = 1
    """By how many a request counts."""
    clients: int = 64
    highest: int = attrs.field(default=0, init=False)

    def glimpsed(self, client: int, text: str) -> None:
        # The digits may go on in what has not come yet: fewer of them are a smaller number.
        self.highest = max(self.highest, self.read(text))

    def told(self, client: int, text: str) -> None:
        self.glimpsed(client, text)
        self.doubtful[client] -= 1

    async def check(self, get: Get) -> None:
        """At least the highest that was seen, at most that and what was in flight."""
        found = self.read(await get(self.page, "")) - self.step
        most = self.highest + self.step * self.doubtful.total()
        self.hold(self.highest <= found <= most, f"{self.highest} to {most}", found)
        self.highest = found + self.step

    def read(self, text: str) -> int:
        """The number that `text` tells."""
        found = _NUMBER.search(text)
        return int(found[1]) if found else 0


@attrs.define(eq=False)
class Pair(Count):
    """Two components that each request changes: they agree always."""

    page = "pair.rpy"
    clients: int = 8

    def told(self, client: int, text: str) -> None:
        super().told(client, text)
        left, right = text.split()
        self.hold(left == right, "of two that are one", text)

    def read(self, text: str) -> int:
        left, _, right = text.partition(" ")
        # In half a reply the second has not come, or not all of it.
        return int(left) if right else 0

    async def check(self, get: Get) -> None:
        left, right = (await get(self.page, "")).split()
        self.hold(left == right, "of two that are one", f"{left} and {right}")

        async def again(page: str, cookie: str) -> str:
            return f"{left} {right}"

        await super().check(again)


@attrs.define(eq=False)
class Steps(Count):
    """A streamed reply, each piece of which tells of a change."""

    page = "steps.rpy"
    step = 3
    clients: int = 4

    def read(self, text: str) -> int:
        # Without the blank behind it, a number may not be all there.
        return int(text[: text.rfind(" ")].split()[-1]) if " " in text else 0


@attrs.define(eq=False)
class Lines(Claim):
    """Calls of a mutation: each was done once, and did what it did then."""

    page = "lines.rpy"
    lines: dict[int, tuple[int, str]] = attrs.field(factory=dict[int, tuple[int, str]], init=False)

    def ask(self, client: int) -> str:
        return f"{self.page}?client={client}"

    def told(self, client: int, text: str) -> None:
        count, digest = text.split()
        before = self.lines.get(client, (0, ""))[0]
        most = before + self.doubtful[client]
        self.hold(before < int(count) <= most, f"{before + 1} to {most}", count)
        self.lines[client] = int(count), digest
        # What was refused before is in the count, or never will be.
        self.doubtful[client] = 0

    async def check(self, get: Get) -> None:
        found: dict[int, tuple[int, str]] = {}
        for line in (await get(self.page, "")).splitlines():
            name, lines, digest = line.split()
            found[int(name)] = int(lines), digest
        for client in {*found, *self.lines}:
            told, count = self.lines.get(client, (0, "")), found.get(client, (0, ""))
            self.hold(told[0] <= count[0] <= told[0] + self.doubtful[client], told, count)
            self.hold(told == count or told[0] < count[0], told, count)
        self.lines = found


@attrs.define(eq=False)
class Alarms(Claim):
    """Alarms go off once, whether or not the process dies before, after or meanwhile."""

    page = "bell.rpy"
    clients: int = 2
    most: int = 400
    """How many are set in one run."""
    last: int = attrs.field(default=0, init=False)
    _asked: dict[int, list[str]] = attrs.field(factory=dict[int, list[str]], init=False)
    _set: set[str] = attrs.field(factory=set[str], init=False)
    _open: set[str] = attrs.field(factory=set[str], init=False)

    def ask(self, client: int) -> str:
        if len(self._set) + len(self._open) >= self.most:
            self._asked.setdefault(client, []).append("")
            return self.page
        self.last += 1
        number = str(self.last)
        self._asked.setdefault(client, []).append(number)
        self._open.add(number)
        # Some are due at once, some after the crash.
        return f"{self.page}?number={number}&in={self.last % 7 * 0.05:.2f}"

    def told(self, client: int, text: str) -> None:
        self.doubtful[client] -= 1
        if number := self._asked[client].pop(0):
            self._open.remove(number)
            self._set.add(number)

    def refused(self, client: int) -> None:
        """It may have been set nevertheless: that is a mutation."""
        self._asked[client].pop(0)

    async def check(self, get: Get) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not (text := await get(self.page, "")).startswith("0 "):
                # What it waits for is the server's clock.
                await asyncio.sleep(0.05)
        rung = dict(word.split(":") for word in text.split()[1:])
        self.hold(set(rung) >= self._set, "that they are set", f"no {self._set - set(rung)}")
        strange = set(rung) - self._set - self._open
        self.hold(not strange, "nothing", f"an alarm {strange}")
        twice = [number for number, times in rung.items() if times != "1"]
        self.hold(not twice, "that each is set once", f"that {twice} went off again")
        await get(f"{self.page}?forget=1", "")
        self._asked.clear()
        self._set.clear()
        self._open.clear()


@attrs.define(eq=False)
class Notes(Claim):
    """Named components: each client makes one, and removes it, and makes it anew."""

    page = "notes.rpy"
    done: Counter[int] = attrs.field(factory=Counter[int], init=False)
    """For each client the requests done: after an odd one its component is there."""

    def ask(self, client: int) -> str:
        serial = self.done[client] + 1
        return f"{self.page}?client={client}&{'make' if serial % 2 else 'remove'}={serial}"

    def told(self, client: int, text: str) -> None:
        self.doubtful[client] = 0
        self.done[client] += 1
        self.hold(text == self._expected(self.done[client]), self.done[client], text)

    async def check(self, get: Get) -> None:
        for client in range(self.clients):
            done = self.done[client]
            found = await get(f"{self.page}?client={client}", "")
            fits = [n for n in (done, done + 1) if found == self._expected(n)]
            self.hold(bool(fits) and fits[0] - done <= self.doubtful[client], done, found)
            self.done[client] = fits[0]

    def _expected(self, done: int) -> str:
        return str(done) if done % 2 else "none"


@attrs.define(eq=False)
class Visits(Claim):
    """Sessions: each client has one, in which its visits are counted."""

    page = "visits.rpy"
    visits: Counter[int] = attrs.field(factory=Counter[int], init=False)

    def ask(self, client: int) -> str:
        if client not in self.cookies:
            # Whoever was never told of a session begins another one.
            self.doubtful[client] = 0
        return self.page

    def told(self, client: int, text: str) -> None:
        count, before = int(text), self.visits[client]
        most = before + self.doubtful[client]
        self.hold(before < count <= most, f"{before + 1} to {most}", count)
        self.visits[client] = count
        self.doubtful[client] = 0

    async def check(self, get: Get) -> None:
        for client, cookie in self.cookies.items():
            told = self.visits[client]
            found = int(await get(f"{self.page}?look=1", cookie))
            self.hold(told <= found <= told + self.doubtful[client], told, found)
            self.visits[client] = found


def watched() -> list[Claim]:
    """What is undone when it cannot be saved."""
    kinds = (Count, Pair, Steps, Notes, Visits)
    return [kind(4, undone=True) for kind in kinds]


def everything() -> list[Claim]:
    """One of each. Some call mutations, so that the changes of others may not be `undone`, too."""
    return [Count(pipelined=8), Pair(pipelined=2), Steps(), Lines(), Alarms(), Notes(), Visits()]
