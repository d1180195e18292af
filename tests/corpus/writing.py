"""Writes a set of the corpus: an application of each kind, run, killed and stopped by the commands."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import httpx2

from perdure.app.records import read_turn
from perdure.persist.formats import table
from perdure.persist.frames import journal_key
from perdure.persist.keyring import Keyring, passphrase
from perdure.persist.store import FolderStore
from perdure.persist.trust import KEY_FILE, Signer
from perdure.tools import kind

CORPUS = Path(__file__).parent
TEMPLATE = CORPUS / "template"
COMMANDS = Path(sys.executable).parent

WORKSHOP = Path("/tmp/perdure-corpus")
"""Snapshots have folders in them: of these nobody's name is to be read."""

OPTIONS = {"web": ["--path", "site", "--port", "0", "--add-header", "X-Corpus: yes"]}
"""What a kind has to be told; one that is not listed is built as it is."""

PASSPHRASE = "half tide rock"
"""That of what is sealed; public, as the key is."""

GOING = "wreck.py"
"""The module that is gone where something is parked."""

RUN = "web"
"""The kind that can be asked for pages, and so has a state of every sort."""


@attrs.define
class ReleasedError(Exception):
    """There is a set of this release: it is what was, and is never written anew."""

    folder: Path

    def __str__(self) -> str:
        return f"{self.folder} is there, and is never written again; name another version"


