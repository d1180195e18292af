"""XML-RPC: calls over the web (http://xmlrpc.com/spec.md), answered by methods of a resource.

::

    class Keeper(XMLRPC):
        def xmlrpc_add(self, a: int, b: int) -> int:
            "The sum."
            return a + b

        @with_request
        async def xmlrpc_visits(self, request) -> int:
            return request.registry.get_component(Counter, default=Counter).value
"""

import asyncio
import inspect
import logging
import xmlrpc.client
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from xml.parsers import expat
from xmlrpc.client import Fault

from ...persist.errors import PerdureError
from ...persist.parked import ParkedError
from ..turns import UnsafeError
from .errors import HTTPError
from .resource import Rendered, Resource
from .response import Response

if TYPE_CHECKING:
    from .request import Request

__all__ = [
    "APPLICATION_ERROR",
    "INVALID_CALL",
    "INVALID_PARAMETERS",
    "NOT_FOUND",
    "NOT_WELL_FORMED",
    "XMLRPC",
    "Fault",
    "with_request",
]

F = TypeVar("F", bound=Callable[..., Any])
Handlers = Mapping[str, "XMLRPC"]

# http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php
NOT_WELL_FORMED: Final = -32700
INVALID_CALL: Final = -32600
NOT_FOUND: Final = -32601
INVALID_PARAMETERS: Final = -32602
APPLICATION_ERROR: Final = -32500

_TYPES: Final = ("text/xml", "application/xml")
_LARGE: Final = 32 * 1024
"""Bytes of a call, beyond which it is parsed where it keeps nobody else waiting."""

_NAMES: Final = {
    int: "int",
    bool: "boolean",
    str: "string",
    float: "double",
    bytes: "base64",
    list: "array",
    tuple: "array",
    dict: "struct",
    datetime: "dateTime.iso8601",
    type(None): "nil",
}
_NO_HANDLERS: Handlers = MappingProxyType({})

_report = logging.getLogger("perdure.web")


