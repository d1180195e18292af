"""Rewriting: another path than the one that was asked for, by rules that are data.

A rule changes where the walk goes, and nothing else: ``request.path`` and the address that the
client sees stay as they are, as does the query.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import attrs

from ..errors import HTTPError
from ..resource import Resource, Wrapper
from ..setting import SettingError

if TYPE_CHECKING:
    from ..request import Request

_LONGEST: Final = 1000
"""Characters of a path that a regular expression is tried on: a bad one takes time for each."""


class RuleError(SettingError):
    """A rule cannot be as it was described."""

    subject: ClassVar[str] = "rewriting "


class Rule(Protocol):
    """One rule. Its objects are saved with the application, so they are records and no closures."""

    @property
    def last(self) -> bool:
        """Whether no further rule is tried when this one matches."""
        ...

    def rewritten(self, segments: Sequence[str]) -> Sequence[str] | None:
        """What the decoded `segments` of a path become; None if this rule does not match them."""
        ...


@attrs.frozen
class TildeToUsers:
    """``/~name/page`` becomes ``/users/name/page``; `folder` is the segment put in front."""

    folder: str = "users"
    last: bool = attrs.field(default=False, kw_only=True)

    def rewritten(self, segments: Sequence[str]) -> Sequence[str] | None:
        if not segments or segments[0][:1] != "~" or len(segments[0]) < 2:
            return None
        return [self.folder, segments[0][1:], *segments[1:]]


def _check_path(rule: object, attribute: "attrs.Attribute[str]", path: str) -> None:
    if not path.startswith("/"):
        raise RuleError(attribute.name, path, "a path begins with a slash")
    if not _is_path(_segments(path)) or "//" in path:
        raise RuleError(attribute.name, path, "a path has no empty part, no '.', '..' and no NUL")


@attrs.frozen
class Alias:
    """The path `source` and all below it become `target` and what is there below it.

    Both are written decoded, as ``/old place``; a slash at their end does not matter. Whole segments
    are compared: ``/old`` says nothing of ``/older``. Raises `RuleError`.
    """

    source: str = attrs.field(validator=_check_path)
    target: str = attrs.field(validator=_check_path)
    last: bool = attrs.field(default=False, kw_only=True)

    def rewritten(self, segments: Sequence[str]) -> Sequence[str] | None:
        source = _parts(self.source)
        if list(segments[: len(source)]) != source:
            return None
        return [*_parts(self.target), *segments[len(source) :]]


@attrs.frozen
class Pattern:
    r"""A path that the regular expression `regex` matches, from end to end, becomes `replacement`.

    ``Pattern(r"/(\d{4})/(.*)", r"/archive/\1/\2")``. Both are of decoded text and begin with a
    slash; ``\1`` and ``\g<name>`` stand for what a group has matched. A segment with a slash in it
    (``%2F``) cannot be told from two, so paths that have one are not matched.

    Raises `RuleError`: also where one repetition without bounds is inside of another, as in
    ``(a+)+``, which can take for ever on an address that somebody has made up for that. What
    takes long without is not found out; no path longer than a thousand characters is tried.
    """

    regex: str = attrs.field()
    replacement: str = attrs.field()
    last: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        try:
            compiled = re.compile(self.regex)
        except (re.error, RecursionError, OverflowError) as error:
            raise RuleError("regex", self.regex, str(error)) from None
        if _repeats_within(self.regex):
            raise RuleError(
                "regex", self.regex, "a repetition inside of a repetition may take for ever"
            )
        try:
            compiled.sub(self.replacement, "")
        except (re.error, IndexError) as error:
            raise RuleError("replacement", self.replacement, str(error)) from None
        if self.replacement[:1] != "/" or self.replacement[:2] == "//":
            raise RuleError("replacement", self.replacement, "a path begins with one slash")

    def rewritten(self, segments: Sequence[str]) -> Sequence[str] | None:
        path = "/" + "/".join(segments)
        if path.count("/") != max(len(segments), 1):
            return None
        if len(path) > _LONGEST:
            raise HTTPError(414)
        # The compiled form is kept by `re`: in here it would be saved.
        match = re.fullmatch(self.regex, path)
        return None if match is None else _segments(match.expand(self.replacement))


class Rewritten(Wrapper):
    """`wrapped`, where each request goes to what `rules` make of its path.

    The rules are tried in order, each once and on what those before it have made, so they never go
    around in circles; one that matches and is `last` ends it. A path that would come out with ``.``
    or ``..`` or NUL in it is answered 404, whatever is there. Raises `RuleError` for what is no rule.
    """

    def __init__(self, wrapped: Resource, rules: Iterable[Rule]) -> None:
        self.wrapped = wrapped
        self.rules = tuple(rules)
        for rule in self.rules:
            if not hasattr(rule, "rewritten"):
                raise RuleError("rule", repr(rule), "expected a record such as Alias('/a', '/b')")

    def enter(self, request: "Request") -> Resource:
        request.postpath[:] = self.rewritten(request.postpath)
        return self.wrapped

    def rewritten(self, segments: Sequence[str]) -> Sequence[str]:
        """What all rules together make of the `segments` of a path. Raises `HTTPError`."""
        for rule in self.rules:
            found = rule.rewritten(segments)
            if found is not None:
                segments = found
                if not _is_path(segments):
                    raise HTTPError(404)
                if rule.last:
                    break
        return segments


def _segments(path: str) -> list[str]:
    return path[1:].split("/")


def _parts(path: str) -> list[str]:
    return [part for part in _segments(path) if part]


def _is_path(segments: Sequence[str]) -> bool:
    return not any(each in (".", "..") or "\0" in each for each in segments)


def _repeats_within(regex: str) -> bool:
    """Whether a repetition without an upper bound is inside of another one in `regex`.

    Read from its text, with what is in brackets and behind backslashes put aside.
    """
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", regex, flags=re.DOTALL)
    repeats = [False]
    for part in re.findall(r"\)(?:[*+]|\{\d*,?\d*\})|[()*+]|\{\d*,\}", bare):
        if part == "(":
            repeats.append(False)
        elif part[0] == ")":
            inner = repeats.pop()
            if inner and len(part) > 1:
                return True
            repeats[-1] |= inner or part[1:] in ("*", "+") or part.endswith(",}")
        else:
            repeats[-1] = True
    return False
