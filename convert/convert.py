"""From one syntax to another: the names of files, and who signs what comes out."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Final

import attrs

from ..persist import files, snapshot
from ..persist.content import Content, Snapshot
from ..persist.errors import PerdureError
from ..persist.formats import table
from ..persist.passport import Passport
from ..persist.sealing import Seal
from ..persist.trust import Owner, Signer

HTML: Final = "html"
"""What a snapshot can be written as besides the syntaxes: a page, for looking at only."""
_SUFFIXES: Final = {**table.SUFFIXES, HTML: ".html"}

Watch = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Passes on the pieces of a file, and may look on."""


@attrs.define
class TargetError(PerdureError):
    """The file to write is there already: nothing was written."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def target_of(path: Path, form: str) -> Path:
    """What the file at `path` is called when it is written as `form`, beside it.

    ``web.snap`` is called ``web.snap.xml``, and that as ``pickle`` ``web.snap`` again.
    """
    name = path.name
    for suffix in _SUFFIXES.values():
        if suffix and name.endswith(suffix) and name != suffix:
            name = name.removesuffix(suffix)
            if not name.endswith(table.EXTENSION):
                name += table.EXTENSION
            break
    return path.with_name(name + _SUFFIXES[form])


def form_of(target: Path) -> str | None:
    """The syntax that the name `target` promises; None if it promises none."""
    stem, syntax = table.split(target.name)
    return None if stem == target.name else syntax


def is_same(target: Path, source: Path) -> bool:
    """Whether both are the same file, by whatever names."""
    return target.exists() and source.exists() and target.samefile(source)


def check_target(target: Path, *, force: bool) -> None:
    """Raise TargetError if writing `target` would cost a file that nobody said may be replaced."""
    if not force and (target.exists() or target.is_symlink()):
        raise TargetError(
            target, "it is there already; name another with -o, or replace it with --force"
        )


def signer_for(found: Snapshot, owner: Owner) -> Signer | None:
    """This user's signer, if `found` is this user's own work; None for what is a stranger's.

    What comes of a stranger's snapshot stays a stranger's, however it is written. So does what is in
    another user's file: `owner` is that of the file, made before it was read. The content of what is
    this user's is believed from here on.
    """
    if found.signer_key is None or not owner.may_have_signed():
        return None
    signer = Signer.of_user()
    if not found.is_signed_by(signer):
        return None
    found.content.believe()
    return signer


def write(
    found: Snapshot,
    target: Path,
    form: str,
    signer: Signer | None,
    watch: Watch,
    *,
    reveal: bool = False,
) -> None:
    """Write `found` to `target` as `form`, whole and durable or not at all.

    In a text, and in a page, secret values are concealed or hidden, but with `reveal`. Raises `WriteError`, `FormatError` or `VerificationError`; the file that was there is then still
    there.
    """
    if form == HTML:
        files.replace(target, watch(pieces(found, form, signer, reveal=reveal)))
        return
    syntax = table.by_name(form)

    def encode(
        passport: Passport, content: Content, signer: Signer | None, seal: Seal | None = None
    ) -> Iterator[bytes]:
        return watch(syntax.encode(passport, content, signer, seal))

    watched = attrs.evolve(syntax, encode=encode)
    passport, content, seal = found.passport, found.content, found.seal
    snapshot.put(target, passport, content, watched, signer, seal=seal, reveal=reveal)


def pieces(
    found: Snapshot, form: str, signer: Signer | None, *, reveal: bool = False
) -> Iterator[bytes]:
    """`found` as `form`, for a file that is nobody's to replace, such as standard output.

    What is signed in it are the names that `snapshot.put` would sign.
    """
    if form == HTML:
        if found.seal is not None:
            raise TargetError(
                Path("a page"),
                "it would be in the clear, and the file is sealed; say --unseal if that is wanted",
            )
        from . import page

        return page.render(found, reveal=reveal)
    passport = attrs.evolve(found.passport, names=found.content.names)
    syntax, content = table.by_name(form), found.content
    if not reveal:
        content = snapshot.shown_as(passport, content, syntax, signer, found.seal)
    return syntax.encode(passport, content, signer, found.seal)
