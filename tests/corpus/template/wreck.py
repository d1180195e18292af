"""A module that goes, and may come back."""

from typing import Any

import attrs


@attrs.define
class Wreck:
    boat: Any
    cargo: list[str]
