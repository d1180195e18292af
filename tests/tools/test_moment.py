"""Times as they are given to commands."""

import time
from datetime import UTC, datetime

import click
import pytest

from perdure.tools.moment import Moment


def parse(text: str) -> float:
    return Moment().convert(text, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:30:05Z",
        "2026-11-21T12:30:05+00:00",
        "2026-11-21 13:30:05+01:00",
        "  2026-11-21T12:30:05.000Z ",
        "20261121T123005Z",
    ],
)
def test_a_time_with_a_zone_means_the_same_everywhere(text: str) -> None:
    assert parse(text) == datetime(2026, 11, 21, 12, 30, 5, tzinfo=UTC).timestamp()


def test_a_time_without_a_zone_is_that_of_the_clock_on_the_wall() -> None:
    assert parse("2026-11-21T12:30") == datetime(2026, 11, 21, 12, 30).timestamp()
    assert parse("2026-11-21") == datetime(2026, 11, 21).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 minutes ago", 600), ("1 second ago", 1), ("2days ago", 172800), ("1 week ago", 604800)],
)
def test_how_long_ago(text: str, seconds: int) -> None:
    assert abs(time.time() - parse(text) - seconds) < 5


@pytest.mark.parametrize(
    "text", ["", "yesterday", "12:30", "2026-13-01", "1 month ago", "-5 days ago", "x" * 999]
)
def test_anything_else_is_a_mistake_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a time such as") as caught:
        parse(text)
    assert len(caught.value.message) < 300
