"""The secret of what is sealed: the options that give it, and the question where none was given."""

import getpass
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

if TYPE_CHECKING:
    from ..persist.keyring import Keyring
    from ..persist.sealing import Seal, Secret


class _SecretFile(click.ParamType["Secret"]):
    """A file that is read at once: a daemon changes its folder, and may lose the right to read it."""

    name = "file"

    def __init__(self, reader: str) -> None:
        self.reader = reader

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Secret":
        from ..persist import keyring
        from ..persist.sealing import Secret

        read: Callable[[Path], Secret] = getattr(keyring, self.reader)
        return value if isinstance(value, Secret) else read(Path(value))


_KEY: Final = _SecretFile("read_key")
_PASSPHRASE: Final = _SecretFile("read_passphrase")


def key_options() -> list[click.Option]:
    """``--seal-key`` and ``--passphrase-file``; what they give is for `keyring`."""
    return [
        click.Option(
            ["--seal-key", "seal_keys"],
            multiple=True,
            type=_KEY,
            metavar="FILE",
            help="What is sealed: the key (32 bytes, or 64 hexadecimal digits); repeatable.",
        ),
        click.Option(
            ["--passphrase-file", "passphrases"],
            multiple=True,
            type=_PASSPHRASE,
            metavar="FILE",
            help="What is sealed: the passphrase (one line); repeatable. Also in"
            " $PERDURE_PASSPHRASE, and else asked for at a terminal.",
        ),
    ]


def new_key_options() -> list[click.Option]:
    """``--new-seal-key`` and ``--new-passphrase-file``; what they give is for `Sealer`."""
    return [
        click.Option(
            ["--new-seal-key", "new_seal_key"],
            type=_KEY,
            metavar="FILE",
            help="With --seal, of a file that is sealed: the key it gets.",
        ),
        click.Option(
            ["--new-passphrase-file", "new_passphrase"],
            type=_PASSPHRASE,
            metavar="FILE",
            help="With --seal, of a file that is sealed: the passphrase it gets.",
        ),
    ]


def keyring(options: dict[str, Any]) -> "Keyring":
    """What the options give, which are taken out of `options`, and what the environment does.

    A passphrase in the environment is taken out of it, so that no program that is started has it.
    """
    from ..persist.keyring import PASSPHRASE_VARIABLE, Keyring, passphrase

    secrets = [*options.pop("seal_keys"), *options.pop("passphrases")]
    if text := os.environb.pop(PASSPHRASE_VARIABLE.encode(), b""):
        secrets.append(passphrase(text))
    return Keyring(secrets, _asked if _has_terminal() else None)


def new_seal(ring: "Keyring") -> "Seal":
    """A seal of its own for what was in the clear: with the first secret given, or one asked for.

    Raises NoNewSecretError.
    """
    from ..persist.keyring import NoNewSecretError, passphrase
    from ..persist.sealing import Seal

    if ring.secrets:
        return Seal.new(ring.secrets[0])
    if not _has_terminal():
        raise NoNewSecretError
    return Seal.new(passphrase(_asked_twice()))


@attrs.define
class Sealer:
    """Gives seals to files: to those in the clear one of their own, to others a new secret.

    All that it seals have one secret, which is asked for once.
    """

    ring: "Keyring"
    new: "Secret | None"
    _seal: "Seal | None" = None

    def seal(self, present: "Seal | None") -> "Seal":
        """That for a file that has the `present` one, or none. Raises NoNewSecretError."""
        from ..persist.keyring import NoNewSecretError, passphrase

        if present is None:
            if self.new is not None:
                raise click.UsageError(
                    "--new-seal-key and --new-passphrase-file are for what is sealed already; say"
                    " --seal-key or --passphrase-file"
                )
            self._seal = self._seal or new_seal(self.ring)
            return self._seal
        if self.new is None:
            if not _has_terminal():
                raise NoNewSecretError(is_sealed=True)
            self.new = passphrase(_asked_twice())
        return present.for_secret(self.new)


def unlock_first(ring: "Keyring", file: Path | None, folder: Path, name: str | None) -> None:
    """Open what a start will have to, while there is a person to ask. Raises UnlockError.

    `folder` is that of the state, if it is not the one `file` is in. What is wrong otherwise the
    start will say.
    """
    from ..persist import snapshot
    from ..persist.errors import PerdureError
    from ..persist.keyring import UnlockError
    from ..persist.sealing import Envelope
    from ..persist.store import FolderStore

    try:
        if file is not None:
            passport = snapshot.peek(file)
            name = passport.application
            if passport.sealed:
                ring.unlock(Envelope.parse(passport.sealed), file)
        if name is None:
            return
        store = FolderStore(folder, name, keyring=ring)
        for state in store.states()[:1]:
            if state.passport.sealed:
                ring.unlock(Envelope.parse(state.passport.sealed), state.path)
        store.stay_sealed()
    except UnlockError:
        raise
    except (PerdureError, OSError):
        return


def _has_terminal() -> bool:
    with suppress(ValueError, OSError):
        return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    return False


def _asked(path: Path) -> bytes:
    return _typed(f"Passphrase of {path}: ")


def _asked_twice() -> bytes:
    first = _typed("Passphrase to seal with: ")
    if not first:
        raise click.UsageError("a passphrase is not empty")
    if _typed("The same again: ") != first:
        raise click.UsageError("the two passphrases differ; nothing was changed")
    return first


def _typed(question: str) -> bytes:
    try:
        return getpass.getpass(question).encode("utf-8", "surrogateescape")
    except (EOFError, KeyboardInterrupt) as error:
        raise click.Abort from error
