"""A form that comes in pieces, which may end within the line that separates two files."""

import asyncio

import pytest

from perdure.app.web.forms import Form
from perdure.app.web.limits import Limits

from .test_forms import form_of, part

_FILES = [b"\0", b"\r\n--B-", b"", b"\r\n--B x", b"\r", b"\r\n--Bx", b"--B,", b"\n"]


@pytest.mark.parametrize("end", [b"--B--\r\n", b"--B--", b"--B-- \t\r\n", b"--B-- \n"])
@pytest.mark.parametrize("padding", [0, 2, 60], ids=str)
def test_wherever_a_form_is_cut_no_byte_is_put_in(end: bytes, padding: int) -> None:
    body = b"".join(part(str(number), each, "n") for number, each in enumerate(_FILES))
    body = body.replace(b"--B\r\nC", b"--B" + b" \t" * (padding // 2) + b"\r\nC") + end
    found = form_of(body, [], Limits(form_memory=0))
    assert contents(found) == _FILES
    for cut in range(len(body) + 1):
        assert contents(form_of(body, [cut], Limits())) == _FILES, body[:cut]
    assert contents(form_of(body, list(range(len(body))), Limits())) == _FILES


def contents(form: object) -> list[bytes]:
    assert isinstance(form, Form)
    found = [asyncio.run(form.files[str(number)].read()) for number in range(len(_FILES))]
    form.close()
    return found
