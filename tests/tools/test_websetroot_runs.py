"""``websetroot`` between runs: what is served then, and that nothing is lost."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from .conftest import Workshop
from .websites import SYNTAXES, named
from .websites import site as made

NEW_PAGE = """from visits import Counter

from perdure.app.web.resource import Resource

counter = registry.get_component(Counter, default=Counter)


class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        return f"new page, {counter.get_value()} visits"


resource = Page()
"""


def test_the_next_start_serves_the_new_root_with_the_state_of_before(
    workshop: Workshop, site: Path
) -> None:
    """In each syntax: that of a state where the state is run, that of a blueprint where that is."""
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    assert "visitor 1" in server.get("counter.rpy")
    assert server.stop().status == 0
    (workshop.folder / "new.rpy").write_text(NEW_PAGE)
    signer = Signer.of_user(Path(workshop.environment["PERDURE_HOME"]))
    for syntax in SYNTAXES:
        folder = workshop.folder / syntax
        folder.mkdir()
        for name in ("web-shutdown", "web"):
            found = snapshot.read(workshop.folder / f"{name}.snap")
            file = folder / named(name, syntax)
            snapshot.put(file, found.passport, found.content, table.by_name(syntax), signer)
            done = workshop.run("websetroot", file, "--resource-script", "new.rpy")
            assert (done.status, done.err) == (0, ""), done
            server = workshop.start("-f", file)
            assert server.get("/") == "new page, 1 visits"
            assert server.stop().status == 0


def test_what_came_after_a_state_is_not_lost(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    assert "visitor 1" in server.get("counter.rpy")
    server.stop()
    server = workshop.start("-f", "web.snap")
    assert "visitor 2" in server.get("counter.rpy")
    # What runs is not disturbed, and its blueprint may be changed.
    running = workshop.run("websetroot", "web-shutdown.snap", "--path", site, "--dry-run")
    assert (running.status, running.err.count("\n")) == (os.EX_TEMPFAIL, 1)
    assert str(server.process.pid) in running.err
    assert workshop.run("websetroot", "web.snap", "--path", site).status == 0
    server.stop(signal.SIGKILL)
    result = workshop.run("websetroot", "web-shutdown.snap", "--path", site)
    assert (result.status, result.err.count("\n")) == (os.EX_TEMPFAIL, 1), result
    assert "the journal has 1 change that came after it" in result.err
    server = workshop.start("-f", "web.snap")
    assert "visitor 3" in server.get("counter.rpy")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="perdure-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_changes_a_state_as_the_user_that_the_server_became(open_folder: Path) -> None:
    signer = Signer.of_user(open_folder / "home")
    folder = open_folder / "state"
    store = FolderStore(folder, "web")
    folder.mkdir()
    store.save(Application("web", services=ServiceCollection([made("web")])), signer=signer)
    for path in (folder, store.shutdown_path):
        os.chown(path, 65534, 65534)
    environment = {**os.environ, "PERDURE_HOME": str(open_folder / "home")}
    workshop = Workshop(open_folder, environment)
    done = workshop.run("websetroot", store.shutdown_path, "--users")
    assert done.status == 0, done
    for path in (store.shutdown_path, *store.generations()):
        assert path.stat().st_uid == 65534
        assert snapshot.read(path).is_signed_by(signer)
