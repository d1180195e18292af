"""Scripts as modules: each has a name of its own, by which its classes are found again.

The module of ``/srv/site/counter.rpy`` is called ``script/srv/site/counter%2Erpy``: no other way of
importing makes a name with a slash in it, and the dot would mean a package. A snapshot names
classes by their modules, so a new process imports such names: `install` makes that work.
"""

import grp
import os
import pwd
import stat
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote

import attrs

from ....persist.errors import PerdureError
from ....persist.modules import add_folders
from ...registry import Registry
from .scriptclasses import follow

_PREFIX: Final = "script/"
_folders: dict[str, None] = {}


@attrs.define(str=False)
class ScriptError(PerdureError):
    """A script failed at `line` of `path` (0: before its first), for `reason`."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}: {self.reason}"
            if self.line
            else f"{self.path}: {self.reason}"
        )


@attrs.define(str=False)
class UnsafeScriptError(PerdureError):
    """The script or module at `path` is not run, because others could have written it."""

    exit_status: ClassVar[int] = os.EX_NOPERM
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} is not run: {self.reason}; {self.remedy}"


def module_name(path: str) -> str:
    """The name of the module of the script at the absolute `path`."""
    return _PREFIX + quote(os.fsencode(path[1:])).replace(".", "%2E")


def script_path(name: str) -> str | None:
    """The path of the script whose module is called `name`; None if it is no script's."""
    if not name.startswith(_PREFIX):
        return None
    return "/" + unquote(name.removeprefix(_PREFIX), errors="surrogateescape")


def script_folders() -> tuple[str, ...]:
    """The folders of the scripts that ran so far, where modules beside them are found."""
    return tuple(_folders)


def add_script_folder(path: str) -> None:
    """From now on modules beside the script at `path` are found, by everybody."""
    folder = os.path.dirname(path)
    add_folders([folder])
    _folders[folder] = None


def page_module(path: str) -> str:
    """The name of the module of the page script at `path`: one that is there, and stays empty.

    So objects of classes that such a script defines, which are others at every run, are refused when
    they are saved.
    """
    name = f"page{path}"
    if name not in sys.modules:
        sys.modules[name] = ModuleType(name)
    return name


def run_script(path: str, registry: Registry) -> ModuleType:
    """Runs the script at the absolute `path`, which has no symbolic links; its module.

    The script finds ``registry`` and ``__file__`` among its names. Modules beside it can be
    imported, by it and from then on by everybody. When it ran before, what it defines now takes the
    place of what it defined then (see `follow`); if it fails, what it defined then stays.

    Raises `UnsafeScriptError`, and `ScriptError` for anything that goes wrong in it.
    """
    name = module_name(path)
    loader = ScriptLoader(path, registry)
    module = module_from_spec(loader.spec(name))
    former = sys.modules.get(name)
    # Decorators look their class's module up while it is being made.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        if former is None:
            del sys.modules[name]
        else:
            sys.modules[name] = former
        raise
    if former is not None:
        before = former.__loader__
        same = (
            isinstance(before, ScriptLoader)
            and before.source == loader.source
            and before.registry is registry
        )
        follow(former, module, with_instances=not same)
    return module


@attrs.define(eq=False)
class ScriptLoader(Loader):
    """Runs one script as a module; `source` is then what it ran."""

    path: str
    registry: Registry
    source: bytes = b""

    def spec(self, name: str) -> ModuleSpec:
        """The specification of the module, by which the import system knows it."""
        spec = ModuleSpec(name, self, origin=self.path)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.source = read_script(self.path)
        except OSError as error:
            raise ScriptError(self.path, 0, error.strerror or str(error)) from error
        add_script_folder(self.path)
        names: dict[str, Any] = module.__dict__
        names["registry"] = self.registry
        try:
            code = compile(self.source, self.path, "exec", dont_inherit=True)
            exec(code, names)  # noqa: S102 - what a script is for; `read_script` says whose
        except (ScriptError, UnsafeScriptError):
            raise
        except (Exception, SystemExit) as error:
            raise failure(self.path, error) from error


