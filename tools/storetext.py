"""What is kept of an application, in lines for a person."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..convert.brief import in_words
from ..persist.inventory import SegmentFacts
from .storeview import StateFacts, View


def listing(view: View) -> Iterator[str]:
    """All there is, the newest first."""
    yield f"{view.store.application} in {view.store.folder}: {_process(view.process)}"
    yield from _table([_state_row(view, each) for each in view.states])
    yield from _table([_segment_row(view, each) for each in reversed(view.segments)])
    yield start(view)


def start(view: View) -> str:
    """What a start would make of it."""
    found = view.start
    if found.refuses is not None:
        return f"a start refuses: {found.refuses}"
    taken = "nothing but the blueprint" if found.takes is None else name(view, found.takes)
    line = f"a start takes {taken}"
    if found.replays:
        line += f" and {count(found.replays, 'record')} that came after"
    if found.cut and view.process is None:
        line += f"; {found.cut} bytes that were never finished are cut"
    return line


def name(view: View, path: Path) -> str:
    """A file of the state, as seen from its folder."""
    return str(path.relative_to(view.store.folder))


def count(number: int, what: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def signed(facts: StateFacts) -> str:
    """Whose a state is, and whether it is sealed."""
    if facts.state is not None and facts.state.passport.sealed:
        return f"sealed, {_signed(facts)}"
    return _signed(facts)


def _signed(facts: StateFacts) -> str:
    if not facts.is_read:
        return "signature not looked at"
    if facts.signed is None:
        return "damaged" if facts.damage else "?"
    return "not signed" if facts.signed == "nobody" else f"signed by {facts.signed}"


def tagged(facts: SegmentFacts) -> str:
    """Whose a segment is, and whether it is sealed."""
    words = {"own": "yours", "nobody": "not signed", "other": "somebody else's"}
    whose = words.get(facts.writer, "empty" if facts.header else "damaged")
    return f"sealed, {whose}" if facts.is_sealed else whose


def headless(facts: SegmentFacts) -> str:
    """What is wrong with a segment whose header cannot be read."""
    return (
        f"{facts.path}: its head is damaged; of what it had, {count(facts.records, 'record')} can"
        " be read"
    )


def _process(process: int | None) -> str:
    if process is None:
        return "does not run"
    return f"runs as process {process}" if process else "runs"


def _state_row(view: View, facts: StateFacts) -> Sequence[str]:
    passport = None if facts.state is None else facts.state.passport
    return (
        name(view, facts.path),
        "?" if passport is None else f"record {passport.sequence}",
        "?" if passport is None else passport.written,
        in_words(facts.size),
        facts.syntax or "?",
        "?" if passport is None else passport.writer,
        signed(facts),
        "<- start" if facts.path == view.start.takes and view.start.refuses is None else "",
    )


def _segment_row(view: View, facts: SegmentFacts) -> Sequence[str]:
    records = f"records {facts.first} to {facts.last}" if facts.last else "no records"
    header = facts.header
    return (
        name(view, facts.path),
        records,
        "?" if header is None else header.written,
        in_words(facts.used),
        "?" if header is None else header.writer,
        tagged(facts),
        "begins anew" if facts.is_fresh else "",
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()
