"""What a person may do to a file in the source syntax, and what is said of what nobody may."""

import random
import warnings
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.formats import source
from perdure.persist.formats.format import FormatError
from perdure.persist.formats.sourcenames import HEAD
from perdure.persist.graph import Call, Instance

from ..passport import PASSPORT
from .graphs import graphs
from .test_source import text_of
from .texts import graph_of


def read(text: str) -> Any:
    return source.decode_graph(f"{HEAD}{text}".encode("utf-8", "surrogatepass")).root


def value(text: str) -> Any:
    return read(f"application = {text}\n")


def complaint(text: str) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read(text)
    return caught.value


VALUES: list[tuple[str, Any]] = [
    ("'a' \"b\"\\\n  '''c\nd'''", "abc\nd"),
    ("('a'  # first\n  'b'\n)", "ab"),
    ("(  # nothing\n'a')", "a"),
    ("('a',)", ("a",)),
    ("r'\\n' u'x'", "\\nx"),
    ("b'a' rb'\\n' Rb'b' b\"\\x00\\'\"", b"a\\nb\0'"),
    ("''", ""),
    ('""""a\\""""', '"a"'),
    ("'''it's''' ''", "it's"),
    ("'a\\\nb'", "ab"),
    ("'\\x41\\u0042\\U00000043\\104\\0\\ud83d\\ude00é\\''", "ABCD\0\ud83d\ude00é'"),
    ("[1_000, 0x_ff, 0b11, 0o17, -5, +5, 00, -0]", [1000, 255, 3, 15, -5, 5, 0, 0]),
    ("[1., .5, 1e3, 1_0.0_1E-1_0, -.5]", [1.0, 0.5, 1000.0, 10.01e-10, -0.5]),
    ("[1,2\n,3 # three\n , ]", [1, 2, 3]),
    ("{'a':1,'b' 'c':2,}", {"a": 1, "bc": 2}),
    ("{1,2}", {1, 2}),
    ("{1}", {1}),
    ("{}", {}),
    ("set( )", set()),
    ("frozenset({1,})", frozenset({1})),
    ("frozenset()", frozenset()),
    ("()", ()),
    ("(1)", 1),
    ("((1,),)", ((1,),)),
    ("bytearray()", bytearray()),
    ("Base64('AAEC' 'AwQ=')", b"\0\1\2\3\4"),
    ("[Ref(1, [2]), Deref( 1 )]", [[2], [2]]),
    (
        "[Deref(1), Ref( 0_1 if False else 1, [2])]".replace("0_1 if False else ", ""),
        [[2], [2]],
    ),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_whatever_python_takes_for_a_value_is_taken(text: str, expected: Any) -> None:
    found = value(f"({text})")
    assert found == expected
    assert type(found) is type(expected)


def test_comments_and_blanks_may_stand_everywhere() -> None:
    text = """
        # the whole of it
        application = Instance(  # what it is
            # not executed: import os
            'visits.Counter'
            # its value
            ,
            value = 1 , # one
            names = [ # none yet
            ],
        )
        # the end"""
    root = read(text)
    assert isinstance(root, Instance)
    assert root.state == {"value": 1, "names": []}


def test_statements_may_stand_in_any_order() -> None:
    root = read("Ref(2, [Deref(1)])\nRef(1, (3,))\n\n\napplication = [Deref(1), Deref(2)]")
    assert root == [(3,), [(3,)]]
    assert root[0] is root[1][0]


def test_references_may_come_before_what_they_refer_to() -> None:
    root = read(
        "application = [(Deref(2), Deref(1)), Ref(2, {1: Ref(1, [Deref(3)])})]\nRef(3, 'x')"
    )
    assert root == [({1: ["x"]}, ["x"]), {1: ["x"]}]
    assert root[0][0] is root[1]
    assert root[0][1] is root[1][1]


def test_line_ends_of_other_systems_are_line_ends() -> None:
    text = f"{HEAD}application = [\n    'a',\n    '''b\nc''',\n]\n".replace("\n", "\r\n")
    assert source.decode_graph(text.encode()).root == ["a", "b\nc"]


def test_a_byte_order_mark_is_passed_over() -> None:
    data = b"\xef\xbb\xbf" + text_of(graph_of([1])).encode()
    assert source.decode(data).content.graph.root == [1]


def test_class_and_function_read_the_same() -> None:
    first, second = value("[Class('visits.Counter'), Function('visits:Counter')]")
    assert first is second


def test_an_edited_state_is_read() -> None:
    root = value("Copyreg('collections.deque', (), Members(1), Items({'a': 1, 'a': 2}), field=1)")
    assert isinstance(root, Call)
    assert (root.members, root.pairs, root.state) == ([1], [("a", 1), ("a", 2)], {"field": 1})


BAD = {
    "import os\n": "2:1: expected one of application = ..., passport = ..., signature = ... and"
    " Ref(number, object), got 'import'",
    "x = 1": "2:1: expected application = ..., got 'x'",
    "application = 1\napplication = 2": "3:1: application is there twice",
    "application = 1 application = 2": "2:17: expected the end of the line, got '2'",
    "application = os.system('x')": "2:15: application: expected a value, got the bare word os;",
    "application = __import__('os')": "there is no __import__(...); there are Arguments, Base64, Class",
    "application = exec('x')": "there is no exec(...); there are Arguments,",
    "application = Instanse('x.Y')": "2:15: application: there is no Instanse(...); is Instance(...) meant?",
    "application = list(1)": "there is no list(...); is [1, 2] meant?",
    "application = datetime('x')": "there is no datetime(...); is Datetime(...) meant?",
    "application = eighty": "2:15: application: expected a value, got the bare word eighty; are its quotes missing?",
    "application = true": "got the bare word true; is True meant?",
    "application = [null]": "application[0]: expected a value, got the bare word null; is None meant?",
    "application = \u201ctext\u201d": "got \u201c; a text stands in straight quotes: 'text'",
    "application = Instance('a.B', port:80)": "the bare word port; is port=... meant, or are its quotes",
    "application = [1 + 1]": "2:18: application[1]: expected ',' or ']', got '+'",
    "application = [1 2]": "expected ',' or ']', got '2'",
    "application = [1, 2": "2:20: application[2]: the file ends too early",
    "application = [1, (2,": "; ')' is missing for what begins in line 2",
    "application = [": "the file ends too early; ']' is missing for what begins in line 2",
    "application =": "the file ends too early",
    "": "expected a statement application = ...",
    "application = [1)": "expected ']' for what begins in line 2, got ')'",
    "application = 1]": "']' closes no bracket",
    "application = [,]": "expected a value such as",
    "application = [1,,]": "expected a value such as",
    "application = {1: }": "expected a value such as",
    "application = {'a'\n: 1, 'b'}": "3:9: application[b]: expected ':' and a value for this key",
    "application = {'a': 1, 'b', 3}": "expected ':'",
    "application = {1, 2: 3}": "expected ',' or '}', got ':'",
    "application = {'a': 1, 'a': 2}": "the key a is there twice",
    "application = {1, 1}": "the member 1 is there twice",
    "application = {[]: 1}": "must not change",
    "application = [Deref(99)]": "2:22: application[0]: it refers to 99, which nothing defines",
    "application = [Ref(1, []), Ref(1, [])]": "the number 1 is given to two objects",
    "application = Ref(1, (Deref(1),))": "refers to itself",
    "application = Ref(1, Deref(1))": "refers to itself",
    "application = Ref('a', [])": "expected Ref(number, object)",
    "application = Ref(1, [], 2)": "expected Ref(number, object)",
    "application = Deref('a')": "expected a number",
    "application = Instance(visits.Counter)": "expected the name of a class in quotes",
    "application = Instance('Counter')": "expected a name such as 'visits.Counter', got 'Counter'",
    "application = Instance('a.B', class=1)": "'class' cannot be the name of a field here",
    "application = Instance('a.B', ﬁ=1)": "cannot be the name of a field",
    "application = Instance('a.B', x=1, x=2)": "the field 'x' is there twice",
    "application = Instance('a.B', x=1, 2)": "2:36: application.x: expected field=value after",
    "application = Instance('a.B', {}, x=1)": "fields, and a state besides",
    "application = Instance('a.B', {}, {})": "a state is there twice",
    "application = Instance('a.B', None)": "a state cannot be None",
    "application = Instance('a.B', Members(1), Members(2))": "Members is there twice",
    "application = Instance('a.B', Members=[1], Members=2)": "'Members' is there twice",
    "application = Instance('a.B', Items([1]))": "expected Items({key: value, ...})",
    "application = Instance('a.B', Items({1, 2}))": "expected Items({key: value, ...})",
    "application = Instance('a.B', Keywords({1: 2}))": "the names of keywords as texts",
    "application = [Members(1)]": "Members belongs inside of Instance or Copyreg",
    "application = Copyreg('a.b', Arguments(1))": "Arguments belongs inside of Instance",
    "application = Copyreg('a.b')": "expected Copyreg('module.function'",
    "application = Copyreg('a.b', [1])": "expected Copyreg('module.function'",
    "application = Copyreg('a.b', x=(1,))": "expected Copyreg('module.function'",
    "application = Copyreg(Members(1), ())": "to call, got ",
    "application = Instance('a.B', x=Members(1))": "Members belongs inside of Instance",
    "application = Copyreg('a.b', (1))": "a tuple of one needs a comma",
    "application = Copyreg(5, ())": "to call, got 5",
    "application = Copyreg([], ())": "to call, got []",
    "application = Instance('a.B', Setter('x'), {})": "to call, got 'x'",
    "application = [x=1]": "a list has no fields",
    "application = Passport()": "expected application = ...",
    "application = [Passport()]": "Passport belongs inside of the file",
    "passport = 1": "expected passport = Passport(...)",
    "application = 'abc": "got a text that does not end on its line",
    "application = '''abc": "expected a value such as",
    "application = f'{x}'": "expected a value, got f before a quote; write the text itself",
    "application = '\\d'": "has a backslash with something that it does not go with",
    "application = '\\N{DIGIT ONE}'": "has a backslash with something",
    "application = '\\U00110000'": "has a backslash with something",
    "application = b'\\u0041'": "has a backslash with something",
    "application = b'\\400'": "has a backslash with something",
    "application = b'é'": "bytes have only ASCII in them",
    "application = ('a' b'b')": "text and bytes cannot be joined",
    "application = 007": "a number has no zeros before it, got '007'",
    "application = 1__0": "expected a number",
    "application = 1.5.2": "expected a number",
    "application = 0xg": "expected a number",
    "application = 1j": "expected a number, got '1j'",
    "application = 1e999": "is greater than any float",
    "application = " + "9" * 4301: "write it in hexadecimal",
    "application = float('1.5')": "expected 'nan', 'inf', '-inf'",
    "application = float('nan:0000000000000000')": "expected 'nan', 'inf', '-inf'",
    "application = float('nan:zzzzzzzzzzzzzzzz')": "expected 'nan', 'inf', '-inf'",
    "application = Base64('A')": "this is not base 64",
    "application = Base64(b'AA==')": "expected a text",
    "application = bytearray([1])": "expected bytes",
    "application = set([1])": "expected set(), or members in braces",
    "application = frozenset([1])": "expected frozenset({...})",
    "application = frozenset({1: 2})": "expected frozenset({...})",
    "application = Datetime('tomorrow')": "expected a datetime such as 2026-11-21T10:00:00",
    "application = Datetime()": "Datetime takes a text",
    "application = Decimal(1.5)": "Decimal takes a text",
    "application = Date('2026-11-21', 1)": "nothing belongs to a date",
    "application = InstanceMethod('x')": "a method needs the object",
    "application = Class('')": "expected a name such as",
    "application = Class(1)": "expected a name in quotes",
    "application = '\0'": "2:16: there is a NUL",
    "# \ud800": "this is not UTF-8",
    "application = " + "[" * 1001: "nested more than 1,000 deep",
    "application = 1;": "2:16: expected the end of the line, got ';'",
    "application = 1\n'text'": "3:1: expected one of application = ",
    "application = {1: Instance('a.B', Members(1, [2, x]))}": "application[1][1][1]: expected a value",
    "application = Instance('a.B', (None, {'left': x}))": "application.left: expected a value",
    "application = Instance('a.B', {'left': [x]})": "application.left[0]: expected a value",
    "application = 1\nRef(7, Instance('a.B', left=x))": "3:29: Ref(7).left: expected a value",
    "passport = Passport(names=['a', x])": "passport.names[1]: expected a value",
    "application = Datetime('2026-11-21T10:00:00', x)": "application.tzinfo: expected a value",
    "application = é.x": "2:15: application: expected a value",
    "application = ['é', x]": "2:21: application[1]: expected a value",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_told_with_its_place(text: str) -> None:
    said = str(complaint(text))
    assert BAD[text] in said
    assert "\n" not in said
    assert len(said) < 700
    assert said[0].isdigit()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected the first line '# Perdure snapshot, source, format 1."),
        (b"import os\n", "expected the first line"),
        (b"# Perdure snapshot, source, format 2. Whatever.\n", "take a newer Perdure"),
        (b"# Perdure snapshot, source, format 0. Whatever.\n", "never was"),
        (HEAD.encode() + b"# \xff\n", "2:3: this is not UTF-8"),
        (HEAD.encode() + "application = 'ä'".encode("utf-16-le"), "there is a NUL"),
        (HEAD.encode() + b"#" * 2_000_000 + b"\xc3", "this is not UTF-8: unexpected end"),
        (HEAD.encode() + b"#" + b" " * 1_048_506 + b"\xe2\x82\xff", "this is not UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        source.decode(data)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", "the statement passport = Passport(...) is missing"),
        ("passport = Passport()", "2:12: the passport is wrong: format: it is missing; "),
        (
            "passport = Passport(format=1, application='a', holds='b', written='', writer='', python='')",
            "2:12: the passport is wrong: holds: expected 'blueprint' or 'state', got 'b'",
        ),
        ("passport = Passport(format=[Instance('a.B')])", "expected only texts"),
        ("passport = Passport(format={1: 2})", "expected only texts"),
        ("passport = Passport(1)", "expected Passport(field=value, ...)"),
        ("passport = Passport(format=Deref(1))", "format: expected a whole number, got [1]"),
        ("signature = Signature(key='00')", "13: expected Signature(key='...', value='...')"),
        ("signature = Signature(key=1, value=2)", "expected Signature(key='...', value='...')"),
    ],
)
def test_a_wrong_head_is_refused(head: str, said: str) -> None:
    text = text_of(graph_of([1]))
    passport, _, rest = text.partition("\n\napplication = ")
    if head.startswith("signature"):
        head = f"{passport.removeprefix(HEAD)}\n\n{head}"
    with pytest.raises(FormatError) as caught:
        source.decode(f"{HEAD}{head}\n\napplication = Ref(1, {rest[:-1]})\n".encode())
    assert said in str(caught.value)


