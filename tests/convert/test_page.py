"""The page as a file: what is in it, and what is not."""

import base64
import hashlib
import re
from itertools import pairwise
from typing import Any

import pytest

from perdure.convert.page import render

from .pages import HOSTILE, Maker, data_of


def page_of(root: Any, maker: Maker | None = None, **secret: Any) -> bytes:
    return b"".join(render((maker or Maker()).snapshot(root, **secret)))


def test_the_page_names_nothing_outside_itself() -> None:
    page = page_of([]).decode()
    assert not re.search(r"https?:|//\w|<\w[^>]*\ssrc=|<link|url\(|@import|fetch\(|import\(", page)


def test_its_policy_lets_no_script_run_but_its_own() -> None:
    page = page_of(list(HOSTILE)).decode()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found
    policy = dict(each.split(" ", 1) for each in found[1].split("; "))
    assert policy["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ('script type="module"', "script-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag.split()[0]}>", page, re.DOTALL)
        assert text
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert policy[rule] == f"'sha256-{digest}'"


def test_hostile_texts_end_no_element_and_begin_none() -> None:
    maker = Maker()
    hostile = {text: text for text in HOSTILE}
    fields: dict[str, Any] = dict.fromkeys(HOSTILE, 1)
    named = maker.names.find("os</script><script>", "system</script>")
    page = page_of([hostile, maker.make("a</script>:b<script>", **fields), named], maker)
    plain = page_of([])
    assert page.count(b"<script") == plain.count(b"<script")
    assert page.count(b"</script") == plain.count(b"</script")
    assert page.count(b"<!--") == plain.count(b"<!--")
    assert "\u2028".encode() not in page


def test_the_records_hold_what_the_graph_holds() -> None:
    maker = Maker()
    counter = maker.make("visits:Counter", value=41)
    page = page_of({"counter": counter, "again": [counter, 1.5, b"\0", 2**70, None, ()]}, maker)
    shapes = data_of(page, "shapes")
    dictionary, instance, items = data_of(page, "objects")
    assert shapes[dictionary[0]] == ["dict", False, [], False, True]
    assert dictionary[1:] == ["counter", [1], "again", [2]]
    assert shapes[instance[0]] == ["visits:Counter", False, ["value"], False, False]
    assert instance[1:] == [41]
    assert items[1:] == [[1], ["f", "1.5"], ["b", "b'\\x00'"], ["i", str(2**70), 22], None, ["t"]]
    [head] = data_of(page, "head")
    assert head["counts"] == [2, 0, 0]
    assert head["again"] == [1, 2]
    assert head["passport"]["application"] == "web"


def test_an_object_is_counted_where_it_is_nearest_to_the_root() -> None:
    shared = ["shared" * 5]
    page = page_of([[[shared]], shared])
    [head] = data_of(page, "head")
    assert head["counts"] == [2, 1, 0, 0]
    assert head["again"] == [2, 3]


def test_a_secret_is_not_in_the_page_whatever_it_is() -> None:
    maker = Maker()
    user = maker.make(
        "users:User", name="ada", password="correct-horse", keys=["deep-secret", b"\xfa\xce"]
    )
    sizes: list[object] = []
    for password in ("correct-horse", "a" * 5000):
        user.state["password"] = password
        page = page_of([user, "seen"], maker, secret={"users:User": ("password", "keys")})
        for secret in (b"correct-horse", b"aaaa", b"deep-secret", b"xfa"):
            assert secret not in page
        assert b'"seen"' in page
        assert b"ada" in page
        sizes.append(data_of(page, "head")[0]["own"])
    assert sizes[0] == sizes[1], "nor does the size of the object tell the length of it"


def test_a_secret_among_slots_or_in_a_state_that_only_its_class_understands_is_hidden() -> None:
    maker = Maker()
    slotted = maker.make("users:User")
    slotted.state = (None, {"password": "correct-horse", "name": "ada"})
    opaque = maker.make("users:User")
    opaque.state = ("correct-horse", 1, 2)
    page = page_of([slotted, opaque], maker, secret={"users:User": ("password",)})
    assert b"correct-horse" not in page
    assert b"ada" in page


def test_what_hangs_elsewhere_too_shows_there() -> None:
    maker = Maker()
    token = ["token-of-both"]
    root = [maker.make("users:User", token=token), token]
    page = page_of(root, maker, secret={"users:User": ("token",)})
    assert page.count(b"token-of-both") == 1
    [head] = data_of(page, "head")
    assert head["again"] == []


def test_long_texts_are_shortened_and_their_length_is_said() -> None:
    page = page_of(["x" * 1_000_000, bytes(1_000_000), bytearray(3), 10**100_000])
    _root, text, data, array = data_of(page, "objects")
    assert text[1:] == ["x" * 2000, 1_000_000]
    assert data[2] == 1_000_000
    assert array[1:] == ["b'\\x00\\x00\\x00'", 3]
    assert len(page) < 100_000


def test_no_depth_is_too_great() -> None:
    chain: list[Any] = []
    for _ in range(100_000):
        chain = [chain]
    key: tuple[Any, ...] = ()
    for _ in range(500):
        key = (key,)
    page = page_of([chain, {key: 1}])
    assert len(data_of(page, "objects")) == 100_001 + 2 + 500


def test_a_loop_is_no_trouble() -> None:
    loop: list[object] = []
    loop.append(loop)
    [head] = data_of(page_of(loop), "head")
    assert head["again"] == [0, 0]


def test_the_same_graph_gives_the_same_page() -> None:
    def root() -> Any:
        return [{"b", "a", 1, 2.5, None}, frozenset({"x", ("y", 1)})]

    assert page_of(root()) == page_of(root())


def test_the_page_comes_in_pieces() -> None:
    pieces = list(render(Maker().snapshot([[number] for number in range(50_000)])))
    assert len(pieces) > 40
    assert max(map(len, pieces)) < 1_000_000


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001])
def test_every_object_has_its_record(count: int) -> None:
    page = page_of([[number] for number in range(count)])
    assert len(data_of(page, "objects")) == count + 1


def test_sizes_grow_with_what_is_there() -> None:
    sizes = [
        sum(data_of(page_of(["x" * 50 + str(number) for number in range(count)]), "head")[0]["own"])
        for count in (10, 100, 1000)
    ]
    assert all(8 < b / a < 12 for a, b in pairwise(sizes))
