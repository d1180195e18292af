"""One run of an application as a process: from the command line to the exit status."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import attrs

from ..app import privileges
from ..app.application import Application
from ..app.keeper import Durability, Keeper, Pace
from ..app.lifecycle import Lifecycle
from ..app.loader import Loaded, Loader
from ..app.logfile import rotate_all
from ..app.privileges import Identity
from ..app.recovery import begin
from ..app.renewal import renew_all
from ..app.state import Keeping
from ..persist import snapshot
from ..persist.account import Account
from ..persist.disk import DISK, Disk
from ..persist.errors import PerdureError
from ..persist.keyring import Keyring
from ..persist.lock import LockedError
from ..persist.standing import TrustedKey
from ..persist.store import GENERATIONS, FolderStore
from ..persist.trust import Signer
from . import building, logs, root, sealkey
from .command import Choice, report, sentence
from .daemon import Announce
from .pidfile import PidFile
from .systemd import Supervisor

_log = logging.getLogger("perdure")

_STOPPING_PATIENCE = 3.0
"""Seconds that another server of the application may take to end, as after ``kill; rundaemon``."""

_LAST_PATIENCE = 10.0
"""Seconds that what is left of the event loop may take once the state is saved."""


@attrs.frozen
class Prepared:
    """What a start has at hand before it touches anything."""

    application: Application
    built: Loaded | None
    loader: Loader
    store: FolderStore
    identity: Identity
    warnings: Sequence[str]
    account: Account


@attrs.frozen(kw_only=True)
class Server:
    """What ``rundaemon`` was asked to run, and how. The fields are its options, paths absolute."""

    choice: Choice | None
    file: Path | None
    python: Path | None
    nodaemon: bool
    pidfile: Path | None
    logfile: str | None
    rundir: Path
    statedir: Path | None
    umask: int | None
    uid: str | None
    gid: str | None
    chroot: Path | None
    fresh: bool
    no_save: bool
    durability: Durability
    checkpoint_every: float
    keep: int
    trust: Sequence[str]
    trust_keys: Sequence[TrustedKey]
    keyring: Keyring
    pythonpath: Sequence[Path]
    debug: bool

    def run(self, announce: Announce) -> int:
        """Run until stopped; returns the exit status once the state is saved.

        `announce` is called when everything runs, with what there is to warn of. Raises what made a
        start impossible.
        """
        # Until there is something to save or to rotate: what asks for that must not end the start.
        for number in (signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        prepared = self.prepare()
        application, store = prepared.application, prepared.store
        log = "-" if self._on_terminal else self.logfile or f"{application.name}.log"
        logs.start(log, debug=self.debug)
        for warning in prepared.warnings:
            _log.warning("%s", warning)
        if prepared.built and prepared.built.own:
            _log.info("%s is %s", prepared.built.path, prepared.built.standing.said)
        privileges.check_as(prepared.identity, store.check_writable)
        pidfile = self.pidfile or self.rundir / f"{application.name}.pid"
        with ExitStack() as held:
            held.enter_context(_locked(store))
            store.stay_sealed()
            held.enter_context(PidFile(pidfile))
            supervisor = Supervisor.of_environment()
            if self.chroot:
                store.folder = root.enter(self.chroot, store.folder)
            return self._serve(prepared, announce, supervisor)

    def prepare(self, disk: Disk = DISK) -> Prepared:
        """What there is to run, read and resolved in the folder it runs in; nothing is written.

        Raises what makes a start impossible already.
        """
        os.chdir(self.rundir)
        folders = [str(folder) for folder in self.pythonpath]
        loader = Loader(Signer.of_user(), self.trust, folders, self.trust_keys, self.keyring)
        account = Account()
        with building.explained(account):
            application, built = self._blueprint(loader)
        process = application.process = building.overridden(
            application.process, uid=self.uid, gid=self.gid, umask=self.umask
        )
        if process.umask is not None or not self.nodaemon:
            os.umask(0o077 if process.umask is None else process.umask)
        folder = self._state_folder(application.name)
        store = FolderStore(folder, application.name, keep=self.keep, disk=disk)
        warnings: list[str] = []
        store.keyring = self.keyring
        if built:
            store.syntax, store.seal = built.syntax, built.seal
            if not built.own:
                warnings.append(
                    f"{built.path} is not this user's work ({built.standing.said}); it may do what"
                    " --trust allows"
                )
        identity = privileges.resolve(process)
        return Prepared(application, built, loader, store, identity, tuple(warnings), account)

    def unlock_first(self) -> None:
        """Open all that is sealed and will be wanted, asking if need be. Raises UnlockError."""
        name = self.choice.name if self.choice else None
        passport = None
        with suppress(PerdureError):
            passport = snapshot.peek(self.file) if self.file else None
        name = passport.application if passport else name
        folder = self._state_folder(name) if name else self.rundir
        sealkey.unlock_first(self.keyring, self.file, folder, name)
        self.keyring.ask = None

    @property
    def _on_terminal(self) -> bool:
        """Whether the log is what the terminal shows: nothing need be said there twice."""
        return self.logfile == "-" or (self.nodaemon and self.logfile is None)

    def _state_folder(self, name: str) -> Path:
        if self.statedir:
            return self.statedir
        folder = self.file.parent if self.file else self.rundir
        # An older state is run from among the generations, but belongs to what is above them.
        return folder.parent if folder.name == GENERATIONS.format(name) else folder

    def _blueprint(self, loader: Loader) -> tuple[Application, Loaded | None]:
        if self.file:
            built = loader.load(self.file)
            return built.application, built
        if self.python:
            return building.from_file(self.python), None
        assert self.choice is not None
        return building.from_choice(self.choice), None

    def _serve(self, prepared: Prepared, announce: Announce, supervisor: Supervisor) -> int:
        application, store, loader = prepared.application, prepared.store, prepared.loader
        notices = [f"warning: {warning}" for warning in prepared.warnings]
        keeper: Keeper | None = None

        def settle() -> None:
            nonlocal keeper
            privileges.drop(prepared.identity)
            store.check_writable()
            with building.explained(prepared.account):
                beginning = begin(application, prepared.built, store, loader, fresh=self.fresh)
            _log.info("%s %s", application.name, beginning.sentence)
            for line in prepared.account.lines():
                notices.append(line)
                _log.info("%s", line)
            if beginning.is_recovery:
                notices.append(f"{application.name} {beginning.sentence}")
            for line in beginning.returned:
                notices.append(line)
                _log.info("%s", line)
            for warning in beginning.warnings:
                notices.append(f"warning: {warning}")
                _log.warning("%s", warning)
            keeper = Keeper(
                Keeping(beginning, store, loader),
                durability=None if self.no_save else self.durability,
                pace=Pace(seconds=60 * self.checkpoint_every),
            )
            keeper.open()

        def ready() -> None:
            line = f"{application.name} runs as process {os.getpid()}"
            if where := ", ".join(building.addresses(application.services)):
                line = f"{line} at {where}"
            _log.info("%s", line)
            if keeper:
                keeper.start()
            if not self._on_terminal:
                announce(os.EX_OK, line, notices)
            supervisor.tell("READY=1", f"MAINPID={os.getpid()}")

        def save() -> None:
            if keeper and not self.no_save:
                _log.info("%s is saved in %s", application.name, keeper.save())

        async def run() -> None:
            def want_checkpoint() -> None:
                if keeper:
                    keeper.want_checkpoint()

            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, want_checkpoint)
            try:
                await _supervised(lifecycle, supervisor)
            finally:
                if keeper:
                    await keeper.close()

        async def rest() -> None:
            if keeper:
                await keeper.quiesce()

        lifecycle = Lifecycle(application, settle, ready, save, rest=rest)
        failure: Exception | None = None
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            try:
                runner.run(run())
            except Exception as error:  # noqa: BLE001 raised again when the loop is gone
                failure = error
                if not self._on_terminal:
                    _log.error("%s", sentence(error), exc_info=error if self.debug else None)
            # What could be saved is saved: a task that will not end must not keep the process.
            last = threading.Timer(_LAST_PATIENCE, _leave, [failure])
            last.daemon = True
            last.start()
        last.cancel()
        if failure is not None:
            raise failure
        return os.EX_OK


def _locked(store: FolderStore) -> FolderStore:
    """Take the lock; the server that is stopping just now gets the time to."""
    deadline = time.monotonic() + _STOPPING_PATIENCE
    while True:
        try:
            return store.lock()
        except LockedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _leave(failure: Exception | None) -> None:
    os._exit(report("rundaemon", failure) if failure else os.EX_OK)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _supervised(lifecycle: Lifecycle, supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        supervisor.tell("STOPPING=1")
        lifecycle.stop(force=number == signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, _hang_up)
    pulse = asyncio.create_task(_pulse(supervisor))
    try:
        await lifecycle.run()
    finally:
        pulse.cancel()


def _hang_up() -> None:
    rotate_all()
    renew_all()


async def _pulse(supervisor: Supervisor) -> None:
    while supervisor.interval is not None:
        supervisor.tell("WATCHDOG=1")
        await asyncio.sleep(supervisor.interval)
