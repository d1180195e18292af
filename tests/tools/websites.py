"""Snapshots with sites, made in this process, and ``websetroot`` run in it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.loader import Loader
from perdure.app.service import Service
from perdure.app.web.data import Data
from perdure.app.web.scripts import pickled, scriptmodule
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.passport import Holds
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer
from perdure.tools.command import run
from perdure.tools.sites import web_services
from perdure.tools.websetroot import COMMAND

from .conftest import Result

SYNTAXES = list(table.SUFFIXES)
MODULES = ("/srv/modules",)


def named(name: str, syntax: str) -> str:
    return f"{name}{table.EXTENSION}{table.SUFFIXES[syntax]}"


def site(name: str | None, *endpoints: str, text: str = "first") -> WebService:
    """A service that shows `text`."""
    found = [parse_endpoint(each) for each in endpoints]
    return WebService(Site(Data(text, "text/plain"), log="access.log"), found, name=name)


@attrs.frozen
class Desk:
    """A folder with snapshots; `www` in it has a page."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def at(
        cls, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Self:
        """In a folder of its own, for a user of its own."""
        folder = place / "work"
        (folder / "www").mkdir(parents=True)
        (folder / "www" / "index.html").write_text("second")
        monkeypatch.setenv("PERDURE_HOME", str(place / "home"))
        monkeypatch.chdir(folder)
        # What this process was told to believe before is of another user.
        monkeypatch.setattr(pickled, "_trust", None)
        monkeypatch.setattr(scriptmodule, "_folders", {})
        return cls(folder, capsys)

    def write(
        self,
        name: str = "web.snap",
        *services: Service,
        holds: Holds = "blueprint",
        signer: Signer | None = None,
    ) -> Path:
        """A snapshot of an application with these services, else with one site."""
        path = self.folder / name
        snapshot.write(
            path,
            self.application(*services),
            application="web",
            holds=holds,
            paths=MODULES,
            signer=signer or Signer.of_user(),
            syntax=table.split(name)[1],
        )
        return path

    def application(self, *services: Service) -> Application:
        """One with these services, else with one site."""
        there = services or (site("web", "tcp:8080:interface=127.0.0.1"),)
        return Application("web", services=ServiceCollection(there), paths=[*MODULES])

    def state(self, syntax: str = "pickle", sequence: int = 0) -> Path:
        """The state of a stopped application, with one before it."""
        store = self.store(syntax)
        with store.lock():
            for _ in range(2):
                store.save(self.application(), sequence=sequence, signer=Signer.of_user())
        return store.shutdown_path

    def store(self, syntax: str = "pickle") -> FolderStore:
        """That of the application."""
        return FolderStore(self.folder, "web", syntax=syntax)

    def run(self, *words: object) -> Result:
        """Run the command; what it writes is taken."""
        self.capsys.readouterr()
        status = run(COMMAND, "websetroot", [str(word) for word in words])
        said = self.capsys.readouterr()
        return Result(status, said.out, said.err)

    def done(self, *words: object) -> str:
        """Run the command, which must succeed; gives what it says."""
        result = self.run(*words)
        assert (result.status, result.err) == (0, ""), result
        return result.out

    def contents(self) -> dict[str, bytes]:
        """All files, by their paths; of which lock files are not the matter."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".lock"
        }

    def roots(self, path: Path | str, trusted: Sequence[str] = ()) -> list[str]:
        """The roots of the sites in a snapshot: what they show, or the folder they serve."""
        loaded = Loader(Signer.of_user(), trusted).load(self.folder / path)
        roots = [each.site.resource for each in web_services(loaded.application.services)]
        return [
            str(each.body) if isinstance(each, Data) else os.path.basename(vars(each)["path"])
            for each in roots
        ]
