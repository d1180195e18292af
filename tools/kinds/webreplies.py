"""What ``mkapp web`` is told of replies, whatever makes them."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..kind import BuildError
from .weboptions import flag, halves, named

if TYPE_CHECKING:
    from ...app.web.replies.replyfields import FieldRule
    from ...app.web.resource import Resource

_OF_CORS: Final = ("cors_method", "cors_header", "cors_credentials")
# RFC 9111, 5.2: names, some with a number, a word or a quoted list behind.
_DIRECTIVE: Final = r'[\w-]+(=([\w.-]+|"[^"]*"))?'
_DIRECTIVES: Final = re.compile(rf"{_DIRECTIVE}( *, *{_DIRECTIVE})*", re.ASCII)
_PAGES: Final = ("text/html", "application/xhtml+xml", "image/svg+xml")


def wrapped(options: Mapping[str, Any], root: "Resource") -> "Resource":
    """`root` in what changes its replies as was asked for, compression outermost."""
    pages = _pages(options)
    if pages:
        from ...app.web.replies.errorpages import ErrorPages

        with named("--error-page"):
            root = ErrorPages(root, pages)
            root.check()
    rules = _rules(options)
    if rules:
        from ...app.web.replies.replyfields import ReplyFields

        root = ReplyFields(root, rules)
    root = _shared(options, root)
    if options["compress"]:
        from ...app.web.replies.compression import Compressed

        root = Compressed(root)
    return root


def _shared(options: Mapping[str, Any], root: "Resource") -> "Resource":
    """`root`, for the scripts of other origins if there are any."""
    if not options["cors"]:
        unused = [flag(name) for name in _OF_CORS if options[name]]
        if unused:
            raise BuildError(f"{', '.join(unused)}: only with --cors")
        return root
    from ...app.web.replies.crossorigin import CrossOrigin

    with named(", ".join(flag(name) for name in ("cors", *_OF_CORS) if options[name])):
        return CrossOrigin(
            root,
            options["cors"],
            methods=("GET", "HEAD", "POST", *options["cors_method"]),
            headers=options["cors_header"],
            credentials=bool(options["cors_credentials"]),
        )


def header(text: str) -> tuple[str, str]:
    """The header field in the text ``Name: value``."""
    name, colon, value = text.partition(":")
    if not (name.strip() and colon):
        raise BuildError(f"--add-header {text!r}: expected 'Name: value'")
    return name.strip(), value.strip()


def _pages(options: Mapping[str, Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for text in options["error_page"]:
        status, path = halves("--error-page", text, "STATUS=FILE")
        if not (status.isascii() and status.isdigit() and len(status) == 3):
            raise BuildError(f"--error-page {text}: expected STATUS=FILE, such as 404=lost.html")
        if int(status) in found:
            raise BuildError(f"--error-page {text}: there is another for {status}")
        found[int(status)] = path
    for status_of, name in ((404, "not_found"), (403, "forbidden")):
        if options[name]:
            if status_of in found:
                option = name.replace("_", "-")
                raise BuildError(f"--{option} and --error-page {status_of} say the same twice")
            found[status_of] = str(options[name])
    return found


def _rules(options: Mapping[str, Any]) -> "list[FieldRule]":
    from ...app.web.replies.replyfields import FieldRule

    found: list[FieldRule] = []
    for text in options["cache_control"]:
        rule = FieldRule.parse("Cache-Control", text)
        if not _DIRECTIVES.fullmatch(rule.value):
            raise BuildError(
                f"--cache-control {text!r}: expected [TYPE,...=]VALUE, such as text/css=max-age=60"
            )
        found.append(rule)
    if options["csp"]:
        for directive in options["csp"].split(";"):
            # A browser passes over what it does not know, and so over what was to protect.
            name = directive.split(maxsplit=1)[:1]
            if name and not re.fullmatch("[A-Za-z0-9-]+", name[0]):
                raise BuildError(f"--csp: {name[0]!r} is no directive, such as default-src")
        found.append(FieldRule("Content-Security-Policy", options["csp"], _PAGES))
    return found
