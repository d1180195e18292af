"""Values of secret fields are in no text, and come back from it; whatever else is done to them is told."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import assume, given, settings

from perdure.persist import snapshot
from perdure.persist.concealment import ConcealedError, Key, concealed, hold, opened
from perdure.persist.content import Content, Snapshot
from perdure.persist.formats import table
from perdure.persist.formats.format import Format, FormatError
from perdure.persist.graph import Graph
from perdure.persist.isomorphism import difference
from perdure.persist.passport import Passport
from perdure.persist.persistent import secret_fields
from perdure.persist.restore import restore
from perdure.persist.secret import Secret
from perdure.persist.snapshot import SnapshotError
from perdure.persist.trust import Policy, Signer

from ..passport import PASSPORT
from . import inertgraphs, models
from .models import Account, Deposit, Login

TEXTS: Final = [each for each in table.formats() if each.locate]
EVERYTHING: Final = Policy.everything()
PLAIN: Final = "hunter2"
SECRET: Final = {
    "visits:Counter": ("value", "_x"),
    "visits:Outer.Inner": ("className", "a b", "größe"),
    "visits:make": ("class",),
}
texts = pytest.mark.parametrize("form", TEXTS, ids=lambda form: form.name)


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("PERDURE_HOME", str(folder))
        yield folder


def written(form: Format, content: Content, passport: Passport, signer: Signer) -> bytes:
    shown = content if form.locate is None else concealed(content, passport, signer)
    return b"".join(form.encode(passport, shown, None, None))


def read(form: Format, data: bytes) -> Snapshot:
    return opened(form.decode(data))


@given(inertgraphs.graphs())
@settings(max_examples=150)
def test_any_graph_with_secrets_survives_any_chain(graph: Graph) -> None:
    signer = Signer.of_user()
    passport = attrs.evolve(PASSPORT, secret=SECRET)
    first = Content.of_graph(graph)
    try:
        first = Content.of_stream(first.stream)
    except FormatError:
        assume(False)
    made: dict[str, bytes] = {}
    for chain in product(table.formats(), repeat=2):
        content = first
        for form in chain:
            data = written(form, content, passport, signer)
            if form.locate is not None:
                assert made.setdefault(form.name, data) == data
            content = read(form, data).content
            assert difference(first.graph, content.graph) is None


def accounts() -> list[Any]:
    """Objects that hold the word in secret fields, and share it in every way there is."""
    pem = PLAIN * 30
    list_of_two = [PLAIN, {1: pem}]
    friend = Account("friend", PLAIN)
    public = ["seen by all"]
    return [
        Account("bob", PLAIN),
        friend,
        Login("a", pem),
        Login("b", pem),
        Account("wrapped", Secret(PLAIN.encode())),
        Secret({PLAIN}),
        Deposit(1, [list_of_two, friend, (friend, public)]),
        Deposit(2, {"x": list_of_two}),
        Deposit(3, list_of_two),
        Deposit(4, None),
        public,
        {"in": public, "both": Account("both", public)},
    ]


def write(path: Path, root: object, signer: Signer, syntax: str) -> bytes:
    snapshot.write(path, root, application="web", holds="state", signer=signer, syntax=syntax)
    return path.read_bytes()


def convert(source: Path, target: Path, syntax: str, **options: Any) -> bytes:
    found = snapshot.read(source)
    form = table.by_name(syntax)
    snapshot.put(target, found.passport, found.content, form, Signer.of_user(), **options)
    return target.read_bytes()


@texts
def test_the_word_is_in_no_text_and_in_all_objects(form: Format, tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    data = write(path, accounts(), Signer.of_user(), form.name)
    assert PLAIN.encode() not in data
    assert b"seen by all" in data
    root: Any = restore(snapshot.read(path).stream, EVERYTHING)
    assert [root[0].password, root[2].pem, root[4].password.reveal(), root[9].content] == [
        PLAIN,
        PLAIN * 30,
        PLAIN.encode(),
        None,
    ]
    # What is shared is one object still, in secret fields and out of them.
    assert root[2].pem is root[3].pem is root[8].content[1][1]
    assert root[6].content[0] is root[7].content["x"] is root[8].content
    assert root[6].content[1] is root[6].content[2][0] is root[1]
    assert root[6].content[2][1] is root[10] is root[11]["in"] is root[11]["both"].password


@texts
def test_with_reveal_the_word_is_there(form: Format, tmp_path: Path) -> None:
    path, plain = tmp_path / "web.snap", tmp_path / "plain"
    write(path, accounts(), Signer.of_user(), "pickle")
    data = convert(path, plain, form.name, reveal=True)
    assert PLAIN.encode() in data
    assert b"oncealed" not in data.replace(b"perdure.persist.concealment", b"")
    assert PLAIN.encode() not in convert(plain, tmp_path / "again", form.name)


def lined(path: Path) -> list[str]:
    return path.read_text().splitlines()


def tokens(text: str) -> list[str]:
    """The sealed texts in a snapshot in source, each on a line of its own."""
    return re.findall(r"^ +'([\w+/=]{80,})',$", text, re.MULTILINE)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A text with the accounts of two, whose passwords are the same."""
    path = tmp_path / "web.snap.py"
    write(
        path,
        [Account("a", PLAIN), Account("b", PLAIN), Login("c", PLAIN)],
        Signer.of_user(),
        "source",
    )
    return path


def test_the_same_value_is_another_text_in_each_place(two: Path) -> None:
    found = tokens(two.read_text())
    assert len(found) == len(set(found)) == 3


