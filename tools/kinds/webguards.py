"""Who may see which part of the site that ``mkapp web`` makes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..kind import BuildError
from .weboptions import flag, halves

if TYPE_CHECKING:
    from ...app.web.auth.doorkeeper import Doorkeeper
    from ...app.web.auth.htpasswd import HtdigestFile
    from ...app.web.auth.protected import Protected
    from ...app.web.resource import Resource

_WAYS: Final = ("auth", "login", "digest")


def guarded(options: Mapping[str, Any], site: "Resource") -> "Resource":
    """`site`, whose parts are for those who say who they are; the longest path that fits decides."""
    parts = paths(options)
    if not parts:
        if options["realm"]:
            ways = ", ".join(map(flag, _WAYS))
            raise BuildError(f"--realm: only with {ways}")
        return site
    from ...app.web.routing.places import Below, FromRoot

    found = site
    keepers: dict[tuple[str, str], Doorkeeper] = {}
    for path in sorted(parts, key=len):
        way, file = parts[path]
        inside = site if path == "/" else FromRoot(site)
        protected = _protected(inside, way, file, options["realm"] or "restricted", keepers)
        protected.check()
        found = protected if path == "/" else Below(path, protected, found)
    return found


def paths(options: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By path that is guarded, how its visitors say who they are, and the file of users."""
    found: dict[str, tuple[str, str]] = {}
    for way in _WAYS:
        for text in options[way]:
            path, file = halves(flag(way), text, "/PATH=FILE")
            path = path.rstrip("/") or "/"
            if path in found:
                raise BuildError(f"{flag(way)} {text}: {path} is guarded by another option already")
            found[path] = way, str(Path(file).absolute())
    return found


def _protected(
    wrapped: "Resource",
    way: str,
    file: str,
    realm: str,
    keepers: "dict[tuple[str, str], Doorkeeper]",
) -> "Protected":
    from ...app.web.auth.basicauth import Basic
    from ...app.web.auth.doorkeeper import Doorkeeper
    from ...app.web.auth.htpasswd import HtdigestFile, HtpasswdFile
    from ...app.web.auth.protected import Protected, Scheme

    if way == "digest":
        from ...app.web.auth.digestauth import Digest

        # The tool that writes such files knows MD5 alone; SHA-256 is for who writes better ones.
        users = HtdigestFile(file)
        _check_realm(users, realm)
        keeper = keepers.setdefault((way, file), Doorkeeper(users))
        return Protected(wrapped, keeper, Digest(realm, ("SHA-256", "MD5")))
    keeper = keepers.setdefault(("auth", file), Doorkeeper(HtpasswdFile(file)))
    schemes: tuple[Scheme, ...] = (Basic(realm),)
    if way == "login":
        from ...app.web.auth.formlogin import FormLogin

        # For programs, which have no use for a page.
        schemes = (FormLogin(), *schemes)
    return Protected(wrapped, keeper, *schemes)


def _check_realm(users: "HtdigestFile", realm: str) -> None:
    """Raises `BuildError` if all in the file are of other realms: nobody would ever get in."""
    realms = users.realms()
    if realms and realm not in realms:
        known = " or ".join(f"--realm {each!r}" for each in sorted(realms))
        raise BuildError(f"--digest: nobody in {users.path} is of realm {realm!r}; say {known}")
