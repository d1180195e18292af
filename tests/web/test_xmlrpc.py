"""Calls by XML-RPC, made by the library's own client."""

import asyncio
import logging
import xmlrpc.client
from datetime import datetime
from typing import Any
from xmlrpc.client import Fault, MultiCall, ServerProxy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.web.request import Request
from perdure.app.web.xmlrpc import (
    APPLICATION_ERROR,
    INVALID_CALL,
    INVALID_PARAMETERS,
    NOT_FOUND,
    NOT_WELL_FORMED,
    XMLRPC,
    with_request,
)

from ..paper import DiskError, Paper
from .conftest import Reply, Serve, Served


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Inner(XMLRPC):
    def xmlrpc_name(self) -> str:
        return "inner"


class Calls(XMLRPC):
    calls = 3
    size = 100_000

    def xmlrpc_add(self, a: int, b: int) -> int:
        """The sum.

        Of two."""
        return a + b

    def xmlrpc_same(self, value: Any) -> Any:
        return value

    async def xmlrpc_later(self, value: str) -> str:
        await asyncio.sleep(0)
        return value

    @with_request
    def xmlrpc_path(self, request: Request, more: str) -> str:
        return request.path + more

    @with_request
    def xmlrpc_count(self, request: Request) -> int:
        counter = request.registry.get_component(Counter, default=Counter)
        counter.value += 1
        return counter.value

    def xmlrpc_fault(self) -> None:
        raise Fault(7, "as you wish")

    def xmlrpc_fail(self) -> None:
        raise LookupError("secret")

    def xmlrpc_large(self) -> int:
        return 1 << 40

    def xmlrpc_strange(self) -> object:
        return object()

    def xmlrpc_control(self) -> str:
        return "\x01"

    def xmlrpc_half(self) -> str:
        return "\ud800"

    def hidden(self) -> str:
        return "hidden"


@pytest.fixture(name="served")
def served_fixture(serve: Serve) -> Served:
    calls = Calls()
    calls.put_sub_handler("inner", Inner())
    return serve(calls)


def proxy(served: Served) -> Any:
    return ServerProxy(served.url("/RPC2"), allow_none=True, use_builtin_types=True)


def post(served: Served, body: bytes, kind: str = "text/xml") -> Reply:
    with served.connect() as client:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
        return client.ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def fault(reply: Reply) -> int:
    with pytest.raises(Fault) as raised:
        xmlrpc.client.loads(reply.body)
    return raised.value.faultCode


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff")
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.binary()
    | st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda each: each.replace(microsecond=0)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=VALUES)
def test_every_value_comes_back(served: Served, value: object) -> None:
    with proxy(served) as client:
        assert client.same(value) == value


def test_methods_are_called_whatever_they_are(served: Served) -> None:
    with proxy(served) as client:
        assert client.add(2, 3) == 5
        assert client.later("light") == "light"
        assert client.path("!") == "/RPC2!"
        assert client.inner.name() == "inner"


WRONG: list[tuple[str, tuple[Any, ...], int, str]] = [
    ("gone", (), NOT_FOUND, "there is no method gone"),
    ("hidden", (), NOT_FOUND, "hidden"),
    ("inner.gone", (), NOT_FOUND, "inner.gone"),
    ("nobody.name", (), NOT_FOUND, "nobody.name"),
    ("put_child", (), NOT_FOUND, "put_child"),
    ("system", (), NOT_FOUND, "system"),
    ("system.gone", (), NOT_FOUND, "system.gone"),
    ("system.methodHelp", ("gone",), NOT_FOUND, "gone"),
    ("system.methodHelp", ("listMethods",), NOT_FOUND, "listMethods"),
    ("listMethods", (), NOT_FOUND, "listMethods"),
    ("system.gone", (), NOT_FOUND, "system.gone"),
    ("add", (1,), INVALID_PARAMETERS, "'b'"),
    ("add", (1, 2, 3), INVALID_PARAMETERS, "too many"),
    ("path", (), INVALID_PARAMETERS, "'more'"),
    ("fault", (), 7, "as you wish"),
    ("fail", (), APPLICATION_ERROR, "fail failed"),
    ("add", ("a", 1), APPLICATION_ERROR, "add failed"),
    ("large", (), APPLICATION_ERROR, "cannot be sent"),
    ("strange", (), APPLICATION_ERROR, "cannot be sent"),
    ("control", (), APPLICATION_ERROR, "cannot be sent"),
    ("half", (), APPLICATION_ERROR, "cannot be sent"),
    ("system.multicall", (), INVALID_PARAMETERS, "one array"),
    ("system.multicall", ([{}] * 4,), INVALID_PARAMETERS, "more than 3"),
]


@pytest.mark.parametrize(("name", "arguments", "code", "told"), WRONG)
def test_what_cannot_be_done_is_a_fault_that_says_so(
    served: Served, name: str, arguments: tuple[object, ...], code: int, told: str
) -> None:
    with proxy(served) as client, pytest.raises(Fault, match=told) as raised:
        getattr(client, name)(*arguments)
    assert raised.value.faultCode == code


