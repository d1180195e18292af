"""For any history of a class: what a snapshot and a journal hold comes up as a pure model says."""

import copy
import sys
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.replay import replay
from perdure.persist.trust import Policy

from ..paper import Paper
from ..persist.evolution import Kept, code, kept, releases

EVERYTHING = Policy.everything()
HEADS = {
    "plain": "class",
    "attrs": "@attrs.define\nclass",
    "dataclass": "@dataclasses.dataclass\nclass",
    "slotted": "@dataclasses.dataclass(slots=True, weakref_slot=True)\nclass",
}
Change = tuple[str, str, str]
State = dict[str, Any]

names = st.sampled_from("abcd")
changes: st.SearchStrategy[Change] = st.tuples(
    st.sampled_from(("add", "gone", "rename", "wrap", "move")), names, names
)
# Which component, what is done: a field is set, an object is put into it, a call of a mutation made.
acts = st.tuples(
    st.integers(0, 2),
    st.sampled_from(("set", "put", "call")),
    names,
    st.integers(),
)
# After each release: what is done before and after a checkpoint, if there is one.
lives = st.tuples(st.lists(acts, max_size=4), st.booleans(), st.lists(acts, max_size=4))


@attrs.frozen
class Release:
    """A class as it is in one release, and the steps up to there: what each does to a field."""

    style: str
    number: int = 1
    name: str = "One"
    was: tuple[str, ...] = ()
    fields: State = attrs.field(factory=lambda: {"a": 0})
    steps: tuple[Change, ...] = ()

    def after(self, change: Change) -> "Release":
        """The next release; the same with another number where the change makes no sense."""
        kind, name, other = change
        number = self.number + 1
        new = attrs.evolve(self, number=number, was=(*self.was, f"shop{self.number}.{self.name}"))
        fields = dict(self.fields)
        if kind == "move":
            return attrs.evolve(new, name=f"{'OT'[number % 2]}ther{number}")
        if kind == "add" and name not in fields:
            fields[name] = number
            if self.style != "plain":
                return attrs.evolve(new, fields=fields)
            step = "add", name, str(number)
        elif kind == "gone" and name in fields and not any(name in step for step in self.steps):
            # What a step gives, a later release has to take away by a step.
            del fields[name]
            return attrs.evolve(new, fields=fields)
        elif kind == "rename" and name in fields and other not in fields:
            fields[other] = fields.pop(name)
            step = change
        elif kind == "wrap" and name in fields:
            fields[name] = [fields[name]]
            step = change
        else:
            return new
        return attrs.evolve(new, fields=fields, steps=(*self.steps, step))

    def code(self) -> Any:
        """Have this release, and no other."""
        version = len(self.steps) + 1
        parts = [f"@schema(version={version}, was={self.was!r})\n{HEADS[self.style]} {self.name}:"]
        if self.style == "plain":
            parts.append("    def __init__(self):")
            parts += [f"        self.{name} = {value!r}" for name, value in self.fields.items()]
            parts.append("        self.held = []")
        else:
            parts += [f"    {name}: {self._field(value)}" for name, value in self.fields.items()]
            parts.append(f"    held: {self._field([])}")
        for number, (kind, name, other) in enumerate(self.steps, 2):
            parts.append(f"@upgrades({self.name}, to={number})\ndef step{number}(state):")
            match kind:
                case "add":
                    parts.append(f"    state.setdefault({name!r}, {other})")
                case "rename":
                    parts.append(f"    if {name!r} in state:")
                    parts.append(f"        state[{other!r}] = state.pop({name!r})")
                case _:
                    parts.append(f"    if {name!r} in state:")
                    parts.append(f"        state[{name!r}] = [state[{name!r}]]")
            parts.append("    return state")
        parts += [
            "from perdure.app.mutations import mutation",
            f"@schema(was={tuple(f'shop{n}.Log' for n in range(1, self.number))!r})\nclass Log:",
            "    def __init__(self): self.taken = []",
            "    @mutation\n    def take(self, item): self.taken.append(item)",
        ]
        for number in range(1, self.number):
            sys.modules.pop(f"shop{number}", None)
        return code(f"shop{self.number}", "\n".join(parts))

    def _field(self, value: object) -> str:
        kind = type(value).__name__
        factory = {"attrs": "attrs.field(factory"}.get(
            self.style, "dataclasses.field(default_factory"
        )
        return f"{kind} = {factory}=lambda: {value!r})"

    def made(self) -> State:
        """What a new object has."""
        return {**copy.deepcopy(self.fields), "held": []}

    def bring_up(self, state: State, since: "Release") -> None:
        """What becomes of what an object had then. It may have more than the class has fields."""
        for kind, name, other in self.steps[len(since.steps) :]:
            if kind == "add":
                state.setdefault(name, int(other))
            elif name in state:
                if kind == "rename":
                    state[other] = state.pop(name)
                else:
                    state[name] = [state[name]]
        if self.style != "plain":
            for name, value in self.fields.items():
                state.setdefault(name, copy.deepcopy(value))
        for held in state["held"]:
            self.bring_up(held, since)


