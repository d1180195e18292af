"""Programs that are run for each request."""

from pathlib import Path

from perdure.app.web.programs.cgi import (
    CGIDirectory,
    CGILimits,
    CGIProcessor,
    CGIScript,
    CGISettings,
    FilteredScript,
    PHPScript,
)
from perdure.app.web.resource import Resource
from perdure.app.web.static import File

from .case import KindCase

_PROGRAM = """\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s %s' "$PATH_INFO" "${GREETING-}"
"""

_SETTINGS = CGISettings(limits=CGILimits(processes=2), environment={"GREETING": "ahoy"})


def _program(folder: Path, name: str = "program", text: str = _PROGRAM) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def _script(folder: Path) -> Resource:
    return CGIScript(_program(folder), settings=_SETTINGS)


def _directory(folder: Path) -> Resource:
    _program(folder)
    return CGIDirectory(folder, settings=_SETTINGS)


def _filtered(folder: Path) -> Resource:
    return FilteredScript(_program(folder), interpreter="sh")


def _php(folder: Path) -> Resource:
    return PHPScript(_program(folder, text="<?= $_SERVER['PATH_INFO'] ?>"))


def _processed(folder: Path) -> Resource:
    _program(folder, "program.cgi")
    return File(folder, processors={".cgi": CGIProcessor(CGIScript, _SETTINGS)})


CASES = (
    KindCase(CGIScript, _script, "/at/sea ahoy", ("GET /at/sea HTTP/1.1",)),
    KindCase(CGIDirectory, _directory, "/at/sea ahoy", ("GET /program/at/sea HTTP/1.1",)),
    KindCase(FilteredScript, _filtered, "/at/sea", ("GET /at/sea HTTP/1.1",)),
    KindCase(PHPScript, _php, "/at/sea", ("GET /at/sea HTTP/1.1",)),
    KindCase(File, _processed, "/at/sea ahoy", ("GET /program.cgi/at/sea HTTP/1.1",)),
)
