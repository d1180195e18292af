"""A gigabyte of state: what the checkpoint's bench has in the registry."""

import random
import time


class Entry:
    """One contribution: ten objects, counted with its own dict."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number + 1_000_000
        self.title = f"Entry {number}"
        self.author = f"author-{number % 9973}-{number}"
        self.text = text
        self.written = time.time()
        self.tags = [f"tag-{number % 911}-{number}", f"topic-{number}"]


class Archive:
    """`count` entries of some two kilobytes each."""

    def __init__(self, count: int) -> None:
        chance = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz      "
        pool = "".join(chance.choices(letters, k=1 << 20))
        self.entries: list[Entry] = []
        for number in range(count):
            begin = chance.randrange(len(pool) - 2300)
            text = pool[begin : begin + chance.randrange(300, 2300)]
            self.entries.append(Entry(number, text))
