"""``rundaemon --rehearse``: what a start would make of the state, found out without one."""

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress

import attrs

from ..app import privileges
from ..app.beginning import Beginning
from ..app.recovery import begin
from ..app.state import Keeping, LeftOutError, SyntaxKeptError
from ..convert.brief import in_words
from ..persist.errors import PerdureError
from ..persist.overlay import Overlay
from ..persist.store import FolderStore
from . import building, root, throwaway
from .command import complain, notes, say, sentence, status_of
from .server import Prepared, Server
from .storeview import running
from .throwaway import Answer, Tell

_MORE_TRIES = 3
"""How often to begin again, if a server that runs has pruned what was about to be read."""


@attrs.frozen
class Outcome:
    """What came of it: the lines of the report; and why there would be no start, if so.

    `is_moved` says that the files became others meanwhile.
    """

    status: int
    lines: Sequence[str]
    refusal: str | None = None
    is_moved: bool = False


def rehearse(server: Server, limit: float) -> int:
    """Do what a start of `server` does before it serves, in another process; report, and give its status.

    Nothing is started, no port opened, no lock taken, and no file of the state is written, also
    where a server runs on it. A time `limit` is in seconds. Raises `throwaway.CrashError` or
    `throwaway.TimeLimitError`.
    """
    answer, outcome = _answer(server, limit)
    for _ in range(_MORE_TRIES):
        if outcome.is_moved:
            answer, outcome = _answer(server, limit)
    for line in outcome.lines:
        say(line)
    say(f"it took {answer.seconds:.2f} s, and {in_words(answer.memory)} of memory at most")
    say("nothing was started, and its files are as they were")
    if outcome.refusal is not None:
        complain("rundaemon", outcome.refusal)
    return outcome.status


def _answer(server: Server, limit: float) -> tuple[Answer, Outcome]:
    answer = throwaway.run(lambda tell: attrs.asdict(_tried(server, tell)), limit)
    return answer, Outcome(**answer.value)


def _tried(server: Server, tell: Tell) -> Outcome:
    prepared: Prepared | None = None
    seen: list[str] = []
    try:
        tell("loading what is to be run")
        prepared = server.prepare(Overlay())
        store = prepared.store
        if server.chroot:
            store.folder = root.enter(server.chroot, store.folder)
        privileges.drop(prepared.identity)
        store.check_writable()
        seen = _files(store)
        tell("restoring the state")
        with building.explained(prepared.account):
            beginning = begin(
                prepared.application, prepared.built, store, prepared.loader, fresh=server.fresh
            )
        tell("saving it again, in memory")
        saved = tuple(_saved(server, prepared, beginning))
    except Exception as error:  # noqa: BLE001 - it is what a start would say
        if server.debug:
            traceback.print_exc(file=sys.stderr)
        lines = tuple(_refused(prepared, error))
        is_moved = prepared is not None and _is_moved(prepared.store, seen)
        return Outcome(status_of(error), lines, sentence(error), is_moved)
    # What was pruned just then is missing as if it were damaged.
    is_moved = bool(beginning.warnings) and _is_moved(store, seen)
    return Outcome(os.EX_OK, (*_begun(prepared, beginning), *saved), is_moved=is_moved)


def _is_moved(store: FolderStore, seen: list[str]) -> bool:
    return running(store) is not None and seen != _files(store)


def _files(store: FolderStore) -> list[str]:
    """Those that a server which runs may remove: states, and segments of the journal."""
    found: list[str] = []
    for folder in (store.generations_folder, store.journal_folder):
        with suppress(OSError):
            found += os.listdir(folder)
    return sorted(found)


def _begun(prepared: Prepared, beginning: Beginning) -> Iterator[str]:
    yield f"{prepared.application.name} would start: it {beginning.sentence}"
    yield from _beside(prepared)
    for warning in (*prepared.warnings, *beginning.warnings):
        yield f"warning: {warning}"
    yield from prepared.account.lines()
    yield from beginning.returned


def _refused(prepared: Prepared | None, error: BaseException) -> Iterator[str]:
    name = "it" if prepared is None else prepared.application.name
    yield f"{name} would not start"
    if prepared is not None:
        yield from _beside(prepared)
        for warning in prepared.warnings:
            yield f"warning: {warning}"
    yield from notes(error)


def _beside(prepared: Prepared) -> Iterator[str]:
    process = running(prepared.store)
    if process is not None:
        number = f" as process {process}" if process else ""
        yield (
            f"{prepared.application.name} runs{number}, and goes on: what it changes from now on is"
            " not in here, and a start has to wait for its end"
        )


def _saved(server: Server, prepared: Prepared, beginning: Beginning) -> Iterator[str]:
    """Save what would be running, as a stop does, to a disk in memory."""
    keeping = Keeping(beginning, prepared.store, prepared.loader)
    is_copied = beginning.state is not None or server.durability == "checkpoint"
    if beginning.resumption.fresh and is_copied and not server.no_save:
        # As `Keeper.open` does: there is no start without.
        prepared.store.admit(keeping.draft_whole(beginning.sequence))
    begun = time.monotonic()
    try:
        path = keeping.save(beginning.sequence, recorded=server.durability != "checkpoint")
    except (LeftOutError, SyntaxKeptError) as error:
        yield f"warning: at its end it would be saved only in part: {error}"
        return
    except PerdureError as error:
        yield f"warning: it could not be saved again: {error}"
        return
    size = prepared.store.disk.status(path).st_size
    yield (
        f"it can be saved again: {path.name}, {in_words(size)}, in {time.monotonic() - begun:.2f} s"
    )
