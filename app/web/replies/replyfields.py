"""Header fields that replies get if they have none of that name: of caching, security and the like."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

import attrs

from ....persist.errors import PerdureError
from ..resource import Resource, Wrapper
from ..response import Response, common_header_line

if TYPE_CHECKING:
    from ..request import Request

_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+|\*")


@attrs.define(str=False)
class FieldRuleError(PerdureError):
    """A rule for a field is not one: `text` was given, and `reason` says what was expected."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.text!r}: {self.reason}"


@attrs.frozen
class FieldRule:
    """Replies of a content type in `types` have the field `name` with `value`.

    In a type, ``*`` stands for anything: ``image/*``; alone also for what has no body, such as 304.
    Raises `HeaderError` for a field that cannot be sent, and `FieldRuleError`.
    """

    name: str
    value: str
    types: Sequence[str] = ("*",)

    def __attrs_post_init__(self) -> None:
        common_header_line(self.name, self.value)
        if isinstance(self.types, str):
            raise FieldRuleError(self.types, f"a list of types was expected; say [{self.types!r}]")
        for each in self.types:
            if not _TYPE.fullmatch(each):
                raise FieldRuleError(each, "a content type was expected, as text/css or image/*")

    @classmethod
    def parse(cls, name: str, text: str) -> "FieldRule":
        """The rule for the field `name` that `text` describes: ``VALUE`` or ``TYPE,TYPE=VALUE``.

        >>> FieldRule.parse("Cache-Control", "image/*,font/*=max-age=86400").types
        ('image/*', 'font/*')
        """
        types, equals, value = text.partition("=")
        parts = tuple(each.strip().lower() for each in types.split(","))
        if equals and all(map(_TYPE.fullmatch, parts)):
            return cls(name, value.strip(), parts)
        return cls(name, text.strip())

    def fits(self, kind: str) -> bool:
        """Whether it is for replies of this type; the empty one is that of no body."""
        return any(fnmatchcase(kind, each) for each in self.types)


class ReplyFields(Wrapper):
    """Gives the replies of `wrapped` the fields of `rules`: for each name, of the first that fits.

    A reply that has a field of that name keeps its own; so a page knows better.
    """

    def __init__(self, wrapped: Resource, rules: Sequence[FieldRule]) -> None:
        self.wrapped = wrapped
        self.rules = tuple(rules)

    def enter(self, request: "Request") -> Resource:
        request.transform(self._answer)
        return self.wrapped

    def _answer(self, request: "Request", response: Response) -> Response:
        kind = response.type
        known = {name.lower() for name, _ in response.headers}
        added: list[tuple[str, str]] = []
        for rule in self.rules:
            if rule.name.lower() not in known and rule.fits(kind):
                known.add(rule.name.lower())
                added.append((rule.name, rule.value))
        return response.replaced(headers=[*response.headers, *added]) if added else response