class ScriptFinder(MetaPathFinder):
    """Lets the modules of scripts be imported by their names.

    A script imported so, for a class that a snapshot names, finds an empty registry: the application's
    is still being restored. It runs again with that one when it is first asked for.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        script = script_path(fullname)
        if script is None:
            return None
        # If there is no such file, the loader says so better than the import system does.
        return ScriptLoader(script, Registry()).spec(fullname)


def install() -> None:
    """Makes the modules of scripts importable in this process; a second call changes nothing."""
    if not any(isinstance(finder, ScriptFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ScriptFinder())


def read_script(path: str) -> bytes:
    """The source of a script that may be run. Raises `UnsafeScriptError` and `OSError`.

    It may, if root or the user of this process owns it, its folder and every module beside it,
    nobody else can write to any of these, and nobody else can put another folder in the place of
    its own. What is in packages beside it is for their owner to keep safe.
    """
    # The very file that was looked at is read, whatever its name leads to by then.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        check_owners(path, os.fstat(file.fileno()))
        _check_modules(os.path.dirname(path))
        return file.read()


def check_owners(path: str, status: os.stat_result) -> None:
    """Raises `UnsafeScriptError` unless this user or root alone has put what is at `path` there.

    What others could write, or put in its place, is run no more than what is theirs. `path` is
    absolute and has no symbolic links; `status` is that of the open file.
    """
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeScriptError(path, "it is no regular file", "put a script there")
    _check_writers(path, status)
    _check_folders(path)


def check_program(path: str) -> None:
    """Raises `UnsafeScriptError` if others could have written the program at `path`, and `OSError`.

    As for scripts: its folder, and whoever may replace that, count too. `path` has no symbolic links.
    """
    _check_writers(path, os.stat(path))
    _check_folders(path)


def _check_writers(path: str, status: os.stat_result) -> None:
    """Raises `UnsafeScriptError` if others could have written the file at `path`."""
    if not _is_ours(status):
        raise UnsafeScriptError(
            path,
            f"it belongs to user {status.st_uid}, this server runs as {os.geteuid()}",
            f"only what that user or root owns is run: chown {os.geteuid()} {path}",
        )
    if _has_other_writers(status):
        reason = f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
        raise UnsafeScriptError(path, reason, f"chmod go-w {path}")


def _check_folders(path: str) -> None:
    """Raises `UnsafeScriptError` if others could put files beside the script, or move its folder."""
    folder = os.path.dirname(path)
    status = os.stat(folder)
    if not _is_ours(status):
        raise UnsafeScriptError(
            path,
            f"its folder belongs to user {status.st_uid}, this server runs as {os.geteuid()}",
            f"chown {os.geteuid()} {folder}",
        )
    # A sticky bit keeps others from replacing the script, not from adding a module that it imports.
    if _has_other_writers(status):
        mode = stat.S_IMODE(status.st_mode)
        reason = f"others may put files beside it (its folder has mode {mode:04o})"
        raise UnsafeScriptError(path, reason, f"chmod go-w {folder}")
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        mode = os.stat(folder).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            reason = f"anyone may replace its folder ({folder} has mode {stat.S_IMODE(mode):04o})"
            raise UnsafeScriptError(path, reason, f"chmod o-w {folder}")


def _check_modules(folder: str) -> None:
    """Raises `UnsafeScriptError` for a module in `folder` that others could have written."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py") and entry.is_file():
                _check_writers(entry.path, entry.stat())


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


def _has_other_writers(status: os.stat_result) -> bool:
    by_group = status.st_mode & stat.S_IWGRP and is_shared_group(status.st_uid, status.st_gid)
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def is_shared_group(uid: int, gid: int) -> bool:
    """Whether others than the user `uid` may be in the group `gid`.

    Many systems give each user a group of the same name and let what they make be writable by it.
    Root has none such: members of its group are members for a reason.
    """
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return True
    alone = user.pw_gid == gid and user.pw_name == group.gr_name
    return not (uid and alone and set(group.gr_mem) <= {user.pw_name})


def failure(path: str, error: BaseException) -> ScriptError:
    """`error`, which the script at `path` raised, with the line where it came up."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == path:
        line = error.lineno or 0
        return ScriptError(path, line, f"{type(error).__name__}: {error.msg}")
    if isinstance(error, SystemExit):
        return ScriptError(path, line, "it called for the end of the process (SystemExit)")
    if isinstance(error, PerdureError):
        return ScriptError(path, line, str(error))
    return ScriptError(path, line, f"{type(error).__name__}: {error}")
