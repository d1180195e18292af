"""What the bench of recoveries has in the registry."""

from perdure.app.mutations import mutation


class Note:
    """Counts, and has the size of what a small component has."""

    def __init__(self) -> None:
        self.value = 0
        self.text = "The quick brown fox jumps over the lazy dog. " * 5

    def count(self) -> None:
        """One more: the state is journaled."""
        self.value += 1


class Account:
    """Counts, too."""

    def __init__(self) -> None:
        self.value = 0

    @mutation
    def count(self) -> None:
        """One more: the call is journaled."""
        self.value += 1
