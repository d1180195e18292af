"""What of an application in a graph can be parked on its own, and what references to its parts mean."""

from collections.abc import Iterator
from typing import Any, Final, cast

import attrs

from ..persist.graph import Graph, Node
from ..persist.parkedgraph import Fields, dict_in, field, is_dict, is_list, parked_in
from ..persist.parting import Bay
from . import alarms
from .registry import present_key

ALARM: Final = "alarm "
PART: Final = ", part "


def bays_in(graph: Graph) -> Iterator[Bay]:
    """What can be parked on its own: components, arguments of alarms, and what parked ones hold."""
    components = components_of(graph.root)
    held: list[Bay] = []
    for key in components:
        held.append(Bay(key, components, key))
        if key == alarms.KEY:
            held += _arguments(components[key])
    seen: set[int] = set()
    while held:
        bay = held.pop(0)
        yield bay
        fields = parked_in(bay.item)
        for each in (fields, _fields_of_lot(fields)):
            if each is not None and id(each) not in seen:
                seen.add(id(each))
                kept: list[Any] = each["held"]
                held += [Bay(f"{bay.key}{PART}{n}", kept, n) for n in range(len(kept))]


def components_of(root: Any) -> dict[Any, Any]:
    return dict_in(field(root, "registry"), "_components")


def _arguments(node: Any) -> Iterator[Bay]:
    for number, alarm in dict_in(node, "_alarms").items():
        state: Any = alarm.state if isinstance(alarm, Node) else None
        if type(state) is dict and field(alarm, "arguments"):
            yield Bay(f"{ALARM}{number}", state, "arguments")


def _fields_of_lot(fields: Fields | None) -> Fields | None:
    lot = None if fields is None else fields.get("lot")
    return lot.state if isinstance(lot, Node) and is_dict(lot.state) else None


def is_one(bay: Bay) -> bool:
    """Whether who holds it has it as an object of its own, and no part of theirs."""
    return isinstance(bay.item, Node) or bay.key.startswith(ALARM)


@attrs.define(init=False)
class Nodes:
    """What references in records mean, in a graph."""

    parts: dict[str, Any]
    lost: list[str]
    _components: dict[Any, Any]

    def __init__(self, root: Any) -> None:
        self.lost = []
        self._components = components_of(root)
        parts = {
            "/": root, "/registry": field(root, "registry"), "/services": field(root, "services"),
        }  # fmt: skip
        self.parts = {path: node for path, node in parts.items() if isinstance(node, Node)}

    def find(self, key: str) -> Any:
        """What `key` means; None, and it is among those `lost`, if it is not there any more."""
        for each in (key, present_key(key)):
            if each in self._components:
                return self._components[each]
        found = self.parts.get(key)
        if found is None and key.startswith("/services/"):
            found = self.parts.get("/services")
            for part in key.split("/")[2:]:
                found = _child(found, part)
        if found is None:
            self.lost.append(key)
        return found


def _child(node: Any, part: str) -> Any:
    """The service in the collection `node` that records know by `part` (see `references`)."""
    children = field(node, "_services")
    named: dict[str, Any] = {}
    for child in children if is_list(children) else []:
        name = field(child, "name")
        if type(name) is not str:
            kind = cast("Any", type(child)).name.rpartition(".")[2]
            name = next(f"{kind}#{n}" for n in range(len(named) + 1) if f"{kind}#{n}" not in named)
        named.setdefault(name, child)
    return named.get(part)
