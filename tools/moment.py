"""A time as a person gives it to a command: ISO 8601, or how long ago."""

import re
import time
from datetime import datetime
from typing import Any, Final

import click

_AGO: Final = re.compile(r"(\d{1,9}) *(second|minute|hour|day|week)s? ago")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


class Moment(click.ParamType[float]):
    """Seconds since 1970. A time without a zone is in the zone of this machine."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        if ago := _AGO.fullmatch(text):
            return time.time() - int(ago[1]) * _SECONDS[ago[2]]
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"expected a time such as 2026-11-21T12:30, 2026-11-21T12:30:00Z or"
                f" '10 minutes ago', got {value!r:.60}",
                param,
                ctx,
            )
