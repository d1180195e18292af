"""The parts of the bench that measure nothing: reading wrk, the ratio, the table."""

import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import ROOT

# The bench is run from the checkout and never installed. The root leaves the path at once, so
# that no test can import a folder of ours by its short name.
sys.path.append(str(ROOT))
from bench import signing
from bench.claims import Bound, Verdict, paired_ratio, table
from bench.formats import Comparison
from bench.load import Load, LoadError, parse
from bench.objects import sample
from bench.scale import Cost, growth

sys.path.remove(str(ROOT))

URL = "http://127.0.0.1:8080/"
OUTPUT = """\
Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   812.33us  102.11us   3.20ms   91.02%
  20000 requests in 2.00s, 1.91MB read
Requests/sec:  10000.00
report {"requests": 20000, "bytes": 2000000, "microseconds": 2000000, "p99": 1234, \
"refused": 0, "broken": 0}
"""

rates = st.floats(min_value=0.001, max_value=1e6)


def test_the_report_is_found_among_what_wrk_prints() -> None:
    load = parse(OUTPUT, URL)
    assert load == Load(requests=20000, octets=2_000_000, seconds=2.0, p99=1234)
    assert load.rate == 10_000


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (OUTPUT.replace('"refused": 0', '"refused": 7'), "7 answers were not a success"),
        (OUTPUT.replace('"broken": 0', '"broken": 3'), "3 connections broke"),
        (OUTPUT.replace('"requests": 20000', '"requests": 0'), "not one answer came"),
        ("unable to connect to 127.0.0.1:8080\n", "it said: unable to connect"),
        ("", "it said: nothing"),
    ],
)
def test_a_run_that_measured_nothing_is_an_error_that_names_the_url(
    output: str, reason: str
) -> None:
    with pytest.raises(LoadError, match=reason) as caught:
        parse(output, URL)
    assert caught.value.url == URL
    assert URL in str(caught.value)


def test_a_round_that_was_slow_for_both_does_not_move_the_ratio() -> None:
    assert paired_ratio([200, 20, 200], [100, 10, 100]) == 2
    assert paired_ratio([200, 20, 10], [100, 10, 100]) == 2


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=9))
def test_the_ratio_lies_among_those_of_the_rounds(rounds: list[tuple[float, float]]) -> None:
    each = [ours / peer for ours, peer in rounds]
    ratio = paired_ratio([ours for ours, _ in rounds], [peer for _, peer in rounds])
    assert min(each) <= ratio <= max(each)


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1, 2], [1])


@pytest.mark.parametrize(
    ("bound", "judged", "met"),
    [
        ("at least", 1.2, True),
        ("at least", 1.19, False),
        ("more than", 1.2, False),
        ("more than", 1.21, True),
        ("at most", 1.2, True),
        ("at most", 1.21, False),
    ],
)
def test_a_target_itself_meets_all_bounds_but_more_than(
    bound: Bound, judged: float, met: bool
) -> None:
    assert Verdict.of_ratio("claim", "", "", judged, bound, 1.2).met is met


def test_a_limit_in_milliseconds_judges_the_time_and_not_the_ratio() -> None:
    verdict = Verdict("start", "200 ms", "20 ms", 10, 200, "at most", 250, " ms")
    assert verdict.met


def test_the_table_has_a_row_for_every_claim_and_lines_up() -> None:
    text = table(
        [
            Verdict.of_ratio("hello / uvicorn", "60,000/s", "50,000/s", 1.2, "at least", 1.2),
            Verdict("start / pass", "300 ms", "20 ms", 15, 300, "at most", 250, " ms"),
        ]
    )
    assert text.splitlines() == [
        "claim                ours      peer  ratio  target          met",
        "---------------  --------  --------  -----  --------------  ---",
        "hello / uvicorn  60,000/s  50,000/s   1.20  at least 1.2    yes",
        "start / pass       300 ms     20 ms  15.00  at most 250 ms  NO",
    ]


def test_no_claims_make_a_table_of_its_head() -> None:
    assert len(table([]).splitlines()) == 2


def test_a_claim_of_speed_puts_the_peer_above_and_scales_its_smaller_graph() -> None:
    times = {"ours": [1.0, 2.0, 1.0], "peer": [0.8, 1.6, 0.8]}
    verdict = Comparison("to text", "ours", "peer", "at least", 8, factor=10).verdict(times)
    assert (verdict.ours, verdict.peer, verdict.ratio) == ("1.00 s", "8.00 s", 8)
    assert verdict.met


def test_a_claim_of_time_puts_ours_above() -> None:
    times = {"ours": [1.0, 2.0, 1.0], "peer": [0.5, 1.0, 0.5]}
    verdict = Comparison("reading", "ours", "peer", "at most", 1.3).verdict(times)
    assert verdict.ratio == 2
    assert not verdict.met


def test_growth_is_told_for_each_object() -> None:
    time, memory = growth("write", 100, Cost(1e-4, 5000, 1), 1000, Cost(3e-3, 50_000, 10))
    assert (time.ours, time.peer) == ("3.0 us", "1.0 us")
    assert time.ratio == pytest.approx(3)
    assert not time.met
    assert (memory.ours, memory.peer, memory.ratio) == ("50.0 B", "50.0 B", 1)


def test_the_sample_grows_with_its_visitors_alone() -> None:
    few, many = (len(pickle.dumps(sample(visitors), 5)) for visitors in (100, 1000))
    assert 9 < many / few < 11


def test_signing_is_measured_on_a_real_snapshot(tmp_path: Path) -> None:
    verdicts = [*signing.run(tmp_path, rounds=1, size=1000)]
    assert [each.claim for each in verdicts] == [
        "sign 0 MB / SHA-256",
        "verify 0 MB / SHA-256",
        "read signed / not signed",
    ]
    assert {each.target for each in verdicts} == {1.5}
