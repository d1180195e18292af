"""What will become of a snapshot in this place: whether it loads here, and why, in plain sentences.

All of it is found from the passport, and by looking at what the code here has under the names in it:
what the policy allows is imported for that, and nothing else. No step of an upgrade is run.
"""

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from .classplan import ClassPlan, planned
from .migration import Migration, Present, place_of
from .packages import packages_of
from .passport import Passport
from .restore import RestoreError, TrustError, find_named
from .schemaerrors import SchemaError
from .shapes import UNKNOWN, Shape, is_applications, shape_of
from .trust import Policy, is_pythons_own

_NOTHING: Final[frozenset[str]] = frozenset()
_OWN: Final = __name__.partition(".")[0]


@attrs.frozen
class Sentence:
    """One thing there is to say, about `subject` if that is a name; `stops` if it will not load."""

    text: str
    stops: bool = False
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}" if self.subject else self.text


def will_load(sentences: Iterable[Sentence]) -> bool:
    """Whether nothing in `sentences` stands against it."""
    return not any(each.stops for each in sentences)


def of_environment(passport: Passport) -> list[Sentence]:
    """What is another here than it was where the snapshot was written: Python, and the packages."""
    said: list[Sentence] = []
    here = platform.python_version()
    if passport.python and passport.python != here:
        said.append(Sentence(f"it was written under Python {passport.python}, and this is {here}"))
    present = packages_of([*passport.names, *passport.classes])
    for name, version in passport.packages.items():
        now = present.get(name)
        if now is None:
            text = f"{version} was installed where it was written, and is not here"
        elif now != version:
            text = f"{version} was installed where it was written, and here it is {now}"
        else:
            continue
        said.append(Sentence(text, subject=name))
    return said


def of_classes(
    names: Iterable[str],
    shapes: Mapping[str, Shape],
    policy: Policy,
    *,
    parkable: Collection[str] = _NOTHING,
    stream: bytes | None = None,
) -> list[Sentence]:
    """What has become of all of `names`, as ``module:qualname``, that `policy` allows.

    It is imported. `shapes` are those that were recorded, of bases as well. `parkable` are the names that are met nowhere but in components: what cannot be
    loaded of them costs no more than these, which are parked. `stream`, if given, is what values of
    fields are looked at in, for classes with no steps to be run.
    """
    present = Present(policy)
    said: list[Sentence] = []
    renamed: dict[tuple[str, str], tuple[str, str]] = {}
    plans: dict[tuple[str, str], ClassPlan] = {}
    unchanged = 0
    for name in names:
        place, shape = place_of(name), shapes.get(name, UNKNOWN)
        if is_pythons_own(place[0]) or not policy.allows(*place):
            continue
        subject = name.replace(":", ".")
        now, item = present.find(place)
        about: list[Sentence] = []
        if item is None:
            about.append(_missing(place, subject, name in parkable))
        elif now != place:
            renamed[place] = now
            about.append(Sentence(f"it is {'.'.join(now)} now", subject=subject))
        if is_applications(item):
            kind = cast("type[Any]", item)
            try:
                plan = planned(kind, shape, present.versions(shape, shapes))
            except SchemaError as error:
                about.append(
                    Sentence(f"{error.reason}; {error.remedy}", stops=True, subject=subject)
                )
            else:
                about += _of_plan(kind, shape, plan, subject)
                if plan is not None:
                    plans[place] = plan
        said += about
        unchanged += not about and not place[0].startswith(f"{_OWN}.")
    if unchanged:
        verb = "is" if unchanged == 1 else "are"
        what = "class or function" if unchanged == 1 else "classes and functions"
        said.insert(0, Sentence(f"{unchanged} {what} of the application {verb} here as recorded"))
    if stream is not None and will_load(said):
        said += _of_values(Migration(renamed, _without_steps(plans), policy), stream)
    return said


def _missing(place: tuple[str, str], subject: str, is_parkable: bool) -> Sentence:
    try:
        find_named(*place)
    except RestoreError as error:
        reason = f"{error.reason}; {error.remedy}"
    else:  # pragma: no cover - it was not there a moment ago
        reason = "it cannot be loaded"
    if is_parkable:
        reason = f"{reason}; until then the components that need it are parked, and the rest runs"
    return Sentence(reason, stops=not is_parkable, subject=subject)


def _of_plan(
    kind: type[Any], was: Shape, plan: ClassPlan | None, subject: str
) -> Iterator[Sentence]:
    """What changes for the states of `kind`."""
    if plan is None:
        return
    if plan.steps:
        for name in dict.fromkeys(step.name for step in plan.steps):
            numbers = [step.to for step in plan.steps if step.name == name]
            of = "" if name == plan.name else f" of its base {name}"
            text = f"the steps{of} to version {_listed(numbers)} will bring its states up"
            if len(numbers) == 1:
                text = f"the step{of} to version {numbers[0]} will bring its states up"
            yield Sentence(text, subject=subject)
    if plan.fills and was.fields is not None:
        yield Sentence(f"new, with a default: {_listed(plan.fills)}", subject=subject)
    if plan.required and was.fields is not None:
        yield Sentence(
            f"new, without a default: {_listed(plan.required)}; each object must have a value",
            subject=subject,
        )
    if plan.gone:
        kept = (
            "an object with a value there cannot be loaded" if plan.is_lost else "values are kept"
        )
        yield Sentence(f"gone: {_listed(sorted(plan.gone))}; {kept}", subject=subject)
    types = shape_of(kind).fields or {}
    for check in plan.checks:
        former = (was.fields or {})[check.field]
        yield Sentence(
            f"the type of {check.field} was {former or 'unknown'}, and is"
            f" {types.get(check.field) or 'unknown'}; values are checked",
            subject=subject,
        )


def _of_values(migration: Migration, stream: bytes) -> list[Sentence]:
    """The first thing that is wrong with a value, if any is."""
    if not migration.is_needed:
        return []
    try:
        migration.stream(stream)
    except SchemaError as error:
        return [Sentence(f"{error.reason}; {error.remedy}", stops=True, subject=error.name)]
    except (RestoreError, TrustError) as error:
        return [Sentence(str(error), stops=True)]
    return []


def _without_steps(
    plans: Mapping[tuple[str, str], ClassPlan],
) -> dict[tuple[str, str], ClassPlan]:
    """Those that run no code of a step: what these give, nobody knows before they are run."""
    return {place: plan for place, plan in plans.items() if not plan.steps}


def _listed(items: Iterable[object]) -> str:
    texts: Sequence[str] = [str(each) for each in items]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
