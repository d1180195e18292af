"""Modules whose text changes, as that of an application does from one release to the next."""

import sys
import textwrap
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import attrs

from perdure.persist.capture import Capture, capture
from perdure.persist.restore import restore
from perdure.persist.schema import MOVED
from perdure.persist.shapes import UNKNOWN, Shape, parsed
from perdure.persist.trust import Policy

_made: dict[str, None] = {}
HEAD = "from perdure.persist.schema import moved, schema, upgrades\nimport attrs, dataclasses\n"


@attrs.frozen
class Kept:
    """What is left of a release once its code is gone."""

    stream: bytes
    shapes: Mapping[str, Shape]

    def restored(self, policy: Policy | None = None) -> Any:
        return restore(self.stream, policy or Policy.everything(), self.shapes)


def code(name: str, text: str) -> Any:
    """The module `name` with this text, from now on, in place of any other of the name."""
    made = ModuleType(name)
    sys.modules[name] = made
    _made[name] = None
    exec(HEAD + textwrap.dedent(text), made.__dict__)  # noqa: S102 - the text is a test's own
    return made


def kept(root: object) -> Kept:
    """`root` as a snapshot has it."""
    captured: Capture = capture(root)
    shapes = {**dict.fromkeys(captured.names, UNKNOWN), **parsed(captured.classes)}
    return Kept(captured.stream, shapes)


@contextmanager
def releases() -> Generator[None]:
    """Forget the modules that are made within the block, and what they have declared."""
    before, classes, modules = dict(_made), dict(MOVED.classes), dict(MOVED.modules)
    try:
        yield
    finally:
        for name in [name for name in _made if name not in before]:
            sys.modules.pop(name, None)
            del _made[name]
        for present, former in ((MOVED.classes, classes), (MOVED.modules, modules)):
            present.clear()
            present.update(former)
