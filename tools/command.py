"""How every command of Perdure reports: one line for a mistake, a status of ``sysexits``."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click
from click.core import ParameterSource

from ..persist.errors import PerdureError
from . import kind as kinds

if TYPE_CHECKING:
    from ..app.service import Service


def run(command: click.Command, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run `command` and return its exit status; a mistake costs one line on standard error.

    With ``--debug`` among the arguments the traceback is shown as well.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        # What the terminal has no letters for is no reason to fail, as it is none on standard error.
        reconfigure(errors="backslashreplace")
    try:
        result = command.main(given, prog_name=program, standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else program
        complain(program, f"{error.format_message()} (see '{path} --help')")
        return os.EX_USAGE
    except click.ClickException as error:
        complain(program, error.format_message())
        return os.EX_USAGE
    except click.Abort:
        complain(program, "interrupted")
        return 130
    except Exception as error:
        if "--debug" in given:
            raise
        return report(program, error)
    return result if isinstance(result, int) else os.EX_OK


def report(program: str, error: BaseException) -> int:
    """Say `error` in one line, after what it notes, and return the exit status it asks for."""
    for note in notes(error):
        complain(program, note)
    complain(program, sentence(error))
    return status_of(error)


def sentence(error: BaseException) -> str:
    """One line for `error`, whatever it is."""
    if isinstance(error, PerdureError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; check the disk, and that the folders named still exist"
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text} (this is a fault of the program; --debug shows where)"


def notes(error: BaseException) -> list[str]:
    """What was found before `error` came, and helps to understand it."""
    return list(getattr(error, "__notes__", ())) if isinstance(error, PerdureError) else []


def status_of(error: BaseException) -> int:
    """The exit status for `error`."""
    if isinstance(error, PerdureError):
        return error.exit_status
    return os.EX_OSERR if isinstance(error, OSError) else os.EX_SOFTWARE


def plain(text: str) -> str:
    """`text`, with escapes for what is not to be seen.

    What a snapshot holds, names of classes too, must not speak to the terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def say(line: str) -> None:
    """Write one line to standard output."""
    click.echo(plain(line))


def complain(program: str, line: str) -> None:
    """Write one line to standard error; nobody listening there is no reason to fail."""
    try:
        print(f"{program}: {plain(line)}", file=sys.stderr, flush=True)
    except OSError:
        return


@attrs.frozen
class Choice:
    """The kind that was asked for, and its options as parsed."""

    name: str
    kind: kinds.Kind
    options: Mapping[str, Any]

    def make(self) -> "Service":
        """The kind's service."""
        return self.kind.make(self.options)


class KindGroup(click.Group):
    """A command whose subcommands are the kinds, each loaded only when it is asked for.

    `shared` are options that may stand before the kind or among the kind's own. The callback of
    the result gets a `Choice`, or None when no kind was named.
    """

    def __init__(self, *args: Any, shared: Sequence[click.Option] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shared = list(shared)
        self.params.extend(self.shared)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the kinds; none is imported."""
        return kinds.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The kind as a command. Raises KindError for a name that is none."""
        kind = kinds.load(cmd_name)

        @click.pass_context
        def choose(context: click.Context, /, **options: Any) -> Choice:
            for option in self.shared:
                name = str(option.name)
                value = options.pop(name)
                if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
                    ctx.params[name] = value
            return Choice(cmd_name, kind, options)

        return SectionedCommand(
            cmd_name,
            params=[*kind.options, *self.shared],
            callback=choose,
            help=kind.summary,
            short_help=kind.summary,
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the kinds; one that cannot be loaded is listed with the reason."""
        rows: list[tuple[str, str]] = []
        for name in kinds.names():
            try:
                rows.append((name, kinds.load(name).summary))
            except PerdureError as error:
                rows.append((name, f"cannot be used: {error}"))
        with formatter.section("Kinds"):
            formatter.write_dl(rows)


class SectionedCommand(click.Command):
    """A command whose help lists options by their sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            # What is no option stands in the first line.
            if record is not None and isinstance(param, click.Option):
                section = param.section if isinstance(param, kinds.Option) else "Options"
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


def debug_option(text: str = "Show the traceback of a failure.") -> click.Option:
    """``--debug``, which `run` looks for."""
    return click.Option(["--debug"], is_flag=True, default=False, help=text)


def version_option() -> click.Option:
    """``--version``: say the version and leave."""

    def say(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
        if asked:
            from importlib.metadata import version

            click.echo(f"perdure {version('perdure')}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        default=False,
        expose_value=False,
        is_eager=True,
        callback=say,
        help="Say the version and leave.",
    )