def test_what_fails_is_told_to_the_log_alone(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), proxy(served) as client, pytest.raises(Fault) as raised:
        client.fail()
    assert "secret" not in raised.value.faultString
    assert "LookupError: secret" in caplog.text


def test_methods_tell_of_themselves(served: Served) -> None:
    with proxy(served) as client:
        names = client.system.listMethods()
        assert {"add", "inner.name", "system.listMethods", "system.multicall"} <= set(names)
        assert all(client.system.methodHelp(name) for name in names if name.startswith("system."))
        assert "hidden" not in names
        assert client.system.methodHelp("add") == "The sum.\n\nOf two."
        assert client.system.methodHelp("inner.name") == ""
        assert client.system.methodSignature("add") == [["int", "int", "int"]]
        assert client.system.methodSignature("path") == [["string", "string"]]
        assert client.system.methodSignature("fail") == [["nil"]]
        assert client.system.methodSignature("same") == "undef"
        assert client.system.methodSignature("system.listMethods") == [["array"]]


def test_several_calls_are_made_at_once(served: Served) -> None:
    with proxy(served) as client:
        many = MultiCall(client)
        many.add(1, 2)
        many.fault()
        many.later("x")
        answers = iter(many())
        assert next(answers) == 3
        with pytest.raises(Fault, match="as you wish"):
            next(answers)
        within: dict[str, Any] = {"methodName": "system.multicall", "params": [[]]}
        broken = {"methodName": 1}
        for answer in client.system.multicall([within, broken, "no call"]):
            assert answer["faultCode"] == INVALID_PARAMETERS


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<methodCall><methodName>&b;</methodName></methodCall>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><methodCall/>"""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", NOT_WELL_FORMED),
        (b"no XML", NOT_WELL_FORMED),
        (b"<methodCall><methodName>add", NOT_WELL_FORMED),
        (b"<methodCall></methodCall>", INVALID_CALL),
        (b"<methodCall><methodName></methodName></methodCall>", INVALID_CALL),
        (b"<methodResponse><params></params></methodResponse>", INVALID_CALL),
        (BOMB, INVALID_CALL),
        (OUTSIDE, INVALID_CALL),
        (
            b"<methodCall><methodName>same</methodName><params><param><value><int>"
            + b"x"
            + b"</int></value></param></params></methodCall>",
            INVALID_CALL,
        ),
        (
            b"<methodCall><methodName>same</methodName><params><param><value><int>"
            + b"9" * 5000
            + b"</int></value></param></params></methodCall>",
            INVALID_CALL,
        ),
        (
            b"<methodCall><methodName>same</methodName><params><param><value>"
            + b"<array><data><value>" * 2000
            + b"</value></data></array>" * 2000
            + b"</value></param></params></methodCall>",
            APPLICATION_ERROR,
        ),
    ],
)
def test_what_is_no_call_is_a_fault(served: Served, body: bytes, code: int) -> None:
    reply = post(served, body)
    assert reply.status == 200
    assert reply.get("content-type") == "text/xml"
    assert fault(reply) == code


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(
    [
        b"<methodCall>", b"</methodCall>", b"<methodName>", b"</methodName>", b"same", b"<params>",
        b"</params>", b"<param>", b"</param>", b"<value>", b"</value>", b"<struct>", b"</struct>",
        b"<member>", b"</member>", b"<name>", b"</name>", b"<array>", b"</array>", b"<data>",
        b"</data>", b"<nil/>", b"<base64>", b"</base64>", b"<dateTime.iso8601>", b"</dateTime.iso8601>",
    ]
), max_size=12))  # fmt: skip
def test_nothing_that_is_sent_makes_the_server_fail(served: Served, pieces: list[bytes]) -> None:
    assert post(served, b"".join(pieces)).status == 200


def test_what_is_not_sent_as_a_call_is_refused(served: Served) -> None:
    reply = served.get()
    assert (reply.status, reply.get("allow")) == (405, "OPTIONS, POST")
    assert post(served, b"<methodCall/>", "application/json").status == 415
    assert post(served, b" " * 100_001).status == 413
    assert post(served, b"", "Application/XML; charset=utf-8").status == 200


def test_a_large_call_is_answered_as_well(served: Served) -> None:
    with proxy(served) as client:
        assert client.same("x" * 90_000) == "x" * 90_000


def test_a_call_is_answered_when_what_it_changed_is_durable(serve: Serve) -> None:
    application = Application("web")
    application.registry.set_component(Counter, Counter())
    served = serve(Calls(), journal=Paper(), application=application)
    call = xmlrpc.client.dumps((), "count").encode()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
    with served.connect() as client:
        client.send(head % len(call) + call)
        served.held(1)
        assert client.silent()
        served.secure()
        assert xmlrpc.client.loads(client.reply().body)[0] == (1,)
        client.send(head % len(call) + call)
        served.held(2)
        served.call(lambda: served.ledger.failed(DiskError()))
        assert client.reply().status == 503


@pytest.mark.parametrize("prefix", ["", "a.b", "system"])
def test_a_prefix_is_one_word(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Calls().put_sub_handler(prefix, Inner())
