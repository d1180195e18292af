"""What the pages of the crash lab remember."""

import hashlib

from perdure.app import mutations
from perdure.app.mutations import mutation


class Left:
    value = 0


class Right:
    value = 0


class Steps:
    value = 0


class Lines:
    """How much each client wrote, and a digest in which every line, with its ticket, has a part."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[int, str]] = {}

    @mutation
    def write(self, client: str) -> tuple[int, str]:
        count, digest = self.of.get(client, (0, ""))
        line = f"{digest} {mutations.now()} {mutations.random().random()}"
        self.of[client] = count + 1, hashlib.sha256(line.encode()).hexdigest()[:16]
        return self.of[client]


class Bell:
    """How often it rang for each number."""

    def __init__(self) -> None:
        self.rung: dict[str, int] = {}

    def ring(self, number: str) -> None:
        self.rung[number] = self.rung.get(number, 0) + 1


class Note:
    def __init__(self, serial: str) -> None:
        self.serial = serial


class Visits:
    value = 0
