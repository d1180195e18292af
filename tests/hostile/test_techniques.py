"""Each known technique of malicious pickles is refused, before anything runs, in every syntax."""

import os
import pickle

import pytest

from perdure.convert import convert
from perdure.persist import graphstream
from perdure.persist.content import Content, Snapshot
from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.graphstream import StreamError
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.trust import Policy

from ..passport import PASSPORT
from .conftest import Canary
from .techniques import ALL, CALLS, HERE, NAMES, STATES

POLICIES = {"a stranger's": Policy.only(), "with a trusted module": Policy.only([HERE])}
# More is said of no stream than this, in bytes.
LINE = 20_000


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("name", ALL)
def test_a_stream_is_refused_before_anything_runs(
    name: str, policy: Policy, canary: Canary
) -> None:
    with pytest.raises((TrustError, RestoreError)) as caught:
        restore(ALL[name], policy)
    assert len(str(caught.value)) < LINE
    assert caught.value.exit_status in (os.EX_NOPERM, os.EX_DATAERR)


def written(stream: bytes, form: str) -> bytes | None:
    """A file of `form` that holds `stream`; None if no such file could hold it."""
    try:
        content = Content.of_graph(graphstream.read(stream))
        found = Snapshot(PASSPORT, content, b"", None, "pickle")
        return b"".join(convert.pieces(found, form, None))
    except (StreamError, FormatError):
        return None


@pytest.mark.parametrize("form", ["xml", "source", "pickle"])
@pytest.mark.parametrize("name", ALL)
def test_a_file_is_refused_before_anything_runs(name: str, form: str, canary: Canary) -> None:
    data = written(ALL[name], form)
    if data is None:
        # What cannot be written need not be refused. What only names and calls can be.
        assert name not in CALLS
        return
    try:
        found = table.by_name(form).decode(data)
        stream = found.stream
    except FormatError:
        return
    assert found.signer_key is None
    for policy in POLICIES.values():
        with pytest.raises((TrustError, RestoreError)):
            restore(stream, policy)


def test_most_techniques_can_be_put_into_text() -> None:
    """So that the test above is not without an object."""
    for form in ("xml", "source"):
        possible = [name for name in {**CALLS, **NAMES, **STATES} if written(ALL[name], form)]
        assert len(possible) > len(CALLS) + len(NAMES) // 2


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "INST", "GLOBAL, protocol 0"])
def test_the_techniques_are_what_they_seem(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unpickler that believes everything does the harm."""
    monkeypatch.chdir(tmp_path_factory.mktemp("done"))
    assert not os.path.exists("canary")
    made = pickle.loads(ALL[name])
    if hasattr(made, "close"):
        made.close()
    assert os.path.exists("canary")
