"""Open files come back at their place."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.capture import CaptureError, capture
from perdure.persist.openfile import ReopenError
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .models import Records

EX_NOINPUT = 66


def reopened(file: Any) -> Any:
    stream = capture(Records(file)).stream
    file.close()
    return opened(stream)


def opened(stream: bytes) -> Any:
    made: Any = restore(stream, Policy.everything())
    return made.log


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for mode in ("w", "a", "x"):
        path.unlink(missing_ok=True)
        with (
            open(path, mode, encoding="latin-1", buffering=1) as file,
            reopened_after_writing(file) as again,
        ):
            assert (again.mode, again.encoding, again.line_buffering) == (mode, "latin-1", True)
            again.write("two é\n")
        assert path.read_bytes() == b"one \xe9\ntwo \xe9\n"


def reopened_after_writing(file: Any) -> Any:
    file.write("one é\n")
    return reopened(file)


def test_a_file_in_the_middle_of_being_read_goes_on_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("äöü\nzwei\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert file.readline() == "äöü\n"
        with reopened(file) as again:
            assert again.read() == "zwei\n"
    with path.open("rb", buffering=0) as raw:
        raw.seek(3)
        with reopened(raw) as again:
            assert isinstance(again, io.FileIO)
            assert again.read() == path.read_bytes()[3:]


def test_the_place_is_a_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open("log", "w", encoding="utf-8") as file:
        stream = capture(Records(file)).stream
    monkeypatch.chdir("/")
    with opened(stream) as again:
        assert again.name == str(tmp_path / "log")


def test_a_log_that_was_rotated_away_or_cut_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as file:
        file.write("some lines\n")
        stream = capture(Records(file)).stream
    path.unlink()
    with opened(stream) as again:
        again.write("new\n")
    assert path.read_text() == "new\n"
    with opened(stream) as again:
        again.write("more\n")
    assert path.read_text() == "new\nmore\n"


def test_a_file_to_read_must_still_be_there_and_as_long(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("0123456789")
    with path.open(encoding="utf-8") as file:
        file.read()
        stream = capture(Records(file)).stream
    path.write_text("01234")
    with pytest.raises(ReopenError, match="it has 5 bytes, and 10 of it were read") as caught:
        opened(stream)
    assert caught.value.exit_status == EX_NOINPUT
    path.unlink()
    with pytest.raises(ReopenError, match="No such file or directory; put it back") as caught:
        opened(stream)
    assert caught.value.path == str(path)


def test_a_closed_file_comes_back_closed(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        pass
    os.unlink(tmp_path / "log")
    assert reopened(file).closed


def test_a_field_without_a_file_is_saved_as_it_is() -> None:
    assert opened(capture(Records(None)).stream) is None
    assert opened(capture(Records(io.StringIO("text"))).stream).getvalue() == "text"


def test_what_has_no_path_or_no_place_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (
        os.fdopen(reading) as one,
        os.fdopen(writing, "w"),
        pytest.raises(CaptureError, match=r"application: .*no path to be opened by again"),
    ):
        capture(Records(one))
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        stream = StandardError(file)
        with pytest.raises(CaptureError, match=r"<stderr> is a standard stream"):
            capture(Records(stream))


class StandardError(io.TextIOWrapper):
    """A file called as the interpreter calls its standard error."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        super().__init__(file.buffer, encoding="utf-8")

    @property
    def name(self) -> str:
        return "<stderr>"

    @property
    def mode(self) -> str:
        return "w"