class Life:
    """An application, what there is of it on disk, and what should be in it."""

    def __init__(self) -> None:
        self.saved: Kept | None = None
        self.payloads: dict[int, bytes] = {}
        self.model: dict[int, State] = {}
        self.taken: list[State] = []

    def live(self, release: Release, first: list[Any], checkpoint: bool, then: list[Any]) -> None:
        """Come up, and do what is to be done; then comes a crash."""
        shop = release.code()
        application = self.found(release, shop)
        paper = Paper(dict(self.payloads), appended=len(self.payloads))
        application.ledger = ledger = Ledger(application, paper, EVERYTHING)
        ledger.open()
        for act in first:
            self.act(application, shop, release, *act)
        if checkpoint:
            ledger.conclude()
            self.saved = kept(application)
            paper.payloads.clear()
        for act in then:
            self.act(application, shop, release, *act)
        ledger.close()
        self.payloads = dict(enumerate(paper.payloads.values(), 1))

    def act(
        self,
        application: Application,
        shop: Any,
        release: Release,
        number: int,
        kind: str,
        name: str,
        value: int,
    ) -> None:
        cls = getattr(shop, release.name)
        with application.turn():
            item = application.registry.get_component(cls, name=str(number), default=cls)
            state = self.model.setdefault(number, release.made())
            match kind:
                case "set":
                    if type(release.fields.get(name)) is int:
                        setattr(item, name, value)
                        state[name] = value
                case "put":
                    item.held.append(cls())
                    state["held"].append(release.made())
                case _:
                    log = application.registry.get_component(shop.Log, default=shop.Log)
                    new = cls()
                    new.held.append(cls())
                    log.take(new)
                    self.taken.append({**release.made(), "held": [release.made()]})

    def found(self, release: Release, shop: Any) -> Application:
        application = Application("web")
        if self.saved is not None:
            application = self.saved.restored()
            application.registry.follow_moves()
        assert not replay(application, self.payloads.items(), EVERYTHING).divergences
        return application

    def check(self, release: Release) -> None:
        shop = release.code()
        application = self.found(release, shop)
        cls = getattr(shop, release.name)
        found = {
            number: application.registry.get_component(cls, name=str(number)) for number in range(3)
        }
        for number, item in found.items():
            if item is None:
                assert number not in self.model
            else:
                self.same(item, self.model[number], cls, release)
        log: Any = application.registry.get_component(shop.Log)
        taken: list[Any] = [] if log is None else log.taken
        assert len(taken) == len(self.taken)
        for item, state in zip(taken, self.taken, strict=True):
            self.same(item, state, cls, release)

    def same(self, item: Any, state: Any, cls: Any, release: Release) -> None:
        assert type(item) is cls
        for name in release.fields:
            # A plain class gives its objects a field when they are made, and never later.
            assert getattr(item, name, None) == state.get(name), name
        assert len(item.held) == len(state["held"])
        for inner, expected in zip(item.held, state["held"], strict=True):
            self.same(inner, expected, cls, release)


@given(
    st.sampled_from(sorted(HEADS)),
    st.lists(st.tuples(st.lists(changes, max_size=3), lives), min_size=1, max_size=4),
)
def test_what_was_saved_comes_up_as_the_model_says(
    style: str, history: list[tuple[list[Change], tuple[list[Any], bool, list[Any]]]]
) -> None:
    release, life = Release(style), Life()
    with releases():
        life.live(release, *history[0][1])
        for skipped, lived in history[1:]:
            before = release
            for change in skipped:
                release = release.after(change)
            for state in [*life.model.values(), *life.taken]:
                release.bring_up(state, before)
            life.live(release, *lived)
            life.check(release)
