"""The base of every error Perdure raises."""

import os
from typing import ClassVar


class PerdureError(Exception):
    """Something went wrong that a person can act on.

    A subclass carries its facts as attributes; ``str()`` of it is one line that says what was
    expected, what came, where, and the way out. The command line prints that line and leaves
    with `exit_status`, a number of ``sysexits.h``.
    """

    exit_status: ClassVar[int] = os.EX_SOFTWARE
