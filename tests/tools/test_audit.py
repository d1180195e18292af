"""``appconvert --audit``, of a snapshot and of a journal, in a process that must import nothing."""

import os
from pathlib import Path

import attrs

from .conftest import Workshop

EX_NOPERM, EX_DATAERR, EX_NOINPUT, USAGE = 77, 65, 66, 64


def test_an_audit_of_state_and_journal_imports_nothing(
    workshop: Workshop, site: Path, tmp_path: Path
) -> None:
    workshop.mkapp("web", "--path", "site", "--listen", "tcp:0:interface=127.0.0.1")
    running = workshop.start("-f", "web.snap")
    running.get("counter.rpy")
    running.get("counter.rpy")
    journal = workshop.run("appconvert", "--audit", "web.journal")
    assert journal.status == 0, journal
    assert "signed by you" in journal.out
    assert "visits\n    Counter: allowed, as you have signed it" in journal.out
    running.stop()
    # From here on whoever imports it leaves a trace.
    (workshop.folder / "site" / "visits.py").write_text(
        "open('canary', 'w')\nclass Counter: pass\n"
    )
    trap = {**workshop.environment, "PYTHONPATH": str(workshop.folder / "site")}
    stranger = attrs.evolve(
        workshop, environment={**trap, "PERDURE_HOME": str(tmp_path / "stranger")}
    )
    own = attrs.evolve(workshop, environment=trap).run("appconvert", "--audit", "web-shutdown.snap")
    assert own.status == 0, own
    assert "\nsigned by you\n" in own.out
    found = stranger.run("appconvert", "--audit", "web-shutdown.snap")
    assert found.status == EX_NOPERM
    assert "unsigned: signed by somebody else" in found.out
    assert "visits\n    Counter: REFUSED; an object is made" in found.out
    assert "--trust perdure.app.web.script --trust visits" in found.out
    trusted = stranger.run(
        "appconvert", "--audit", "web-shutdown.snap",
        "--trust", "visits", "--trust", "perdure.app.web.script", "--pythonpath", "site",
    )  # fmt: skip
    assert trusted.status == 0, trusted
    assert "Counter: allowed by --trust" in trusted.out
    assert "canary" not in os.listdir(workshop.folder)


def test_bad_input_costs_one_line(workshop: Workshop) -> None:
    (workshop.folder / "text").write_text("a text")
    (workshop.folder / "web.journal").mkdir()
    for name, status in (
        ("missing", EX_NOINPUT),
        ("text", EX_DATAERR),
        ("web.journal", EX_NOINPUT),
    ):
        result = workshop.run("appconvert", "--audit", name)
        assert result.status == status, result
        assert result.err.count("\n") == 1
        assert result.err.startswith(f"appconvert: {name}")
    result = workshop.run("appconvert", "--audit", "--force", "text")
    assert result.status == USAGE
    assert "--force does not go with --audit" in result.err
