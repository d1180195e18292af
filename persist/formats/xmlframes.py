"""The elements that a reader of XML has open, and what may stand in each."""

from typing import Any, Final

FREE: Final = 0
"""The element has any values inside."""
KEYED: Final = 1
"""It has keys and values in turn."""
STRICT: Final = 2
"""What it has inside is looked at one by one (see `Frame.check`)."""
NODES: Final = ("instance", "copyreg")
SECTIONS: Final = ("loadfunc", "arguments", "keywords", "members", "items", "setter")
"""What may stand in a node before its state, in this order."""


class WrongError(Exception):
    """The text is wrong here, or at the byte `where`."""

    def __init__(self, reason: str, where: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


class Frame:
    """One open element.

    `item` is the object it is, if that could be made already; `parts` the values met in it so far;
    `extra` those of a node's sections, by their names; `waiting`, whether the assembly has to look at
    these: some may not be there yet, or be no keys, or be costly ones.
    """

    # Not in __init__: there are hundreds of thousands of frames, and few have any of these.
    extra: dict[str, Any] | None = None
    is_key = False
    line = 0
    number: str | None = None
    waiting = False

    def __init__(self, name: str, item: Any, mode: int, where: int) -> None:
        self.name = name
        self.item = item
        self.mode = mode
        self.where = where
        self.parts: list[Any] = []

    @property
    def shown(self) -> str:
        """The name that stands in the text."""
        return self.item if self.name == "field" else self.name

    def check_role(self, name: str, is_key: bool) -> None:
        """Complain of a key, or a value, that stands where the other belongs."""
        if not is_key:
            raise WrongError(
                f'expected a key (role="key"), or the end of <{self.name}>; got the value <{name}>'
            )
        if self.mode == KEYED:
            raise WrongError(f"expected the value of the key before, got another key <{name}>")
        raise WrongError(
            f'there are no keys in <{self.name}>; take role="key" out, or add <dictionary>'
        )

    def check(self, name: str, number: str | None) -> None:
        """Complain of a value that this element, a STRICT one, may not have inside."""
        if self.name == "":
            raise WrongError(f"expected <snapshot>, got <{name}>")
        if self.name == "signature":
            raise WrongError(f"expected </signature>, got <{name}>")
        if self.name == "passport":
            raise WrongError(f"expected the name of a field, got the value <{name}>")
        extra = self.extra or {}
        if self.name == "snapshot":
            if "passport" not in extra:
                raise WrongError(f"expected <passport>, got <{name}>")
            if self.parts and number is None:
                raise WrongError(
                    f"expected the end of <snapshot>, or an object with reference=; got <{name}>:"
                    " the application is the first object here, and what comes after it can only be"
                    " referred to"
                )
        elif self.name == "copyreg" and "arguments" not in extra:
            raise WrongError(f"expected <tuple>, the arguments of the call; got <{name}>")
        elif self.parts:
            what = "state" if self.name in NODES else "value"
            raise WrongError(f"there is one {what} in <{self.shown}>; <{name}> is a second one")

    def check_section(self, name: str) -> None:
        """Complain if `name`, one of `SECTIONS`, cannot stand here in a node."""
        extra = self.extra or {}
        last = next(reversed(extra), None)
        order = SECTIONS.index(name)
        shown = "tuple" if self.name == "copyreg" and name == "arguments" else name
        if self.parts:
            raise WrongError(f"<{shown}> must stand before the state of the <{self.name}>")
        if last is not None and order <= SECTIONS.index(last):
            raise WrongError(f"<{shown}> must stand once, before <{last}>")
        if self.name == "copyreg":
            if name == "keywords":
                raise WrongError("a <copyreg> has no keywords")
            if name == "loadfunc" and self.item.function is not None:
                raise WrongError("this <copyreg> has a loadfunc already, as an attribute")
            if order > 0 and self.item.function is None and "loadfunc" not in extra:
                raise WrongError(
                    "a <copyreg> needs loadfunc: what is called, as in collections.deque"
                )
            if order > 1 and "arguments" not in extra:
                raise WrongError(f"expected <tuple>, the arguments of the call; got <{name}>")
        elif name == "loadfunc":
            raise WrongError("an <instance> has no loadfunc")
