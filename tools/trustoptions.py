"""The options of trust: ``--trust-key``, and ``--key`` for what others give to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..persist.standing import TrustedKey


class _KeyFile(click.ParamType["TrustedKey"]):
    name = "file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "TrustedKey":
        # Read at once: a daemon changes its folder, and may lose the right to read it.
        from ..persist.standing import TrustedKey

        return value if isinstance(value, TrustedKey) else TrustedKey.of_file(Path(value))


def trust_key_option(condition: str = "") -> click.Option:
    """``--trust-key FILE``, repeatable: the value is `TrustedKey` records.

    A file that will not do raises `TrustKeyError`.
    """
    said = "hose signatures count as those of a trusted key; its classes need --trust all the same."
    return click.Option(
        ["--trust-key", "trust_keys"],
        multiple=True,
        type=_KeyFile(),
        metavar="FILE",
        help=f"{condition}{'w' if condition else 'W'}{said} FILE has the public key"
        " (see appconvert --key); repeatable.",
    )


def key_option() -> click.Option:
    """``--key``: say this user's public key, and leave."""

    def say(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
        if asked:
            from ..persist.trust import Signer

            click.echo(Signer.of_user().public.hex())
            context.exit()

    return click.Option(
        ["--key"],
        is_flag=True,
        default=False,
        expose_value=False,
        is_eager=True,
        callback=say,
        help="Say this user's public key, for others to name with --trust-key, and leave.",
    )
