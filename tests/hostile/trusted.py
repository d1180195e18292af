"""A module that the operator trusts: honest, and full of what a stranger would like to reach."""

import functools
import os
import sys
from typing import Any

calls: list[object] = []
system: Any = vars(os)["system"]
run = system
partial = functools.partial(system, "touch canary")
tools = sys.modules
space = sys


class Kept:
    """A component, or a part of one."""

    tool = os
    run = staticmethod(system)

    def __init__(self) -> None:
        self.value = 0

    def add(self, number: int) -> None:
        """Add to the value."""
        calls.append(number)
        self.value += number

    class Inner:
        """One of its own."""


class Slotted:
    """Has no dict."""

    __slots__ = ("value",)


def note(*arguments: object) -> None:
    """Note what it is called with."""
    calls.append(arguments)
