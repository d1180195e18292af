"""What the pages of the sample site remember.

Counter is a plain class that knows nothing of Perdure; GuestBook and Entry are attrs classes;
Records holds an open file, and says so. All live in the registry, and so in the snapshot.
"""

import re
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_plus

import attrs

from perdure.persist.persistent import persistent


class Counter:
    """Counts visits."""

    def __init__(self) -> None:
        self.value = 0

    def increment(self) -> None:
        self.value += 1

    def get_value(self) -> int:
        return self.value


class EntryError(ValueError):
    """An entry the guest book does not take; the text says why, for the visitor to read."""


@attrs.frozen
class Entry:
    """What one guest wrote, and when."""

    name: str
    message: str
    written: datetime


@attrs.define
class GuestBook:
    """The entries of a guest book, oldest first; when it is full, the oldest leave."""

    entries: list[Entry] = attrs.field(factory=list[Entry])
    room: int = 500
    longest_name: int = 60
    longest_message: int = 1000

    def sign(self, name: str, message: str) -> Entry:
        """Add an entry, dated now; raise EntryError when a part is empty or too long."""
        name, message = " ".join(name.split()), message.strip()
        for label, text, longest in (
            ("name", name, self.longest_name),
            ("message", message, self.longest_message),
        ):
            if not text:
                raise EntryError(f"The {label} is empty.")
            if not all(letter.isprintable() or letter in "\r\n\t" for letter in text):
                raise EntryError(f"The {label} has characters that cannot be shown.")
            if len(text) > longest:
                raise EntryError(
                    f"The {label} has {len(text)} characters; there is room for {longest}."
                )
        entry = Entry(name, message, datetime.now(UTC))
        self.entries = [*self.entries, entry][-self.room :]
        return entry

    def newest_first(self) -> list[Entry]:
        return self.entries[::-1]


@attrs.frozen
class Hit:
    """One answered request that told where its reader came from."""

    when: str
    resource: str
    referrer: str


# host ident user [time] "METHOD resource VERSION" status bytes "referrer" ...
COMBINED = re.compile(
    r'\S+ \S+ \S+ \[(?P<when>[^]]+)\] "\S+ (?P<resource>\S+)[^"]*" (?P<status>\d{3}) \S+'
    r' "(?P<referrer>(?:[^"\\]|\\.)*)"'
)


@persistent(reopen=("log",))
class Records:
    """The latest hits in an access log of the combined format.

    The log stays open between requests and only lines that are new are read. A snapshot
    remembers the place, and the log is opened there again when the server resumes.
    """

    def __init__(self, path: Path, keep: int = 35) -> None:
        self.log: BinaryIO = path.open("rb")
        self.hits: deque[Hit] = deque(maxlen=keep)

    def read_new(self) -> int:
        """Read the lines that were added since the last call; return how many they were."""
        count = 0
        while line := self.log.readline():
            if not line.endswith(b"\n"):
                # Its writer is not done with it: it is read whole the next time.
                self.log.seek(-len(line), 1)
                break
            count += 1
            self._note(line.decode("utf-8", "replace"))
        return count

    def newest_first(self) -> list[Hit]:
        return list(self.hits)[::-1]

    def _note(self, line: str) -> None:
        found = COMBINED.match(line)
        if found and found["status"] == "200" and found["referrer"] not in ("", "-"):
            self.hits.append(Hit(found["when"], found["resource"], unquote_plus(found["referrer"])))
