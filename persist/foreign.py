"""What a file is that is no snapshot, for a message."""

_KINDS = (
    (b"<", "a document with markup"),
    (b"\x7fELF", "a program"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"-----BEGIN", "a PEM file"),
)


def described(head: bytes) -> str:
    """What a file that begins with `head` is, and what to do."""
    found = "a file of another kind"
    if not head:
        found = "an empty file"
    elif head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        found = "a bare pickle"
    else:
        for beginning, kind in _KINDS:
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(beginning):
                found = kind
                break
        else:
            found = _text_kind(head, found)
    return (
        f"it is not a snapshot but {found}; name a file that mkapp, rundaemon or appconvert has"
        " written"
    )


def _text_kind(head: bytes, otherwise: str) -> str:
    if b"\0" in head:
        return otherwise
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return otherwise
        text = head[: error.start].decode("utf-8")
    if "\npassport = Passport(" in f"\n{text}":
        from .formats.sourcenames import HEAD as FIRST_LINE

        return f"one in source whose first line is not {FIRST_LINE.rstrip()!r} (put that back)"
    beginnings = ("#!", "# ", '"""', "import ", "from ", "def ", "class ")
    if text.startswith(beginnings):
        return "Python source or another script (a configuration is run with rundaemon -y)"
    return "a text file"
