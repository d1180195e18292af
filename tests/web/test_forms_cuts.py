"""A form that comes in pieces, which may end within the line that separates two files."""

import pytest

from perdure.app.web.forms import Form
from perdure.app.web.limits import Limits

from .test_forms import form_of, part

_FILES = [b"\0", b"\r\n--B-", b"", b"\r\n--B x", b"\r", b"\r\n--Bx", b"--B,", b"\n"]


@pytest.mark.parametrize(
    ("padding", "end"),
    [(b"", b"--B--\r\n"), (b" \t", b"--B--"), (b"", b"--B-- \n"), (b"\t" * 60, b"--B--\t\r\n")],
)
def test_wherever_a_form_is_cut_no_byte_is_put_in(padding: bytes, end: bytes) -> None:
    body = b"".join(part(str(number), each, "n") for number, each in enumerate(_FILES))
    body = body.replace(b"--B\r\nC", b"--B" + padding + b"\r\nC") + end
    for cut in range(len(body) + 1):
        assert contents(form_of(body, [cut], Limits())) == _FILES, body[:cut]
    assert contents(form_of(body, list(range(len(body))), Limits())) == _FILES


def contents(form: object) -> list[bytes]:
    assert isinstance(form, Form)
    found = [form.files[str(number)].open().read() for number in range(len(_FILES))]
    form.close()
    return found