@attrs.define
class Writer:
    """Writes the set in `target`, working in `folder`."""

    target: Path
    folder: Path
    cases: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])

    def write(self) -> None:
        """Write all of it."""
        site = self.folder / "site"
        shutil.copytree(TEMPLATE, site)
        shutil.copytree(TEMPLATE, self.target / "site", ignore=shutil.ignore_patterns(GOING))
        for syntax in table.SUFFIXES:
            for name in kind.names():
                self._build(name, syntax)
                self._build(name, syntax, sealed=True)
            self._run(syntax)
            self._run(syntax, sealed=True)
        for syntax in table.SUFFIXES:
            self._park(syntax)
        manifest = {
            "perdure": version("perdure"),
            "python": platform.python_version(),
            "passphrase": PASSPHRASE,
            "cases": self.cases,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True)
        (self.target / "manifest.json").write_text(f"{text}\n")

    def command(self, name: str, *arguments: str, folder: Path | None = None) -> None:
        """Run a command, which must succeed."""
        subprocess.run(
            [COMMANDS / name, *arguments],
            cwd=folder or self.folder,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @property
    def environment(self) -> dict[str, str]:
        """That of the commands: with the key of the corpus, and what describes a state."""
        return {
            **os.environ,
            "PERDURE_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(CORPUS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PERDURE_PASSPHRASE": PASSPHRASE,
        }

    def _build(self, name: str, syntax: str, *, sealed: bool = False) -> None:
        """A blueprint of a kind."""
        file = f"{name}{table.EXTENSION}{table.SUFFIXES[syntax]}"
        seal = ["--seal"] if sealed else []
        self.command("mkapp", name, *OPTIONS.get(name, []), *seal, "-o", file)
        label = f"sealed-{syntax}" if sealed else syntax
        self._keep(f"{name}-blueprint-{label}", [file], file, {"kind": name})
        (self.folder / file).unlink()

    def _made(self, label: str, syntax: str, *options: str) -> tuple[Path, str]:
        """A folder with a blueprint in it, and the name of that."""
        folder = self.folder / label
        folder.mkdir()
        file = f"harbour{table.EXTENSION}{table.SUFFIXES[syntax]}"
        self.command("mkapp", RUN, *OPTIONS[RUN], *options, "-o", f"{label}/{file}")
        return folder, file

    def _park(self, syntax: str) -> None:
        label = f"parked-{syntax}"
        folder, file = self._made(label, syntax)
        with self._served(folder, file) as (get, server):
            get("first")
            get("sink")
            server.terminate()
        (self.folder / "site" / GOING).unlink()
        with self._served(folder, file) as (get, server):
            get("third")
            state = get("")
            server.terminate()
        shutil.copy(TEMPLATE / GOING, self.folder / "site")
        stopped = file.replace(table.EXTENSION, f"-shutdown{table.EXTENSION}")
        found = {"kind": RUN, "state": state}
        self._keep(label, [f"{label}/{each}" for each in (file, stopped)], file, found)

    def _run(self, syntax: str, *, sealed: bool = False) -> None:
        label = f"sealed-{syntax}" if sealed else syntax
        folder, file = self._made(label, syntax, *(["--seal"] if sealed else []))
        others = ["harbour.generations", "harbour.journal"]

        def keep(name: str, files: Sequence[str], start: str, state: Any) -> None:
            self._keep(
                f"{name}-{label}",
                [f"{label}/{each}" for each in files],
                start,
                {"kind": RUN, "state": state},
            )

        with self._served(folder, file) as (get, server):
            get("first")
            if label == "pickle":
                # In any syntax it is the same: binary.
                keep("journal", [file, others[1]], file, get(""))
            server.send_signal(signal.SIGUSR1)
            _wait_for(lambda: list(folder.glob("harbour.generations/*.snap")))
            get("second")
            state = get("")
            server.kill()
        keep("crash", [file, *others], file, state)
        with self._served(folder, file) as (get, server):
            get("third")
            state = get("")
            server.terminate()
        stopped = file.replace(table.EXTENSION, f"-shutdown{table.EXTENSION}")
        keep("stop", [file, stopped], file, state)

    @contextmanager
    def _served(
        self, folder: Path, file: str
    ) -> Generator[tuple[Callable[[str], Any], "subprocess.Popen[str]"]]:
        """A server, and what asks it for a page."""
        with (
            subprocess.Popen(
                [COMMANDS / "rundaemon", "-n", "-f", file, "--keep", "1"],
                cwd=folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                text=True,
            ) as server,
            httpx2.Client() as client,
        ):
            assert server.stdout is not None
            line = next(line for line in server.stdout if "runs as process" in line)
            found = re.search(r"http://\S+", line)
            assert found is not None

            def get(step: str) -> Any:
                reply = client.get(f"{found[0]}page.rpy?{step}", cookies=self._cookies)
                assert reply.status_code == 200, reply.text
                self._cookies.update(reply.cookies)
                return None if step else reply.json()

            yield get, server

    _cookies: dict[str, str] = attrs.field(factory=dict[str, str], init=False)

    def _keep(self, name: str, files: Sequence[str], start: str, found: dict[str, Any]) -> None:
        """Make a case of the `files`, of which `start` is the one to be run."""
        case = self.target / name
        case.mkdir()
        for file in files:
            source = self.folder / file
            if source.is_dir():
                shutil.copytree(source, case / source.name)
            else:
                shutil.copy(source, case)
        for segment in case.glob("*.journal/*.log"):
            # It is made longer than it is, so that it need not grow all the time.
            segment.write_bytes(segment.read_bytes().rstrip(b"\0"))
        state = found.pop("state", None)
        if state is not None:
            (case / "expected.json").write_text(f"{json.dumps(state)}\n")
            found["records"] = self._entries(case)
        found |= {"name": name, "start": start}
        self.cases.append(found)

    def _entries(self, case: Path) -> list[str]:
        """The kinds of entries that the journal of a case has, sorted; none without a journal."""
        folder = case / "harbour.journal"
        if not folder.exists():
            return []
        signer, ring = (
            Signer.of_user(self.folder / "home"),
            Keyring([passphrase(PASSPHRASE.encode())]),
        )
        store = FolderStore(case, "harbour")
        store.keyring = ring
        kinds = {
            entry[1]
            for number, payload in store.records(journal_key(signer)).records()
            for entry in read_turn(number, payload).entries
        }
        return sorted(kinds)


def write(release: str) -> Path:
    """Write the set of `release`; returns its folder. Raises `ReleasedError` if there is one."""
    target = CORPUS / "releases" / release
    if target.exists():
        raise ReleasedError(target)
    WORKSHOP.mkdir(mode=0o700)
    try:
        home = WORKSHOP / "home"
        home.mkdir(mode=0o700)
        shutil.copy(CORPUS / KEY_FILE, home)
        (home / KEY_FILE).chmod(0o600)
        target.parent.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            Writer(draft, WORKSHOP).write()
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    finally:
        shutil.rmtree(WORKSHOP)
    return target


def _wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)
