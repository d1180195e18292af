"""A process that is killed has lost nothing that it said was secured."""

import subprocess
import sys
from pathlib import Path

import pytest

from perdure.persist.journalreader import JournalReader

KILLED = """
import os, sys, threading
from pathlib import Path
from perdure.persist.journal import Journal
from perdure.persist.journalreader import JournalReader

folder, level = Path(sys.argv[1]), sys.argv[2]
reader = JournalReader(folder, "web", b"")
last = sum(1 for _ in reader.records())
first, carried = reader.resumption(0)
room = threading.Semaphore(20)
told = last

def acknowledge(secured):
    global told
    os.write(1, b"%d\\n" % secured)
    room.release(secured - told)
    told = secured

journal = Journal(
    folder, application="web", first=first, carried=carried, level=level, on_progress=acknowledge
)
while room.acquire():
    last += 1
    journal.append(b"record %d" % last)
    if last % 50 == 0:
        journal.rotate()
"""


@pytest.mark.parametrize("level", ["durable", "relaxed"])
def test_nothing_acknowledged_is_lost_by_kill_9(level: str, tmp_path: Path) -> None:
    place, acknowledged = tmp_path / "web.journal", 0
    for kill in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(place), level], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                lines = [process.stdout.readline() for _ in range(1 + 23 * kill)]
            finally:
                process.kill()
            lines += [line for line in process.stdout if line.endswith(b"\n")]
            acknowledged = int(lines[-1])
        reader = JournalReader(place, "web", b"")
        found = dict(reader.records())
        assert len(found) >= acknowledged > 0
        assert found == {n: b"record %d" % n for n in range(1, len(found) + 1)}
        assert reader.report.damage == ()
