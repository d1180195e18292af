"""Rewriting of paths by rules."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.routing.rewriting import (
    Alias,
    Pattern,
    Rewritten,
    Rule,
    RuleError,
    TildeToUsers,
)
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .conftest import Serve


class Told(Resource):
    """Says what is left of the path, and what the client asked for."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return f"{request.postpath} {request.path}?{request.query}"


def rewritten(rule: Rule, *segments: str) -> Sequence[str] | None:
    found = rule.rewritten(segments)
    return None if found is None else list(found)


@pytest.mark.parametrize(
    ("rule", "path", "result"),
    [
        (TildeToUsers(), ["~anna", ""], ["users", "anna", ""]),
        (TildeToUsers("people"), ["~anna", "a", "b"], ["people", "anna", "a", "b"]),
        (TildeToUsers(), ["~"], None),
        (TildeToUsers(), ["anna"], None),
        (TildeToUsers(), ["", "~anna"], None),
        (TildeToUsers(), [], None),
        (Alias("/old", "/new"), ["old"], ["new"]),
        (Alias("/old", "/new/place/"), ["old", "a", ""], ["new", "place", "a", ""]),
        (Alias("/old/", "/"), ["old", "a"], ["a"]),
        (Alias("/old", "/"), ["old"], []),
        (Alias("/", "/all"), ["a"], ["all", "a"]),
        (Alias("/old", "/new"), ["older"], None),
        (Alias("/old/a", "/new"), ["old"], None),
        (Alias("/old place", "/new"), ["old place"], ["new"]),
        (
            Pattern(r"/(\d{4})/(.*)", r"/archive/\1/\2"),
            ["2024", "a", "b"],
            ["archive", "2024", "a", "b"],
        ),
        (Pattern(r"/(?P<n>\d+)", r"/number/\g<n>"), ["7"], ["number", "7"]),
        (Pattern(r"/\d+", "/n"), ["7", "a"], None),
        (Pattern(r"/", "/home"), [""], ["home"]),
        (Pattern(r"/(.*)", r"/x/\1"), ["a/b"], None),
        (Pattern(r"(?i)/A(.*)", r"/a\1"), ["AB"], ["aB"]),
    ],
)
def test_a_rule_makes_one_path_of_another(
    rule: Rule, path: list[str], result: list[str] | None
) -> None:
    assert rewritten(rule, *path) == result


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Alias("old", "/new"), "begins with a slash"),
        (lambda: Alias("/old", "http://evil.org/"), "begins with a slash"),
        (lambda: Alias("/old", "//evil.org"), "no empty part"),
        (lambda: Alias("/old", "/../etc"), "'..'"),
        (lambda: Alias("/old\0", "/new"), "NUL"),
        (lambda: Pattern("/(", "/a"), "unterminated"),
        (lambda: Pattern("/a", r"/\1"), "invalid group"),
        (lambda: Pattern("/a", r"/\g<n>"), "unknown group"),
        (lambda: Pattern("/a", "a"), "begins with one slash"),
        (lambda: Pattern("/(.*)", r"\1"), "begins with one slash"),
        (lambda: Pattern("/(.*)", r"//\1"), "begins with one slash"),
        (lambda: Pattern("/(.*)", r"https://evil.org/\1"), "begins with one slash"),
        (lambda: Pattern(r"/(a+)+", "/a"), "for ever"),
        (lambda: Pattern(r"/(?:x|(a*)b)*", "/a"), "for ever"),
        (lambda: Pattern(r"/((?:\w+)-){2,}", "/a"), "for ever"),
        (lambda: Pattern(r"/([^)]+x)*", "/a"), "for ever"),
        (lambda: Pattern(r"/(a+){9}", "/a"), "for ever"),
        (lambda: Rewritten(Told(), [cast(Any, str)]), "expected a record"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_when_it_is_made(make: Any, why: str) -> None:
    with pytest.raises(RuleError, match=why):
        make()


@pytest.mark.parametrize(
    "regex", [r"/(a|b)+/c*", r"/[(a+)]+", r"/\(a+\)+", r"/(a{2,5})*", r"/(a+)?", r"/[^]()]*(.)"]
)
def test_harmless_repetitions_are_taken(regex: str) -> None:
    Pattern(regex, "/a")


def test_rules_are_tried_in_order_on_what_the_former_made_until_a_last_one(serve: Serve) -> None:
    rules = (
        Alias("/a", "/b"),
        Alias("/stop", "/c", last=True),
        Alias("/b", "/c"),
        Alias("/c", "/d"),
        TildeToUsers(),
    )
    served = serve(Rewritten(Told(), rules))
    assert served.get("/a/x?q=%20").body == b"['d', 'x'] /a/x?q=%20"
    assert served.get("/stop").body == b"['c'] /stop?"
    assert served.get("/~anna/").body == b"['users', 'anna', ''] /~anna/?"
    assert served.get("/other").body == b"['other'] /other?"
    assert served.get("/").body == b"[''] /?"


def test_rules_never_go_around_in_circles(serve: Serve) -> None:
    served = serve(Rewritten(Told(), [Alias("/a", "/b"), Alias("/b", "/a"), Alias("/", "/x")]))
    assert served.get("/a").body == b"['x', 'a'] /a?"


def test_rules_hold_below_the_place_where_they_are(serve: Serve) -> None:
    root = Resource()
    root.put_child("sub", Rewritten(Told(), [Alias("/a", "/b")]))
    served = serve(root)
    assert served.get("/sub/a").body == b"['b'] /sub/a?"
    assert served.get("/a").status == 404


@pytest.mark.parametrize(
    "path", ["/go/%2e%2e", "/go/..", "/go/a/../b", "/go/.", "/go/%2e%2e/etc/passwd"]
)
def test_no_rule_makes_a_path_that_leads_upwards(serve: Serve, path: str) -> None:
    served = serve(Rewritten(Told(), [Pattern(r"/go/(.*)", r"/files/\1")]))
    assert served.get(path).status == 404


def test_two_matches_that_are_harmless_alone_make_no_way_up_together(serve: Serve) -> None:
    served = serve(Rewritten(Told(), [Pattern(r"/(.)/(.)/x", r"/\1\2/x")]))
    assert served.get("/%2e/%2e/x").status == 404


def test_no_regular_expression_is_tried_on_a_long_path(serve: Serve) -> None:
    served = serve(Rewritten(Told(), [Pattern(r"/(a|aa)*(a|aa)*b", "/x")]))
    assert served.get("/" + "c" * 1000).status == 414
    assert served.get("/" + "c" * 999).status == 200


SEGMENTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8))


@given(SEGMENTS)
def test_a_path_that_no_rule_matches_stays_as_it_is(segments: list[str]) -> None:
    for rule in (TildeToUsers("~"), Alias("/never/there", "/x"), Pattern("/never/there", "/x")):
        found = rule.rewritten(segments)
        assert found is None or segments[0][:1] == "~"


def test_rules_are_saved_as_the_data_they_are() -> None:
    rules = (TildeToUsers("people"), Alias("/a", "/b", last=True), Pattern("/(.*)", r"/x/\1"))
    saved = capture(Rewritten(Told(), rules), name="web")
    assert not any("re:" in name or "sre" in name for name in saved.names)
    found = restore(saved.stream, Policy.everything())
    assert isinstance(found, Rewritten)
    assert found.rules == rules