def test_no_warning_is_given_for_what_python_warns_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complaint("application = '\\d'")
        assert value("'\\\\d'") == "\\d"


def test_an_error_deep_in_a_great_file_is_found_soon() -> None:
    lines = "".join(f"    [{number}, 'text'],\n" for number in range(50_000))
    said = complaint(f"application = [\n{lines}    oops,\n]")
    assert (said.line, said.column, said.place) == (50_003, 5, "application[50000]")


HOSTILE = {
    "blanks": " " * 2_000_000,
    "comments": "#\n" * (1_000_000),
    "continued lines": "\\\n" * (1_000_000),
    "quotes": "'" * 2_000_000,
    "backslashes": "'" + "\\" * 2_000_000,
    "open text": "'''" + "a" * 2_000_000,
    "names": "a" * 2_000_000,
    "digits": "1" * 2_000_000,
    "exponents": "1e" * (1_000_000),
    "prefixes": "b" * 2_000_000,
    "equals signs": "a=" * (1_000_000),
    "signs": "-" * 2_000_000,
    "literals": "('" + "' '" * (700_000) + "')",
    "hexadecimal digits": "0x" + "f" * 2_000_000,
    "parentheses": "(" * 2_000_000,
    "references": "[" + "Deref(1)," * (200_000) + "Ref(1, 2)]",
    "fields": "Instance('a.B'" + ",x=1" * (500_000) + ")",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_takes_more_than_linear_time(kind: str) -> None:
    said = ""
    try:
        value(HOSTILE[kind])
    except FormatError as error:
        said = str(error)
    assert len(said) < 700


def test_a_key_that_takes_years_to_hash_is_refused() -> None:
    doubled = "Ref(0, (1,))"
    for number in range(1, 90):
        doubled = f"Ref({number}, ({doubled}, Deref({number - 1})))"
    assert "hash" in str(complaint(f"application = {{{doubled}: 1}}"))


def test_a_key_that_would_overflow_the_stack_is_refused() -> None:
    nested = "".join(f"Ref({number}, (Deref({number + 1}),))\n" for number in range(300_000))
    said = str(complaint(f"application = {{Deref(0): 1}}\n{nested}Ref(300000, ())"))
    assert "2:15: application: a key or member" in said


@given(st.text() | st.text("()[]{}'\"\\,:=#\n bRef1Deref().x"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"application = {text}", f"application = [{text}]"):
        with suppress(FormatError):
            read(whole)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for whole in (data, HEAD.encode() + b"application = " + data):
        with pytest.raises(FormatError):
            source.decode(whole)


@given(graphs(), st.randoms(use_true_random=False))
def test_any_change_of_a_file_is_read_or_refused(root: list[Any], chance: random.Random) -> None:
    data = bytearray(text_of(graph_of(root)).encode())
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(data))
        end = begin + chance.choice((0, 1, 1, 2, 9))
        pieces = (b"", b"'", b"(", b"]", b",", b"Deref(1)", b"\xff", b"1", data[end : end + 9])
        data[begin:end] = chance.choice(pieces)
    try:
        found = source.decode(bytes(data))
    except FormatError:
        return
    # What is read can be written.
    b"".join(source.encode(PASSPORT, found.content, None))


@given(graphs(), st.integers(min_value=1))
def test_a_file_that_ends_too_early_is_refused(root: list[Any], cut: int) -> None:
    """By more than the end of its last line, which editors leave off."""
    data = text_of(graph_of(root)).encode().removesuffix(b"\n")
    data = data[: len(data) - 1 - cut % (len(data) - 1)]
    with pytest.raises(FormatError):
        source.decode(data)