class CallError(PerdureError):
    """What came is no call. Attributes: the `code` of the fault, and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"this is no XML-RPC call: {reason}")
        self.code = code
        self.reason = reason


def with_request(method: F) -> F:
    """Has `method` called with the `Request` before the arguments of the call."""
    method.__with_request__ = True  # type: ignore[attr-defined]
    return method


class XMLRPC(Resource):
    """Answers calls of ``name`` by its method ``xmlrpc_name``, which may be ``async``.

    Values are those of Python: int (32 bits), bool, str, float, bytes, list, dict with text as keys,
    datetime, None. A method raises `Fault` to answer with one. Whatever else it raises is told to the
    log, and to the client only that it failed. Calls with a wrong number of arguments are a fault, too.

    ``prefix.name`` is answered by the handler put there with `put_sub_handler`. Methods of
    ``system`` tell of the others, and ``system.multicall`` makes at most `calls` at once. A call has
    at most `size` bytes. What a call changes is durable before it is answered, as for any page.
    """

    is_leaf = True
    size: int = 1 << 20
    calls: int = 100
    sub_handlers: Handlers = _NO_HANDLERS

    def put_sub_handler(self, prefix: str, handler: "XMLRPC") -> None:
        """Have calls of ``prefix.name`` answered by `handler`, as calls of ``name``.

        Raises ValueError for a prefix with a dot in it, and for ``system``.
        """
        if not prefix or "." in prefix or prefix == "system":
            raise ValueError(f"{prefix!r} cannot be a prefix: it is one word, and not 'system'")
        self.sub_handlers = {**self.sub_handlers, prefix: handler}

    async def render_POST(self, request: "Request") -> Rendered:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            raise HTTPError(415, "A call is sent as text/xml.")
        body = await request.read(self.size)
        try:
            if len(body) > _LARGE:
                name, arguments = await asyncio.to_thread(_parsed, body)
            else:
                name, arguments = _parsed(body)
            answer: object = (await self._called(name, arguments, request),)
        except CallError as error:
            answer = Fault(error.code, str(error))
        except Fault as fault:
            answer = fault
        return Response(self._written(answer, request), headers=[("Content-Type", "text/xml")])

    def method(self, name: str) -> Callable[..., object] | None:
        """What answers calls of `name`; None if nothing does."""
        prefix, dot, rest = name.partition(".")
        if dot:
            handler = self.sub_handlers.get(prefix)
            return None if handler is None else handler.method(rest)
        found = getattr(self, f"xmlrpc_{name}", None)
        return found if callable(found) else None

    def names(self) -> list[str]:
        """The names of all methods, with those of the sub-handlers, sorted."""
        found = [
            each.removeprefix("xmlrpc_")
            for each in dir(self)
            if each.startswith("xmlrpc_") and callable(getattr(self, each))
        ]
        for prefix, handler in self.sub_handlers.items():
            found += [f"{prefix}.{each}" for each in handler.names()]
        return sorted(found)

    async def _called(self, name: str, arguments: Sequence[object], request: "Request") -> object:
        """What the method of this name returns. Raises `Fault`."""
        method = self._known(name)
        if getattr(method, "__with_request__", False):
            arguments = (request, *arguments)
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError as error:
            raise Fault(INVALID_PARAMETERS, f"{name}: {error}") from error
        try:
            result = method(*arguments)
            if inspect.isawaitable(result):
                result = await cast("Awaitable[object]", result)
        except (Fault, UnsafeError, ParkedError):
            raise
        except (Exception, SystemExit) as error:
            line = request.head.line.decode("latin-1")
            _report.error(
                "%s from %s: %s failed: %s", line, request.client, name, error, exc_info=error
            )
            raise Fault(APPLICATION_ERROR, f"{name} failed") from error
        return result

    @with_request
    async def _multicall(self, request: "Request", calls: object = None) -> list[object]:
        """The answers to several calls, each {methodName, params}: arrays of one, or faults."""
        if not isinstance(calls, list):
            raise Fault(INVALID_PARAMETERS, "system.multicall: one array of calls is expected")
        wanted = cast("list[object]", calls)
        if len(wanted) > self.calls:
            raise Fault(INVALID_PARAMETERS, f"system.multicall: more than {self.calls} calls")
        answers: list[object] = []
        for call in wanted:
            try:
                name, given = _one_of_many(call)
                answers.append([await self._called(name, given, request)])
            except Fault as fault:
                answers.append({"faultCode": fault.faultCode, "faultString": fault.faultString})
        return answers

    def _system(self) -> Mapping[str, Callable[..., object]]:
        """What tells of the other methods, or calls them."""
        return {
            "system.listMethods": self._list_methods,
            "system.methodHelp": self._method_help,
            "system.methodSignature": self._method_signature,
            "system.multicall": self._multicall,
        }

    def _list_methods(self) -> list[str]:
        """The names of all methods."""
        return sorted([*self.names(), *self._system()])

    def _method_help(self, name: str) -> str:
        """What the method of this name does."""
        return inspect.getdoc(self._known(name)) or ""

    def _method_signature(self, name: str) -> object:
        """The types of result and arguments, as far as all are annotated; else ``undef``."""
        method = self._known(name)
        try:
            signature = inspect.signature(method, eval_str=True)
        except (NameError, ValueError):
            return "undef"
        parameters = [*signature.parameters.values()]
        if getattr(method, "__with_request__", False):
            del parameters[0]
        kinds: list[Any] = [signature.return_annotation, *(each.annotation for each in parameters)]
        names = [_NAMES.get(getattr(kind, "__origin__", kind) or type(None)) for kind in kinds]
        return "undef" if None in names else [names]

    def _known(self, name: str) -> Callable[..., object]:
        method = self._system().get(name) or self.method(name)
        if method is None:
            raise Fault(NOT_FOUND, f"there is no method {name}")
        return method

    def _written(self, answer: Any, request: "Request") -> bytes:
        try:
            text = xmlrpc.client.dumps(answer, methodresponse=True, allow_none=True)
            # XML has no way to write most control characters, and nothing could read them.
            expat.ParserCreate().Parse(text, True)
        except (TypeError, ValueError, OverflowError, RecursionError, expat.ExpatError) as error:
            line = request.head.line.decode("latin-1")
            _report.error(
                "%s from %s: what a method returned cannot be sent: %s", line, request.client, error
            )
            fault = Fault(APPLICATION_ERROR, "what the method returned cannot be sent")
            text = xmlrpc.client.dumps(fault, methodresponse=True)
        return text.encode()


def _one_of_many(call: object) -> tuple[str, Sequence[object]]:
    given = cast("dict[str, Any]", call) if isinstance(call, dict) else {}
    name, arguments = given.get("methodName"), given.get("params", [])
    if not isinstance(name, str) or not isinstance(arguments, list):
        raise Fault(INVALID_PARAMETERS, "a call is a struct of methodName and params")
    if name == "system.multicall":
        raise Fault(INVALID_PARAMETERS, "system.multicall: not within itself")
    return name, cast("list[object]", arguments)


def _parsed(body: bytes) -> tuple[str, Sequence[object]]:
    """The name and arguments of a call. Raises `CallError`.

    A document type is refused: nobody needs one here, and its entities can make a page of gigabytes
    from a kilobyte.
    """
    unmarshaller: Any = xmlrpc.client.Unmarshaller(use_builtin_types=True)
    parser = expat.ParserCreate()
    parser.StartElementHandler = unmarshaller.start
    parser.EndElementHandler = unmarshaller.end
    parser.CharacterDataHandler = unmarshaller.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    unmarshaller.xml(None, None)  # What expat gives is text already.
    try:
        parser.Parse(body, True)
        arguments: Sequence[object] = unmarshaller.close()
        name = unmarshaller.getmethodname()
    except expat.ExpatError as error:
        raise CallError(NOT_WELL_FORMED, str(error)) from error
    except CallError:
        raise
    except Exception as error:
        # The library raises whatever it stumbles over.
        raise CallError(INVALID_CALL, f"{type(error).__name__}: {error}") from error
    if not isinstance(name, str) or not name:
        raise CallError(INVALID_CALL, "it names no method")
    return name, arguments


def _refuse_doctype(*_declaration: object) -> None:
    raise CallError(INVALID_CALL, "a document type is not accepted")
