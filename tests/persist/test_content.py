"""A content is asked what its keys cost unless it is this user's own."""

from pathlib import Path
from typing import Any

import pytest

from perdure.convert import convert
from perdure.persist import graphstream, snapshot
from perdure.persist.capture import capture
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.snapshot import Snapshot
from perdure.persist.trust import HOME_VARIABLE, Owner, Signer

DEEP_KEY = "a key or member is nested more than 1,000 tuples deep"


def deeply_keyed() -> dict[Any, Any]:
    key: Any = ()
    for _ in range(1500):
        key = (key,)
    return {"keyed": {key: 1}}


def test_a_strangers_stream_is_asked_what_its_keys_cost() -> None:
    content = Content.of_stream(capture(deeply_keyed()).stream)
    with pytest.raises(FormatError, match=DEEP_KEY):
        _ = content.graph


def test_ones_own_stream_is_believed() -> None:
    content = Content.of_stream(capture(deeply_keyed()).stream)
    content.believe()
    assert len(content.graph.root["keyed"]) == 1


def written(path: Path, signer: Signer | None) -> Snapshot:
    snapshot.write(path, deeply_keyed(), application="web", holds="state", signer=signer)
    return snapshot.read(path)


def test_a_snapshot_is_believed_once_it_is_known_for_this_users(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(folder / "home"))
    signer = Signer.of_user()
    found = written(folder / "web.snap", signer)
    assert convert.signer_for(found, Owner.of(folder / "web.snap")) is not None
    assert len(found.content.graph.root["keyed"]) == 1


@pytest.mark.parametrize("is_signed", [False, True])
def test_what_a_stranger_wrote_is_never_believed(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, is_signed: bool
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(folder / "home"))
    found = written(folder / "web.snap", signer if is_signed else None)
    assert convert.signer_for(found, Owner.of(folder / "web.snap")) is None
    with pytest.raises(FormatError, match=DEEP_KEY):
        _ = found.content.graph


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_what_text_cannot_give_back_is_said_before_a_file_is_replaced(
    folder: Path, signer: Signer, syntax: str
) -> None:
    path = folder / "web.snap"
    path.write_bytes(b"what was there")
    with pytest.raises(FormatError, match=DEEP_KEY) as caught:
        snapshot.write(
            path, deeply_keyed(), application="web", holds="state", signer=signer, syntax=syntax
        )
    assert caught.value.place == "application[keyed]"
    assert path.read_bytes() == b"what was there"


def test_a_signed_content_is_put_as_it_is(folder: Path, signer: Signer) -> None:
    found = written(folder / "web.snap", signer)
    form = table.by_name("pickle")
    snapshot.put(folder / "again.snap", found.passport, found.content, form, signer)
    again = snapshot.read(folder / "again.snap").stream
    assert graphstream.read(again, trusted=True).root.keys() == {"keyed"}
