"""The tree of a snapshot on a terminal, in colours."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from ..convert.tree import Line
from .command import plain


def show(lines: Iterable[Line]) -> None:
    """Print the lines, each cut at the width of the terminal."""
    console = Console(highlight=False)
    for line in lines:
        text = Text()
        text.append(line.guides, style="dim")
        if line.name:
            text.append(plain(line.name), style="bold cyan")
            text.append(": " if line.text else "", style="dim")
        text.append(plain(line.text))
        if line.note:
            text.append(f"  ({line.note})", style="dim")
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)
