"""Runs the examples of a Markdown page, in the order in which a reader meets them.

A block fenced as ``console`` is a transcript: lines after ``$`` are given to bash, and what it
prints must match the lines that follow, where ``...`` stands for anything. A block fenced as
``python`` is written to a file when its first line is a comment with nothing but a path;
otherwise it is run, by the rules of doctest when it has prompts, else by itself. Blocks of a page share one
folder, in which ``samples`` is a copy of ours. Ports 80xx become free ones.
"""

import doctest
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from pathlib import Path
from select import select
from typing import Any, Self

import attrs

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = Path(sys.executable).parent
DEADLINE = 60.0
"""Seconds that one command of a transcript, or the end of a server, may take."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\S+\.(?:rpy|epy|py|css|html))\n")
_PORT = re.compile(r"\b80\d\d\b")
_BUILDS_WEB = re.compile(r"\b(?:mkapp|rundaemon)\b[^;&|]*? web(?=\s|$)")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@attrs.frozen
class Block:
    """A fenced block: its language, its text, and the line of the page where it begins."""

    language: str
    text: str
    line: int


@attrs.frozen
class Step:
    """One command of a transcript, and what it should print."""

    command: str
    printed: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of `page` in these languages, in order."""
    text = page.read_text()
    found = (
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 2)
        for match in _BLOCK.finditer(text)
    )
    return [block for block in found if block.language in languages]


def steps(text: str) -> Iterator[Step]:
    """The commands of a transcript."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        length = 1
        while lines[length - 1].endswith("\\\n"):
            length += 1
        yield Step("".join(lines[:length]).strip(), "".join(lines[length:]))


@attrs.define
class Reader:
    """Somebody who does what a page says, in an empty folder and with a key of their own."""

    folder: Path
    _ports: dict[str, str] = attrs.field(factory=dict[str, str])
    _names: dict[str, Any] = attrs.field(factory=dict[str, Any])
    _exits: ExitStack = attrs.field(factory=ExitStack)

    def __enter__(self) -> Self:
        shutil.copytree(
            ROOT / "samples",
            self.folder / "samples",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        config = self.folder / "samples/config.py"
        config.write_text(self.with_ports(config.read_text()))
        return self

    def __exit__(self, *_: object) -> None:
        for pidfile in self.folder.rglob("*.pid"):
            self.end(pidfile)
        self._exits.close()

    @property
    def environment(self) -> dict[str, str]:
        """What the reader's commands see: the installed commands, and nothing of ours at home."""
        return {
            **os.environ,
            "HOME": str(self.folder),
            "PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}",
            "PERDURE_HOME": str(self.folder / "keys"),
            "COLUMNS": "100",
        }

    def follow(self, page: Path) -> None:
        """Do all that `page` says; AssertionError where something else comes out."""
        for block in blocks(page, "console", "python"):
            where = f"{page.relative_to(ROOT)}:{block.line}"
            if block.language == "console":
                for step in steps(block.text):
                    self.run(step, where)
            else:
                self.write_or_execute(block.text, where)

    def with_ports(self, text: str) -> str:
        """`text` with every port 80xx exchanged for a free one, the same each time."""

        def exchange(match: re.Match[str]) -> str:
            if match[0] not in self._ports:
                # Kept open until the end would be safer, but then no server could bind it.
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    self._ports[match[0]] = str(probe.getsockname()[1])
            return self._ports[match[0]]

        return _PORT.sub(exchange, text)

    def prepare(self, command: str) -> str:
        """`command` as it is run: the default port is spelled out, so that it can be free."""
        if not re.search(r"--(port|listen|help)\b", command):
            command = _BUILDS_WEB.sub(r"\g<0> --port 8080", command)
        return self.with_ports(command)

    def keep(self, server: subprocess.Popen[str]) -> None:
        """See to it that `server` has ended, and its output is closed, before the reader goes."""
        self._exits.enter_context(server)
        self._exits.callback(server.terminate)

    def run(self, step: Step, where: str) -> None:
        """Do one step of a transcript."""
        stopped = re.search(r"kill (?:-9 )?\$\(cat ([^\s)]+\.pid)\)", step.command)
        watch = self._watch(self.folder / stopped[1]) if stopped else None
        done = subprocess.run(
            ["bash", "-c", self.prepare(step.command)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        if watch is not None:
            assert select([watch], [], [], DEADLINE)[0], f"{where}: the server does not stop"
        expected = self.with_ports(step.printed)
        assert doctest.OutputChecker().check_output(expected, done.stdout, _FLAGS), (
            f"{where}: {step.command}\nshould print:\n{expected}\nprinted:\n{done.stdout}"
        )

    def write_or_execute(self, text: str, where: str) -> None:
        """Do what a Python block asks for."""
        text = self.with_ports(text)
        if named := _FILE_NAME.match(text):
            path = self.folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[named.end() :].lstrip("\n"))
            if path.suffix not in (".css", ".html"):
                compile(path.read_text(), where, "exec")
            return
        if ">>> " not in text:
            subprocess.run(
                [sys.executable, "-c", text], cwd=self.folder, env=self.environment, check=True
            )
            return
        with chdir(self.folder):
            test = doctest.DocTestParser().get_doctest(text, self._names, where, where, 0)
            report: list[str] = []
            runner = doctest.DocTestRunner(optionflags=_FLAGS)
            failed = runner.run(test, out=report.append, clear_globs=False).failed
            self._names.update(test.globs)
        assert not failed, "".join(report)

    def end(self, pidfile: Path) -> None:
        """Stop the server of `pidfile`, if one runs."""
        watch = self._watch(pidfile)
        if watch is not None:
            os.kill(int(pidfile.read_text()), 15)
            assert select([watch], [], [], DEADLINE)[0], f"{pidfile}: the server does not stop"

    def _watch(self, pidfile: Path) -> int | None:
        """A descriptor that becomes readable when the process of `pidfile` has ended."""
        try:
            descriptor = os.pidfd_open(int(pidfile.read_text()))
        except (OSError, ValueError):
            return None
        self._exits.callback(os.close, descriptor)
        return descriptor
