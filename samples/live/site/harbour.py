"""What the live pages remember."""

from collections.abc import Iterable
from datetime import UTC, datetime

import attrs


class Boats:
    """How many boats are in the harbour."""

    def __init__(self) -> None:
        self.value = 0

    def arrive(self) -> None:
        self.value += 1

    def leave(self) -> None:
        self.value = max(0, self.value - 1)


@attrs.frozen
class Message:
    """What somebody said. They are numbered from 1."""

    number: int
    text: str
    said: datetime


@attrs.define
class Room:
    """A room where people talk. It remembers what was said last."""

    longest: int = 500
    room: int = 100
    messages: list[Message] = attrs.field(factory=list[Message])

    @property
    def said(self) -> int:
        """The number of the last message."""
        return self.messages[-1].number if self.messages else 0

    def say(self, text: str) -> None:
        """Take a message in; one that is too long is cut, and one that is empty is none."""
        text = " ".join(text.split())[: self.longest]
        if text:
            self.messages.append(Message(self.said + 1, text, datetime.now(UTC)))
            del self.messages[: -self.room]

    def since(self, number: int) -> Iterable[Message]:
        """The messages that came after the one with this number."""
        return [each for each in self.messages if each.number > number]
