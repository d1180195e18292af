"""A command imports what it uses, when it uses it."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cattrs",
    "cryptography",
    "httptools",
    "jinja2",
    "lxml",
    "rich",
    "ssl",
    "uvloop",
    "werkzeug",
    "zstandard",
}


@pytest.mark.parametrize("command", ["appconvert", "appstore", "mkapp", "rundaemon", "websetroot"])
def test_help_imports_nothing_heavy(command: str) -> None:
    script = f"""
import json, sys
from perdure.tools.command import run
from perdure.tools.{command} import COMMAND
run(COMMAND, "{command}", ["--help"])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Usage:" in done.stdout
    assert not HEAVY & set(json.loads(done.stderr))
