"""What the sample site promises of its classes, without a server."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

HIT = b'192.0.2.9 - - [21/Nov/2026:09:00:00 +0000] "GET %s HTTP/1.1" %d 10 "%s" "-"\n'
FROM = b"https://www.example.net/links.html"


@pytest.fixture
def visits(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the sample's classes."""
    monkeypatch.setattr(sys, "path", [str(root / "samples/site"), *sys.path])
    return importlib.import_module("visits")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with one hit that shows, and three that do not."""
    path = tmp_path / "access.log"
    path.write_bytes(
        HIT % (b"/shown", 200, FROM)
        + HIT % (b"/missing", 404, FROM)
        + HIT % (b"/direct", 200, b"-")
        + b"not a hit at all\n"
    )
    return path


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Takes Records, gives them back, and closes their log when the test is over."""
    with ExitStack() as exits:

        def closing(records: Any) -> Any:
            exits.callback(records.log.close)
            return records

        yield closing


def again(component: Any) -> Any:
    """`component` as the next run of a server has it."""
    return restore(capture(component).stream, Policy.everything())


def test_a_counter_goes_on_counting(visits: Any) -> None:
    counter = visits.Counter()
    counter.increment()
    resumed = again(counter)
    resumed.increment()
    assert resumed.get_value() == 2


def test_a_guest_book_keeps_dated_entries(visits: Any) -> None:
    book = visits.GuestBook()
    first = book.sign(" Ada \t Byron ", "<b>Fine view</b>\n")
    assert (first.name, first.message) == ("Ada Byron", "<b>Fine view</b>")
    resumed = again(book)
    second = resumed.sign("Grace", "Too much swell.")
    assert resumed.newest_first() == [second, first]


@pytest.mark.parametrize(
    ("name", "message", "reason"),
    [
        (" ", "hello", "The name is empty."),
        ("Ada", "\n", "The message is empty."),
        ("A" * 61, "hello", "The name has 61 characters; there is room for 60."),
        ("Ada", "h" * 1001, "The message has 1001 characters; there is room for 1000."),
    ],
)
def test_a_guest_book_says_why_it_does_not_take_an_entry(
    visits: Any, name: str, message: str, reason: str
) -> None:
    book = visits.GuestBook()
    with pytest.raises(visits.EntryError) as refused:
        book.sign(name, message)
    assert str(refused.value) == reason
    assert book.entries == []


def test_a_full_guest_book_loses_its_oldest_entry(visits: Any) -> None:
    book = visits.GuestBook(room=2)
    for name in ("Ada", "Grace", "Mary"):
        book.sign(name, "hello")
    assert [entry.name for entry in book.newest_first()] == ["Mary", "Grace"]


def test_records_show_answered_hits_that_came_from_somewhere(
    visits: Any, log: Path, closing: Callable[[Any], Any]
) -> None:
    records = closing(visits.Records(log))
    assert records.read_new() == 4
    assert [hit.resource for hit in records.newest_first()] == ["/shown"]


def test_records_wait_for_a_line_to_be_finished(
    visits: Any, log: Path, closing: Callable[[Any], Any]
) -> None:
    records = closing(visits.Records(log))
    records.read_new()
    line = HIT % (b"/late", 200, FROM)
    with log.open("ab", buffering=0) as writer:
        writer.write(line[:50])
        assert records.read_new() == 0
        writer.write(line[50:])
        assert records.read_new() == 1
    assert records.newest_first()[0].resource == "/late"


def test_records_resume_at_their_place_in_the_log(
    visits: Any, log: Path, closing: Callable[[Any], Any]
) -> None:
    records = closing(visits.Records(log))
    records.read_new()
    resumed = closing(again(records))
    assert resumed.read_new() == 0
    with log.open("ab") as writer:
        writer.write(HIT % (b"/new", 200, FROM))
    assert resumed.read_new() == 1
    assert [hit.resource for hit in resumed.newest_first()] == ["/new", "/shown"]


def test_records_read_the_whole_sample_log(
    visits: Any, root: Path, closing: Callable[[Any], Any]
) -> None:
    records = closing(visits.Records(root / "samples/access.log"))
    assert records.read_new() == 200
    assert len(records.newest_first()) == 35
