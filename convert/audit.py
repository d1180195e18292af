"""What a snapshot, or the records of a journal, would load and call; found inertly, nothing is imported."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from ..persist import mandate
from ..persist.graph import Call, Global, Graph, Node
from ..persist.reduction import class_of
from ..persist.survey import objects
from ..persist.trust import METHODS, Policy, is_pythons_own
from ..persist.values import DATA_CLASSES, SAFE_VALUES
from .hooks import hooks_of, run_on

_MOST: Final = 50
_KINDS: Final = {
    "made": ("an object is made", "{:,} objects are made"),
    "called": ("it is called", "it is called {:,} times"),
    "state": ("a state is set", "{:,} states are set"),
    "members": ("it is given members", "{:,} of them are given members"),
    "pairs": ("it is given items", "{:,} of them are given items"),
    "sets": ("it sets a state", "it sets {:,} states"),
}


@attrs.define(eq=False)
class Audit:
    """What becomes of each name, gathered from one graph or from many."""

    uses: dict[tuple[str, str], Counter[str]] = attrs.field(
        factory=dict[tuple[str, str], Counter[str]]
    )
    """By module and name: how often, by the words of `_KINDS`."""
    deeds: set[str] = attrs.field(factory=set[str])
    """What else is done: methods that are bound, modules imported, and calls of what a call gave."""

    def add(self, graph: Graph) -> None:
        """Take notice of all that `graph` names."""
        for name in graph.names:
            self._of(name)
        for item in objects(graph.root):
            self._look(item)
        known = {str(name) for name in graph.names}
        for each in mandate.names_of(graph):
            if each.removesuffix("()") not in known:
                self.deeds.add(each)

    def component(self, graph: Graph) -> None:
        """Take notice that the class that `graph` names gets an object with a state."""
        self.add(graph)
        if type(graph.root) is Global:
            uses = self._of(graph.root)
            uses["made"] += 1
            uses["state"] += 1

    def _of(self, name: Global) -> Counter[str]:
        return self.uses.setdefault((name.module, name.name), Counter())

    def _look(self, item: object) -> None:
        if not isinstance(item, Node):
            return
        subject: Any = item.function if isinstance(item, Call) else class_of(item)
        if type(subject) is not Global:
            return
        uses = self._of(subject)
        uses["called" if isinstance(item, Call) else "made"] += 1
        for part in ("members", "pairs"):
            uses[part] += getattr(item, part) is not None
        if item.setter is None:
            uses["state"] += item.state is not None
        elif type(item.setter) is Global:
            self._of(item.setter)["sets"] += 1

    def refused(self, policy: Policy) -> list[str]:
        """The names that `policy` does not allow, as ``module:qualname``, sorted."""
        return [f"{m}:{n}" for m, n in sorted(self.uses) if not policy.allows(m, n)]

    def lines(self, policy: Policy, folders: Sequence[str] = ()) -> Iterator[str]:
        """For a person, sorted by module. Sources are looked for in `folders` as well."""
        for module in sorted({module for module, _ in self.uses}):
            names = {name: uses for (each, name), uses in self.uses.items() if each == module}
            yield f"{module}"
            for name, uses in sorted(names.items()):
                yield f"    {name}: {_verdict(policy, module, name)}; {_told(uses)}"
                if uses["made"] or uses["called"]:
                    yield from _hooks(module, name, uses, folders)
        for deed in sorted(self.deeds)[:_MOST]:
            yield f"done besides: {_deed(deed)}"
        if len(self.deeds) > _MOST:
            yield f"done besides: {len(self.deeds) - _MOST:,} more"


def _verdict(policy: Policy, module: str, name: str) -> str:
    full = f"{module}:{name}"
    if full in SAFE_VALUES:
        return "allowed, a harmless value"
    if full in DATA_CLASSES:
        return "allowed, a class of Perdure that holds data"
    if policy.modules is None:
        return "allowed, as you have signed it"
    if policy.allows(module, name):
        return (
            "allowed, methods of trusted classes only" if full == METHODS else "allowed by --trust"
        )
    return "REFUSED, of Python itself" if is_pythons_own(module) else "REFUSED"


def _told(uses: Mapping[str, int]) -> str:
    met = [
        one if uses[kind] == 1 else many.format(uses[kind])
        for kind, (one, many) in _KINDS.items()
        if uses[kind] > 0
    ]
    return ", ".join(met) or "it is held as a value"


def _hooks(
    module: str, name: str, uses: Mapping[str, int], folders: Iterable[str]
) -> Iterator[str]:
    if is_pythons_own(module) or f"{module}:{name}" in DATA_CLASSES:
        return
    found = hooks_of(module, name, folders)
    if found is None:
        yield "        its source is not found here: what it runs is not known"
        return
    runs = run_on(found, called=uses["called"] > 0)
    if runs:
        yield f"        it runs {', '.join(runs)} of {found.file}"
    if found.bases:
        yield f"        and what it inherits from {', '.join(found.bases)}"


def _deed(deed: str) -> str:
    if deed.endswith("()"):
        return f"{deed} is called"
    module, colon, name = deed.partition(":")
    if not colon:
        return f"the module {module} is imported"
    return f"the method {module}.{name} is bound"
