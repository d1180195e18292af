"""A passport for snapshots that are made by hand."""

from typing import Final

from perdure.persist.passport import Passport

PASSPORT: Final = Passport(
    format=1,
    application="web",
    holds="state",
    written="2026-11-21T05:47:19Z",
    writer="perdure 0.1.0",
    python="3.11.7",
)