def test_edits_around_it_keep_it(two: Path) -> None:
    text = two.read_text().replace("name='a'", "name='z', more=[1, 2]")
    two.write_text(text)
    root: Any = restore(snapshot.read(two).stream, EVERYTHING)
    assert (root[0].name, root[0].more, root[0].password) == ("z", [1, 2], PLAIN)


def test_one_may_be_taken_out_or_replaced_by_a_plain_one(two: Path) -> None:
    text = two.read_text()
    first, second, _ = re.findall(r"Concealed\([^)]*\)", text)
    two.write_text(text.replace(first, "'new'").replace(second, "None"))
    root: Any = restore(snapshot.read(two).stream, EVERYTHING)
    assert [root[0].password, root[1].password, root[2].pem] == ["new", None, PLAIN]


def test_it_may_go_where_its_object_goes(two: Path) -> None:
    text = two.read_text()
    a, b, _ = re.findall(r"^    Instance\(\n.*?^    \),\n", text, re.MULTILINE | re.DOTALL)
    two.write_text(text.replace(a, "\0").replace(b, a).replace("\0", b))
    root: Any = restore(snapshot.read(two).stream, EVERYTHING)
    assert [(each.name, each.password) for each in root[:2]] == [("b", PLAIN), ("a", PLAIN)]


def refusal(path: Path) -> str:
    try:
        _ = snapshot.read(path).stream
    except FormatError as error:
        return str(SnapshotError.of(path, error))
    except SnapshotError as error:
        return str(error)
    raise AssertionError("it was read")


def test_what_was_changed_is_told_with_its_line_and_place(two: Path) -> None:
    text = two.read_text()
    token = tokens(text)[1]
    two.write_text(
        text.replace(
            token, token[:-6] + ("AAAA" if token[-6:-2] != "AAAA" else "BBBB") + token[-2:]
        )
    )
    line = 1 + next(
        number
        for number, each in enumerate(lined(two))
        if "Concealed(" in each and token[:9] in lined(two)[number + 2]
    )
    said = refusal(two)
    assert said.startswith(f"{two}:{line}: application[1].password: the concealed value of ")
    assert "Account.password was changed, or brought here from another place or file" in said
    assert "--reveal" in said


def test_a_copy_is_told_with_the_place_of_the_other(two: Path) -> None:
    first, second, _ = tokens(two.read_text())
    two.write_text(two.read_text().replace(second, first))
    assert (
        "application[1].password: this concealed value stands in application[0].password"
        in refusal(two)
    )


def test_one_of_another_field_does_not_open(two: Path) -> None:
    _, second, third = tokens(two.read_text())
    two.write_text(two.read_text().replace(third, second))
    assert "application[2].pem: the concealed value of " in refusal(two)


def test_one_where_no_secret_is_does_not_open(two: Path) -> None:
    token = re.search(r"Concealed\([^)]*\)", two.read_text())
    assert token
    two.write_text(two.read_text().replace("name='a'", f"name={token[0]}"))
    said = refusal(two)
    assert "application[0].name: a concealed value can stand in its own secret field only" in said


def test_one_of_another_file_does_not_open(two: Path, tmp_path: Path) -> None:
    found = snapshot.read(two)
    other = tmp_path / "other.snap.py"
    passport = attrs.evolve(found.passport, application="shop")
    snapshot.put(other, passport, found.content, table.by_name("source"), None)
    two.write_text(
        two.read_text().replace(tokens(two.read_text())[0], tokens(other.read_text())[0])
    )
    assert "application[0].password: the concealed value of " in refusal(two)


@texts
def test_without_its_key_a_value_stays_as_it_is_in_text(
    form: Format, tmp_path: Path, signer: Signer
) -> None:
    """And goes through text; but not into a binary snapshot, and it does not run."""
    path, there, back = (tmp_path / name for name in ("theirs", "there", "back"))
    write(tmp_path / "own", accounts(), Signer.of_user(), "pickle")
    found = snapshot.read(tmp_path / "own")
    content = concealed(found.content, found.passport, signer)
    path.write_bytes(b"".join(form.encode(found.passport, content, None, None)))
    forget(signer)
    other = next(each for each in TEXTS if each != form)
    for source, target, each in ((path, there, other), (there, back, form)):
        closed = snapshot.read(source)
        snapshot.put(target, closed.passport, closed.content, each, None)
    assert PLAIN.encode() not in there.read_bytes() + back.read_bytes()
    said = refusal(back)
    assert re.match(
        rf"{re.escape(str(back))}:\d+: application\[0\]\.password: this is concealed with", said
    )
    assert Key.of(signer).name in said
    assert "--reveal writes where that key is" in said
    with pytest.raises(ConcealedError):
        convert(back, tmp_path / "binary", "pickle")
    hold(signer)
    assert difference(snapshot.read(back).content.graph, found.content.graph) is None
    forget(signer)


def forget(signer: Signer) -> None:
    from perdure.persist import concealment

    getattr(concealment, "_held").pop(Key.of(signer).name, None)  # noqa: B009


def test_nobody_makes_a_key_to_read_with(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(Signer.of_user())
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "nobody"))
    assert "concealed with the key" in refusal(two)
    assert not (tmp_path / "nobody").exists()


def test_which_fields_are_secret_a_class_says_in_three_ways() -> None:
    assert secret_fields(Account) == ("password",)
    assert secret_fields(Login) == ("pem",)
    assert secret_fields(Deposit) == ("content",)
    assert secret_fields(Secret) == ("_value",)
    assert secret_fields(models.Plain) == ()
