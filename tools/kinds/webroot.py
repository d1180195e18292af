"""The root of the site that the options of ``mkapp web`` describe.

From the outside in: a proxy for clients, what is done to replies, rewriting, guards, what answers at paths, hosts, and what was
to be served in the first place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ..kind import BuildError
from . import webfiles, webguards, webreplies
from .weboptions import flag, halves, named

if TYPE_CHECKING:
    from ...app.web.resource import Resource
    from ...app.web.routing.rewriting import Rule

_ROOTS: Final = ("path", "class_", "resource_script", "wsgi", "asgi")
_INSTEAD: Final = ("vhost", "host_folder", "users", "proxy", "redirect", "forward_proxy")
_OF_FORWARD: Final = ("forward_client", "forward_private")
_USERS: Final = "/users"


def root(options: Mapping[str, Any], kept: "Resource | None" = None) -> "Resource":
    """The resource at the root; what is `kept` somewhere is served as what --path gives would be.

    Raises a `PerdureError` for what cannot be.
    """
    empty = [flag(name) for name, value in options.items() if _has_empty(value)]
    if empty:
        raise BuildError(f"{', '.join(empty)}: an empty text was given")
    webfiles.check_files(options)
    found = _base(options, kept)
    places = _places(options)
    if "/" in places:
        if found is not None:
            raise BuildError("--proxy and --redirect of / leave nothing to be served besides")
        found = places.pop("/")
    found = _hosted(options, found)
    if options["users"]:
        if _USERS in places:
            raise BuildError(f"--users: they are at {_USERS}, where another option puts something")
        places[_USERS] = _users(options)
    with named(", ".join(flag(name) for name in ("proxy", "redirect") if options[name])):
        placed = _placed(found, places)
    site = _rewritten(options, webguards.guarded(options, placed))
    return _forwarding(options, webreplies.wrapped(options, site))


def _has_empty(value: object) -> bool:
    # An option that may be repeated has a tuple of values.
    return value == "" or (isinstance(value, tuple) and "" in cast("tuple[object, ...]", value))


def _base(options: Mapping[str, Any], kept: "Resource | None") -> "Resource | None":
    """What was to be served, if anything."""
    given = [name for name in _ROOTS if options[name]]
    if kept is not None:
        given.insert(0, "resource")
    if len(given) > 1:
        raise BuildError(f"{' and '.join(map(flag, given))}: only one of them can be the root")
    if not given and not any(options[name] for name in _INSTEAD):
        ways = ", ".join(map(flag, (*_ROOTS, *_INSTEAD)))
        raise BuildError(f"say what to serve: --path FOLDER, or one of {ways}")
    if options["wsgi_threads"] and not options["wsgi"]:
        raise BuildError("--wsgi-threads: only with --wsgi")
    if kept is not None:
        return kept
    if options["path"]:
        return webfiles.folder(str(options["path"].absolute()), webfiles.settings(options))
    if options["class_"]:
        return webfiles.instance(options["class_"])
    if options["resource_script"]:
        from ...app.web.script import ScriptRoot

        return ScriptRoot(str(options["resource_script"].absolute()))
    if options["wsgi"]:
        from ...app.web.gateways.wsgi import WSGIApplication

        threads = options["wsgi_threads"]
        settings = {"threads": threads} if threads else {}
        with named("--wsgi"):
            return _checked(WSGIApplication(options["wsgi"], **settings))
    if options["asgi"]:
        from ...app.web.gateways.asgi import ASGIApplication

        with named("--asgi"):
            return _checked(ASGIApplication(options["asgi"]))
    return None


def _checked(resource: "Resource") -> "Resource":
    resource.check()
    return resource


def _hosted(options: Mapping[str, Any], default: "Resource | None") -> "Resource | None":
    found = default
    if options["host_folder"]:
        from ...app.web.routing.hostfolder import HostFolder

        path = options["host_folder"].absolute()
        found = HostFolder(path, found, webfiles.settings(options))
    if options["vhost"]:
        from ...app.web.routing.hosts import VirtualHosts

        found = hosts = VirtualHosts(found)
        settings = webfiles.settings(options)
        names: set[str] = set()
        for text in options["vhost"]:
            name, path = halves("--vhost", text, "HOST=FOLDER")
            if name in names:
                raise BuildError(f"--vhost {text}: {name} has another folder already")
            names.add(name)
            if not Path(path).exists():
                raise BuildError(f"--vhost {text}: there is no {path}")
            with named("--vhost", text):
                hosts.add_host(name, webfiles.folder(str(Path(path).absolute()), settings))
    return found


def _places(options: Mapping[str, Any]) -> "dict[str, Resource]":
    found: dict[str, Resource] = {}
    for name, second, make in (("proxy", "ENDPOINT", _proxy), ("redirect", "URL", _redirect)):
        for text in options[name]:
            path, target = halves(flag(name), text, f"/PATH={second}")
            path = path.rstrip("/") or "/"
            if path in found:
                raise BuildError(f"{flag(name)} {text}: there is another at {path}")
            with named(flag(name), text):
                found[path] = make(target)
    return found


def _proxy(endpoint: str) -> "Resource":
    from ...app.web.proxy.reverseproxy import ReverseProxy

    return ReverseProxy(endpoint)


def _redirect(url: str) -> "Resource":
    from ...app.web.routing.redirect import ChildRedirector

    return ChildRedirector(url)


def _users(options: Mapping[str, Any]) -> "Resource":
    from ...app.web.routing.userfolder import UserFolder

    return UserFolder(settings=webfiles.plain_settings(options))


def _placed(base: "Resource | None", places: "dict[str, Resource]") -> "Resource":
    from ...app.web.resource import ErrorPage

    base = ErrorPage(404) if base is None else base
    if not places:
        return base
    from ...app.web.routing.places import Places

    return Places(base, places)


def _rewritten(options: Mapping[str, Any], wrapped: "Resource") -> "Resource":
    if not (options["users"] or options["alias"] or options["rewrite"]):
        return wrapped
    from ...app.web.routing.rewriting import Alias, Pattern, Rewritten, TildeToUsers

    rules: list[Rule] = [TildeToUsers(_USERS[1:])] if options["users"] else []
    for text in options["alias"]:
        with named("--alias", text):
            rules.append(Alias(*halves("--alias", text, "/OLD=/NEW")))
    for regex, replacement in options["rewrite"]:
        with named("--rewrite", regex, replacement):
            rules.append(Pattern(regex, replacement))
    rewritten = Rewritten(wrapped, rules)
    for path in webguards.paths(options):
        there = "/" + "/".join(rewritten.rewritten(path[1:].split("/")))
        if path != "/" and there != path:
            raise BuildError(f"{path} is answered as {there}, so guard that: it is the same page")
    return rewritten


def _forwarding(options: Mapping[str, Any], wrapped: "Resource") -> "Resource":
    unused = [flag(name) for name in _OF_FORWARD if options[name]]
    if not options["forward_proxy"]:
        if unused:
            raise BuildError(f"{', '.join(unused)}: only with --forward-proxy")
        return wrapped
    from ...app.web.proxy.forwardproxy import LOOPBACK, ForwardProxy

    given = [flag(name) for name in ("forward_proxy", *_OF_FORWARD) if options[name]]
    with named(", ".join(given)):
        return ForwardProxy(
            options["forward_proxy"],
            wrapped,
            clients=options["forward_client"] or LOOPBACK,
            private=options["forward_private"],
        )
