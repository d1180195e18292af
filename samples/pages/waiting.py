"""What the page of the slow keeper remembers."""


class Waits:
    """How many visitors have waited to the end, and how many have left before."""

    def __init__(self) -> None:
        self.patient = 0
        self.impatient = 0
