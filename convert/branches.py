"""What an object of a graph directly consists of, as a person sees it, and what it is called.

The parts are those that pickle has, told in the words of places (`persist.place`): the state of an
instance is its fields, `members` and `pairs` are its items. Where these leave no name, the parts
of pickle have one: `arguments`, `state`, `setter`, `function`. What stands for a value in a word,
such as a datetime, has no parts but what the word is of.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, cast

from ..persist.graph import SCALARS, Call, Global, Instance, Node
from ..persist.place import Field, Item, Step
from ..persist.reduction import fields_of
from ..persist.words import Word, word_of

Branch = tuple[Step, Any]

_WORD_PARTS: Final = {
    "method": "__self__", "datetime": "tzinfo", "time": "tzinfo", "concealed": "sealed"
}  # fmt: skip


def branches(item: object) -> Iterator[Branch]:
    """The parts of `item` that have a place of their own, each with the step that leads to it.

    The members of a set have none, nor have keys.
    """
    kind = type(item)
    if kind is dict:
        for key, value in cast("dict[Any, Any]", item).items():
            yield Item(key), value
    elif kind in (list, tuple):
        for number, member in enumerate(cast("list[Any]", item)):
            yield Item(number), member
    elif isinstance(item, Node):
        yield from _node_branches(item)


def _node_branches(node: Node) -> Iterator[Branch]:
    word = as_word(node)
    if word is not None:
        if word.of is not None:
            yield Field(_WORD_PARTS[word.name]), word.of
        return
    if isinstance(node, Call) and type(node.function) is not Global:
        yield Field("function"), node.function
    if has_items(node):
        if node.arguments:
            yield Field("arguments"), node.arguments
    else:
        for number, argument in enumerate(node.arguments):
            yield Item(number), argument
    if isinstance(node, Instance) and node.keywords:
        for name, value in node.keywords.items():
            yield Field(name), value
    fields = field_dicts(node)
    if fields is None:
        yield Field("state"), node.state
    else:
        for part in fields:
            for name, value in part.items():
                yield field_step(name), value
    for number, member in enumerate(node.members or ()):
        yield Item(number), member
    for key, value in node.pairs or ():
        yield Item(key), value
    if node.setter is not None:
        yield Field("setter"), node.setter


def has_items(node: Node) -> bool:
    """Whether brackets after `node` mean its members or pairs; else they mean its arguments."""
    return node.members is not None or node.pairs is not None


def field_dicts(node: Node) -> list[dict[Any, Any]] | None:
    """The dicts that hold the fields of `node`; None if its state is of another sort."""
    state: object = node.state
    if state is None:
        return []
    fields = fields_of(state)
    return None if fields is None else list(fields)


def field_step(name: Any) -> Step:
    """The step to a field, which some code gives a name that is no name."""
    return Field(name) if type(name) is str else Item(name)


def as_word(item: object) -> Word | None:
    """What `item` is in a word, None if there is no word for it."""
    return word_of(item) if isinstance(item, Call) else None


def class_of(item: object) -> Global | None:
    """The class of `item`, or the function that makes it; None if it is no node, or made by one."""
    if isinstance(item, Instance):
        return cast("Global", type(item))
    function = item.function if isinstance(item, Call) else None
    return function if type(function) is Global else None


def dotted(name: Global) -> str:
    """The name as it is written in code: ``visits.Counter``."""
    return name.name if name.module == "builtins" else f"{name.module}.{name.name}"


def is_small(item: object) -> bool:
    """Whether `item` is told in one line: a scalar, a class by name, a word that is of nothing."""
    kind = type(item)
    if kind in SCALARS or kind is Global:
        return True
    word = as_word(item)
    return word is not None and word.of is None


def is_secret(secret: Mapping[str, Collection[str]], item: object, step: Step) -> bool:
    """Whether the class of `item` declares secret what `step` leads to.

    `secret` has the names of fields by the class as ``module:qualname``. Where only the class knows
    what of a state of its own, or of the arguments of a call, is the secret, that is all of it.
    """
    if not secret or not isinstance(item, Node):
        return False
    names = secret.get(str(class_of(item)), ())
    if not names:
        return False
    if isinstance(step, Item):
        return isinstance(item, Call) and not has_items(item)
    return (
        step.name in names
        or (step.name == "arguments" and isinstance(item, Call))
        or (step.name == "state" and field_dicts(item) is None)
    )


def readable(key: object) -> Any:
    """A key as a place is to show it: a class by its name, all else as it is."""
    return dotted(key) if type(key) is Global else key
