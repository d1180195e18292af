"""What may be loaded from a stranger's snapshot: it holds data and can do no harm.

Each value is listed with a rule for the arguments it may be made with. A class that is harmless may still
be asked for too much: ``bytearray(10**12)`` and ``list(range(10**12))`` take all memory, and so
does ``Fraction("1e999999999")``; a ``Decimal`` of a number of millions of digits takes hours. And values
that a stranger can give the same hash, so that a dict of them takes hours, have the rule for that here. The classes of Perdure that are listed are those of a blueprint of files; they are
made empty and given their fields. What runs scripts, or opens something as it is made, is not among
them. What is not listed is refused; this is no list of bad names.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Arguments = tuple[Any, ...]
Rule = Callable[[Arguments], bool]
Hasher = Callable[[Arguments], int]

_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes)
_FRACTION: Final = re.compile(r"-?\d+(/\d+)?")
# The time for larger numbers grows with the square of their size.
_MOST_BITS: Final = 1 << 14
_MOST_DIGITS: Final = 5_000
_LONGEST_ADDRESS: Final = 100


def _never(arguments: Arguments) -> bool:
    """Named as a value, such as the factory of a defaultdict, and not called."""
    return False


def _empty(arguments: Arguments) -> bool:
    return not arguments


def _plain(arguments: Arguments) -> bool:
    return all(type(argument) in _PLAIN for argument in arguments)


def _any(arguments: Arguments) -> bool:
    return True


def _texts(arguments: Arguments) -> bool:
    return all(type(argument) is str for argument in arguments)


def _bytes(arguments: Arguments) -> bool:
    return all(type(argument) is bytes for argument in arguments)


def _is_whole(argument: Any) -> bool:
    return type(argument) is int and argument.bit_length() <= _MOST_BITS


def _is_digits(argument: Any) -> bool:
    return type(argument) is str and len(argument) <= _MOST_DIGITS


def _numbers(arguments: Arguments) -> bool:
    return all(type(argument) is float or _is_whole(argument) for argument in arguments)


def _wholes(arguments: Arguments) -> bool:
    return all(map(_is_whole, arguments))


def _wholes_or_none(arguments: Arguments) -> bool:
    return all(argument is None or _is_whole(argument) for argument in arguments)


def _alias(arguments: Arguments) -> bool:
    # What is no tuple could be an alias again, and so on: Python takes those apart by recursion.
    return len(arguments) == 2 and isinstance(arguments[0], type) and type(arguments[1]) is tuple


def _deque(arguments: Arguments) -> bool:
    return not arguments or (type(arguments[0]) in (list, tuple) and _plain(arguments[1:]))


def _counter(arguments: Arguments) -> bool:
    return not arguments or (len(arguments) == 1 and type(arguments[0]) is dict)


def _factory(arguments: Arguments) -> bool:
    return len(arguments) < 2


def _decimal(arguments: Arguments) -> bool:
    return len(arguments) == 1 and (_is_digits(arguments[0]) or _is_whole(arguments[0]))


def _fraction(arguments: Arguments) -> bool:
    if len(arguments) == 1 and _is_digits(arguments[0]):
        return _FRACTION.fullmatch(arguments[0]) is not None
    return len(arguments) <= 2 and _wholes(arguments)


def _network(arguments: Arguments) -> bool:
    if len(arguments) != 1:
        return False
    (address,) = arguments
    return _is_whole(address) or (type(address) is str and len(address) <= _LONGEST_ADDRESS)


# datetime and its family take another object of the family as an argument, and check it themselves.
SAFE_VALUES: Final[dict[str, Rule]] = {
    "builtins:bool": _never,
    "builtins:bytearray": _bytes,
    "builtins:bytes": _never,
    "builtins:complex": _numbers,
    "builtins:dict": _never,
    "builtins:Ellipsis": _never,
    "builtins:float": _never,
    "builtins:frozenset": _never,
    "builtins:int": _never,
    "builtins:list": _never,
    "builtins:NotImplemented": _never,
    "builtins:object": _empty,
    "builtins:range": _wholes,
    "builtins:set": _never,
    "builtins:slice": _plain,
    "builtins:str": _never,
    "builtins:tuple": _never,
    "collections:ChainMap": _empty,
    "collections:Counter": _counter,
    "collections:OrderedDict": _empty,
    "collections:defaultdict": _factory,
    "collections:deque": _deque,
    "datetime:date": _plain,
    "datetime:datetime": _any,
    "datetime:time": _any,
    "datetime:timedelta": _plain,
    "datetime:timezone": _any,
    "decimal:Decimal": _decimal,
    "fractions:Fraction": _fraction,
    "ipaddress:IPv4Address": _network,
    "ipaddress:IPv4Interface": _network,
    "ipaddress:IPv4Network": _network,
    "ipaddress:IPv6Address": _network,
    "ipaddress:IPv6Interface": _network,
    "ipaddress:IPv6Network": _network,
    # A processor of files that gives every request the same refusal.
    "perdure.app.web.static:withhold": _never,
    "pathlib:PosixPath": _texts,
    "pathlib:PurePosixPath": _texts,
    "pathlib:PureWindowsPath": _texts,
    "pathlib._local:PosixPath": _texts,
    "pathlib._local:PurePosixPath": _texts,
    "pathlib._local:PureWindowsPath": _texts,
    "perdure.persist.parked:stand_in": _empty,
    "perdure.persist.references:referred": _texts,
    "types:GenericAlias": _alias,
    "types:SimpleNamespace": _empty,
    "typing:Any": _never,
    "uuid:SafeUUID": _wholes_or_none,
    "uuid:UUID": _empty,
}

TAKE_MEMBERS: Final = frozenset({"collections:deque"})
TAKE_PAIRS: Final = frozenset(
    {"collections:Counter", "collections:OrderedDict", "collections:defaultdict"}
)
# The fields in the state of a value; None where its writer chose their names.
VALUE_FIELDS: Final[dict[str, frozenset[str] | None]] = {
    "collections:ChainMap": frozenset({"maps", "__orig_class__"}),
    "collections:Counter": frozenset({"__orig_class__"}),
    "collections:OrderedDict": frozenset({"__orig_class__"}),
    "perdure.persist.parked:stand_in": frozenset({"parked"}),
    "types:SimpleNamespace": None,
    "uuid:UUID": frozenset({"int", "is_safe"}),
}


def _uuid(state: Mapping[Any, Any]) -> bool:
    # It is hashed by its number, which could else be a tuple of any depth.
    number = state.get("int")
    return type(number) is int and 0 <= number < 1 << 128


# What else holds of such a state.
STATE_RULES: Final[dict[str, Callable[[Mapping[Any, Any]], bool]]] = {"uuid:UUID": _uuid}


def _hash_of(module: str, name: str) -> Hasher:
    def hasher(arguments: Arguments) -> int:
        return hash(getattr(importlib.import_module(module), name)(*arguments))

    return hasher


# The values of which many different ones can be given the same hash, and what that is.
HASHES: Final[dict[str, Hasher]] = {
    "builtins:complex": _hash_of("builtins", "complex"),
    "builtins:range": _hash_of("builtins", "range"),
    # Only newer versions of Python take it for a key.
    "builtins:slice": hash,
    "decimal:Decimal": _hash_of("decimal", "Decimal"),
    "fractions:Fraction": _hash_of("fractions", "Fraction"),
    "ipaddress:IPv6Interface": _hash_of("ipaddress", "IPv6Interface"),
    "ipaddress:IPv6Network": _hash_of("ipaddress", "IPv6Network"),
    "types:GenericAlias": hash,
    # Its number comes with the state.
    "uuid:UUID": hash,
}


def _fields(*names: str) -> frozenset[str]:
    return frozenset(names)


_SERVICE: Final = _fields("name", "restart", "stop_deadline")
_RESOURCE: Final = _fields("children", "is_leaf")
# What is parked is bytes, which are judged as a snapshot is before anything is made of them.
_PARKED: Final = _fields("shapes", "names", "held")

# Fields by name, so that none can stand in for a method. Their types are not looked at.
DATA_CLASSES: Final[dict[str, frozenset[str]]] = {
    "perdure.app.application:Application": _fields(
        "name", "services", "registry", "process", "paths"
    ),
    "perdure.app.application:ProcessSettings": _fields("uid", "gid", "umask"),
    "perdure.app.collection:ServiceCollection": _SERVICE | {"_services"},
    "perdure.app.endpoints:TCPEndpoint": _fields("port", "interface", "backlog"),
    "perdure.app.endpoints:TLSEndpoint": _fields(
        "port", "cert", "key", "interface", "backlog", "certs"
    ),
    "perdure.app.endpoints:UNIXEndpoint": _fields("address", "mode", "backlog"),
    "perdure.persist.secret:Secret": _fields("_value"),
    "perdure.app.registry:Registry": _fields("_components", "_adapters"),
    "perdure.app.restart:Restart": _fields("attempts", "window", "delay", "factor", "longest"),
    "perdure.app.web.limits:Limits": _fields(
        "head",
        "fields",
        "body",
        "bodies",
        "upload",
        "form_parts",
        "form_text",
        "form_memory",
        "buffer",
        "drain",
        "handshakes",
        "handshake_time",
        "head_time",
        "body_time",
        "idle_time",
        "send_time",
        "linger_time",
        "connections",
        "session_time",
        "sessions",
    ),
    "perdure.app.web.data:Data": _RESOURCE | {"body", "type"},
    "perdure.app.web.routing.hostfolder:HostFolder": _RESOURCE | {"path", "default", "settings"},
    "perdure.app.web.routing.hosts:VirtualHosts": _RESOURCE | {"default", "hosts"},
    "perdure.app.web.routing.places:Below": _RESOURCE | {"path", "inside", "outside"},
    "perdure.app.web.routing.places:FromRoot": _RESOURCE | {"wrapped"},
    "perdure.app.web.routing.places:Places": _RESOURCE | {"wrapped", "places"},
    "perdure.app.web.routing.redirect:ChildRedirector": _RESOURCE | {"url", "status"},
    "perdure.app.web.routing.redirect:ParentRedirect": _RESOURCE,
    "perdure.app.web.routing.redirect:Redirect": _RESOURCE | {"url", "status"},
    "perdure.app.web.resource:ErrorPage": _RESOURCE | {"status", "detail"},
    "perdure.app.web.resource:Resource": _RESOURCE,
    # Not `Pattern`: some expressions take for ever.
    "perdure.app.web.routing.rewriting:Alias": _fields("source", "target", "last"),
    "perdure.app.web.routing.rewriting:Rewritten": _RESOURCE | {"wrapped", "rules"},
    "perdure.app.web.routing.rewriting:TildeToUsers": _fields("folder", "last"),
    "perdure.app.web.service:WebService": _SERVICE | {"site", "endpoints"},
    "perdure.app.web.site:Site": _fields(
        "resource", "log", "headers", "display_tracebacks", "limits", "trusted_proxies"
    ),
    "perdure.app.web.static:File": _RESOURCE
    | {
        "path",
        "index_names",
        "default_type",
        "content_types",
        "ignored_extensions",
        "processors",
        "follow_links_out",
        "dot_files",
        "listing",
        "precompressed",
        "fallback",
        "not_found",
        "forbidden",
    },
    "perdure.persist.parked:Lot": _PARKED | {"stream"},
    "perdure.persist.parked:Parked": _PARKED
    | {"key", "reason", "since", "made", "state", "lot", "commands"},
    "perdure.persist.parked:StandIn": _fields("parked"),
}
