"""Every known way to make a pickle do harm, each as a stream of bytes.

What each is after is the file ``canary`` in the working folder, or the import of `TRAP`, which makes
that file. They are written for an unpickler that believes what it reads. Those of `HERE` name nothing that is
not allowed, and are after what can be done with that.
"""

import pickle
import struct
from typing import Final

from ..persist.streams import called, named, number, stream, text
from . import trusted

TRAP: Final = "hostile_trap"
COMMAND: Final = "touch canary"
CODE: Final = "open('canary', 'w')"
HERE: Final = trusted.__name__

_ARGUMENTS = text(COMMAND) + pickle.TUPLE1
_TRUSTED = named(HERE, "Kept")
_EMPTY = pickle.EMPTY_TUPLE


def get(place: int) -> bytes:
    return pickle.BINGET + bytes([place])


def binary(data: bytes) -> bytes:
    return pickle.BINBYTES + struct.pack("<I", len(data)) + data


def state(*pairs: bytes) -> bytes:
    """Give the object on the stack these fields: names and values by turns."""
    return pickle.EMPTY_DICT + pickle.MARK + b"".join(pairs) + pickle.SETITEMS + pickle.BUILD


def new(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.NEWOBJ


def listed(*parts: bytes) -> bytes:
    return pickle.EMPTY_LIST + pickle.MARK + b"".join(parts) + pickle.APPENDS


SYSTEM = named("os", "system")
NEW_KEPT = _TRUSTED + _EMPTY + pickle.NEWOBJ
SPACE = called(named("types", "SimpleNamespace"))

# What calls a function of Python's own, or of a module that is there.
CALLS: Final[dict[str, bytes]] = {
    "os.system": stream(called(SYSTEM, text(COMMAND))),
    "posix.system": stream(called(named("posix", "system"), text(COMMAND))),
    "nt.system": stream(called(named("nt", "system"), text(COMMAND))),
    "os.popen": stream(called(named("os", "popen"), text(COMMAND))),
    "os.execl": stream(called(named("os", "execlp"), text("touch"), text("touch"), text("canary"))),
    "os.posix_spawn": stream(named("os", "posix_spawn")),
    "subprocess.Popen": stream(
        called(named("subprocess", "Popen"), listed(text("touch"), text("canary")))
    ),
    "subprocess.getoutput": stream(called(named("subprocess", "getoutput"), text(COMMAND))),
    "pty.spawn": stream(called(named("pty", "spawn"), text("sh"))),
    "pdb": stream(called(named("pdb", "run"), text(CODE))),
    "bdb": stream(called(named("bdb", "Bdb"))),
    "timeit": stream(called(named("timeit", "timeit"), text(CODE))),
    "cProfile": stream(called(named("cProfile", "runctx"), text(CODE))),
    "profile": stream(called(named("profile", "Profile"))),
    "doctest": stream(called(named("doctest", "debug_script"), text(CODE))),
    "code.InteractiveInterpreter": stream(called(named("code", "InteractiveInterpreter"))),
    "runpy": stream(called(named("runpy", "run_module"), text(TRAP))),
    "runpy._run_code": stream(named("runpy", "_run_code")),
    "pydoc.pipepager": stream(called(named("pydoc", "pipepager"), text("a"), text(COMMAND))),
    "venv": stream(called(named("venv", "create"), text("canary"))),
    "ensurepip": stream(called(named("ensurepip", "_run_pip"), listed(text("a")))),
    "lib2to3": stream(named("lib2to3.pgen2.grammar", "Grammar.loads")),
    "idlelib": stream(named("idlelib.pyshell", "ModifiedInterpreter.runcode")),
    "distutils": stream(named("distutils.file_util", "write_file")),
    "asyncio": stream(named("asyncio.unix_events", "_UnixSubprocessTransport._start")),
    "ctypes": stream(called(named("ctypes", "CDLL"), pickle.NONE)),
    "ctypes.memset": stream(called(named("ctypes", "memset"), number(0), number(0), number(9))),
    "mmap": stream(named("mmap", "mmap")),
    "marshal and types": stream(
        called(
            called(
                named("types", "FunctionType"),
                called(named("marshal", "loads"), binary(b"N")),
                pickle.EMPTY_DICT,
            )
        )
    ),
    "types.CodeType": stream(named("types", "CodeType")),
    "types.FunctionType": stream(named("types", "FunctionType")),
    "types.MethodType": stream(named("types", "MethodType")),
    "types.ModuleType": stream(called(named("types", "ModuleType"), text("os"))),
    "builtins.eval": stream(called(named("builtins", "eval"), text(CODE))),
    "builtins.exec": stream(called(named("builtins", "exec"), text(CODE))),
    "builtins.compile": stream(
        called(named("builtins", "compile"), text(CODE), text(""), text("exec"))
    ),
    "builtins.open": stream(called(named("builtins", "open"), text("canary"), text("w"))),
    "io.open": stream(called(named("io", "open"), text("canary"), text("w"))),
    "_io.FileIO": stream(called(named("_io", "FileIO"), text("canary"), text("w"))),
    "pathlib.Path.write_text": stream(
        called(
            named("pathlib", "PosixPath.write_text"),
            called(named("pathlib", "PosixPath"), text("canary")),
            text(""),
        )
    ),
    "pathlib.PosixPath.touch by getattr": stream(
        called(
            called(
                named("builtins", "getattr"),
                called(named("pathlib", "PosixPath"), text("canary")),
                text("touch"),
            )
        )
    ),
    "builtins.__import__": stream(called(named("builtins", "__import__"), text(TRAP))),
    "__builtin__": stream(called(named("__builtin__", "eval"), text(CODE))),
    "builtins.globals": stream(called(named("builtins", "globals"))),
    "builtins.getattr to __globals__": stream(
        called(named("builtins", "getattr"), _TRUSTED, text("__init__"))
    ),
    "builtins.getattr of what getattr gave": stream(
        called(
            named("builtins", "getattr"),
            called(named("builtins", "getattr"), NEW_KEPT, text("add")),
            text("__func__"),
        )
    ),
    "builtins.getattr of a class": stream(
        called(named("builtins", "getattr"), named("builtins", "object"), text("mro"))
    ),
    "builtins.getattr of a text": stream(
        called(named("builtins", "getattr"), text("a"), text("format"))
    ),
    "builtins.setattr": stream(
        called(named("builtins", "setattr"), _TRUSTED, text("add"), pickle.NONE)
    ),
    "builtins.vars": stream(called(named("builtins", "vars"))),
    "builtins.type": stream(
        called(named("builtins", "type"), text("A"), _EMPTY, pickle.EMPTY_DICT)
    ),
    "builtins.map": stream(called(named("builtins", "map"), SYSTEM, listed(text(COMMAND)))),
    "builtins.filter": stream(called(named("builtins", "filter"), SYSTEM, listed(text(COMMAND)))),
    "builtins.print to a file": stream(called(named("builtins", "print"), text("a"))),
    "builtins.breakpoint": stream(called(named("builtins", "breakpoint"))),
    "builtins.input": stream(called(named("builtins", "input"))),
    "builtins.help": stream(called(named("builtins", "help"), text("modules"))),
    "importlib.import_module": stream(called(named("importlib", "import_module"), text(TRAP))),
    "importlib.__import__": stream(called(named("importlib", "__import__"), text(TRAP))),
    "importlib._bootstrap": stream(
        called(named("importlib._bootstrap", "_gcd_import"), text(TRAP))
    ),
    "imp.load_source": stream(called(named("imp", "load_source"), text("a"), text("trap.py"))),
    "pkgutil.resolve_name": stream(
        called(named("pkgutil", "resolve_name"), text("os:system")) + _ARGUMENTS + pickle.REDUCE
    ),
    "zipimport": stream(called(named("zipimport", "zipimporter"), text("a.zip"))),
    "site.addsitedir": stream(called(named("site", "addsitedir"), text("."))),
    "operator.attrgetter": stream(
        called(
            called(named("operator", "attrgetter"), text("system")),
            called(named("importlib", "import_module"), text("os")),
        )
        + _ARGUMENTS
        + pickle.REDUCE
    ),
    "operator.methodcaller": stream(
        called(
            called(named("operator", "methodcaller"), text("add"), number(1)),
            NEW_KEPT,
        )
    ),
    "operator.itemgetter": stream(called(named("operator", "itemgetter"), text("os"))),
    "operator.call": stream(called(named("operator", "call"), SYSTEM, text(COMMAND))),
    "_operator.setitem": stream(named("_operator", "setitem")),
    "functools.partial": stream(
        called(called(named("functools", "partial"), SYSTEM, text(COMMAND)))
    ),
    "functools.partial given a state": stream(
        new("functools", "partial", named("builtins", "print"))
        + (pickle.MARK + SYSTEM + _ARGUMENTS + pickle.EMPTY_DICT + pickle.NONE)
        + (pickle.TUPLE + pickle.BUILD)
        + (_EMPTY + pickle.REDUCE)
    ),
    "functools.reduce": stream(called(named("functools", "reduce"), SYSTEM, listed(text(COMMAND)))),
    "functools.partialmethod": stream(named("functools", "partialmethod")),
    "functools.cached_property": stream(named("functools", "cached_property")),
    "itertools.starmap": stream(called(named("itertools", "starmap"), SYSTEM, listed(_ARGUMENTS))),
    "collections.namedtuple": stream(
        called(named("collections", "namedtuple"), text("A"), listed(text("b")))
    ),
    "collections.UserDict": stream(named("collections", "UserDict")),
    "collections._sys.modules": stream(named("collections", "_sys.modules")),
    "enum.Enum": stream(called(named("enum", "Enum"), text("A"), listed(text("b")))),
    "dataclasses.make_dataclass": stream(
        called(named("dataclasses", "make_dataclass"), text("A"), listed(text("b")))
    ),
    "typing.get_type_hints": stream(named("typing", "get_type_hints")),
    "typing.ForwardRef": stream(called(named("typing", "ForwardRef"), text(CODE))),
    "copyreg.add_extension": stream(
        called(named("copyreg", "add_extension"), text("os"), text("system"), number(1))
    ),
    "copyreg._reconstructor": stream(
        called(
            named("copyreg", "_reconstructor"),
            _TRUSTED,
            named("builtins", "object"),
            pickle.NONE,
        )
    ),
    "copyreg.__newobj__": stream(called(named("copyreg", "__newobj__"), _TRUSTED)),
    "copyreg.__newobj_ex__": stream(
        called(named("copyreg", "__newobj_ex__"), _TRUSTED, _EMPTY, pickle.EMPTY_DICT)
    ),
    "copyreg.pickle": stream(called(named("copyreg", "pickle"), _TRUSTED, SYSTEM)),
    "pickle.loads within": stream(
        called(named("pickle", "loads"), binary(stream(called(SYSTEM, text(COMMAND)))))
    ),
    "_pickle.loads within": stream(called(named("_pickle", "loads"), binary(b"\x80\x04N."))),
    "pickle.Unpickler": stream(named("pickle", "_Unpickler")),
    "shelve": stream(called(named("shelve", "open"), text("canary"))),
    "dbm": stream(called(named("dbm.dumb", "open"), text("canary"), text("c"))),
    "sqlite3": stream(called(named("sqlite3", "connect"), text("canary"))),
    "codecs.decode": stream(called(named("codecs", "decode"), binary(b"a"), text("zlib"))),
    "_codecs.encode": stream(called(named("_codecs", "encode"), text("a"), text("latin1"))),
    "codecs.open": stream(called(named("codecs", "open"), text("canary"), text("w"))),
    "base64": stream(called(named("base64", "b64decode"), text("b3M="))),
    "zlib.decompress": stream(called(named("zlib", "decompress"), binary(b"x"))),
    "bz2.open": stream(called(named("bz2", "open"), text("canary"), text("w"))),
    "shutil.copyfile": stream(called(named("shutil", "copyfile"), text("trap.py"), text("canary"))),
    "shutil.rmtree": stream(called(named("shutil", "rmtree"), text("."))),
    "tempfile": stream(called(named("tempfile", "mkdtemp"))),
    "fileinput": stream(called(named("fileinput", "input"), text("trap.py"))),
    "linecache": stream(called(named("linecache", "getline"), text("/etc/passwd"), number(1))),
    "logging.config": stream(called(named("logging.config", "_resolve"), text(f"{TRAP}.anything"))),
    "logging.FileHandler": stream(called(named("logging", "FileHandler"), text("canary"))),
    "socket.create_connection": stream(named("socket", "create_connection")),
    "urllib.request.urlopen": stream(
        called(named("urllib.request", "urlopen"), text("file:///etc/passwd"))
    ),
    "http.client": stream(called(named("http.client", "HTTPConnection"), text("localhost"))),
    "smtplib": stream(called(named("smtplib", "SMTP"), text("localhost"))),
    "webbrowser.open": stream(called(named("webbrowser", "open"), text("canary"))),
    "threading.Thread": stream(new("threading", "Thread")),
    "multiprocessing": stream(named("multiprocessing.util", "spawnv_passfds")),
    "concurrent.futures": stream(named("concurrent.futures.process", "_process_worker")),
    "weakref.finalize": stream(
        called(named("weakref", "finalize"), NEW_KEPT, SYSTEM, text(COMMAND))
    ),
    "atexit.register": stream(called(named("atexit", "register"), SYSTEM, text(COMMAND))),
    "signal.signal": stream(called(named("signal", "signal"), number(10), SYSTEM)),
    "sys.setprofile": stream(called(named("sys", "setprofile"), SYSTEM)),
    "sys.exit": stream(called(named("sys", "exit"), number(3))),
    "os._exit": stream(called(named("os", "_exit"), number(3))),
    "gc.get_objects": stream(called(named("gc", "get_objects"))),
    "inspect.stack": stream(called(named("inspect", "stack"))),
    "test.support": stream(named("test.support.script_helper", "assert_python_ok")),
    "unittest.mock": stream(called(named("unittest.mock", "_importer"), text(TRAP))),
    "string.Formatter": stream(
        called(named("string", "Formatter.format"), text("{0.__class__}"), NEW_KEPT)
    ),
    "str.format": stream(called(named("builtins", "str.format"), text("{0.__class__}"), NEW_KEPT)),
    "xmlrpc": stream(named("xmlrpc.client", "ServerProxy")),
    "numpy's reconstructor": stream(
        called(named("numpy.core.multiarray", "_reconstruct"), named("numpy", "ndarray"))
    ),
    "numpy.load": stream(called(named("numpy", "load"), text("canary"))),
    "numpy.testing": stream(
        called(named("numpy.testing._private.utils", "runstring"), text(CODE), pickle.EMPTY_DICT)
    ),
    "pandas": stream(called(named("pandas.io.common", "get_handle"), text("canary"))),
    "torch": stream(called(named("torch.serialization", "load"), text("canary"))),
    "joblib": stream(named("joblib.numpy_pickle", "NumpyArrayWrapper")),
    "cloudpickle": stream(named("cloudpickle.cloudpickle", "_make_function")),
    "dill": stream(named("dill._dill", "_create_code")),
    "setuptools": stream(named("setuptools.command.build_ext", "build_ext.run")),
    "pip": stream(called(named("pip", "main"), listed(text("install"), text("a")))),
    "attrs": stream(called(named("attr", "make_class"), text("A"), listed(text("b")))),
    "jinja2": stream(called(named("jinja2", "Template"), text("{{ 1 }}"))),
    "click": stream(called(named("click", "launch"), text("canary"))),
    "cryptography": stream(named("cryptography.hazmat.primitives.serialization", "load_pem_key")),
    "this user's key": stream(called(named("perdure.persist.trust", "Signer.of_user"))),
    "perdure's own restore": stream(named("perdure.persist.restore", "restore")),
    "perdure's own find_named": stream(
        called(named("perdure.persist.restore", "find_named"), text("os"), text("system"))
    ),
    "perdure's own scripts": stream(new("perdure.app.web.script", "ScriptRoot")),
    "the import of a module that does harm": stream(named(TRAP, "Anything")),
    "the import of a package that does harm": stream(named(f"{TRAP}.below", "Anything")),
}

# Names that are not what they seem.
NAMES: Final[dict[str, bytes]] = {
    "a path through an allowed class": stream(
        called(named("datetime", "datetime.__class__"), text("A"), _EMPTY, pickle.EMPTY_DICT)
    ),
    "a path through an allowed module": stream(named("datetime", "sys.modules")),
    "a path through a module's loader": stream(named("uuid", "os.system")),
    "a path to the builtins": stream(named("fractions", "__builtins__")),
    "a path to subclasses": stream(called(named("builtins", "object.__subclasses__"))),
    "a path to a method of an allowed class": stream(named("pathlib", "PosixPath.unlink")),
    "a path to globals": stream(named("uuid", "UUID.__init__.__globals__")),
    "globals of a trusted function": stream(named(HERE, "note.__globals__")),
    "code of a trusted function": stream(named(HERE, "note.__code__")),
    "closures of a trusted method": stream(named(HERE, "Kept.add.__func__")),
    "subclasses of a trusted class": stream(called(named(HERE, "Kept.__subclasses__"))),
    "the metaclass of a trusted class": stream(named(HERE, "Kept.__class__")),
    "the dict of a trusted class": stream(named(HERE, "Kept.__dict__")),
    "the base of a trusted class": stream(named(HERE, "Kept.__base__")),
    "the order of bases": stream(called(named(HERE, "Kept.mro"))),
    "reduction of a trusted class": stream(named(HERE, "Kept.__reduce_ex__")),
    "setattr of a trusted class": stream(
        called(named(HERE, "Kept.__setattr__"), NEW_KEPT, text("value"), SYSTEM)
    ),
    "the builtins of a trusted module": stream(named(HERE, "__builtins__")),
    "the loader of a trusted module": stream(named(HERE, "__loader__")),
    "the spec of a trusted module": stream(named(HERE, "__spec__.loader.load_module")),
    "a module in a trusted one": stream(named(HERE, "os")),
    "a function of a module in a trusted one": stream(
        called(named(HERE, "os.system"), text(COMMAND))
    ),
    "modules of a trusted module": stream(named(HERE, "sys.modules")),
    "modules under a name of its own": stream(named(HERE, "tools")),
    "a module under a name of its own": stream(named(HERE, "space.modules")),
    "a function under another name": stream(called(named(HERE, "run"), text(COMMAND))),
    "a partial that is there": stream(called(named(HERE, "partial"))),
    "a module in a trusted class": stream(called(named(HERE, "Kept.tool.system"), text(COMMAND))),
    "a static method in a trusted class": stream(called(named(HERE, "Kept.run"), text(COMMAND))),
    "the main program of a trusted package": stream(named(f"{HERE}.__main__", "main")),
    "a name with a space": stream(named("os ", "system")),
    "an empty module": stream(named("", "system")),
    "an empty name": stream(named("os", "")),
    "a dot in front": stream(named(".os", "system")),
    "dots behind": stream(named("os.", "system")),
    "a module by its path": stream(named("./trap", "Anything")),
    "another alphabet": stream(named("\u043es", "system")),
    "letters of full width": stream(named("\uff4fs", "system")),
    "an allowed name of full width": stream(named("datetime", "\uff44atetime")),
    "a zero in the name": stream(named("datetime\0os", "datetime")),
    "a colon in the module": stream(called(named("datetime:datetime", "os"), text(COMMAND))),
    "a colon in the name": stream(called(named("builtins", "range:x"), text(COMMAND))),
    "a newline in the name": stream(named("datetime\n", "datetime")),
    "an allowed name with what follows": stream(named("datetime", "datetime.now")),
    "a module called as a trusted one, and more": stream(named(f"{HERE}x", "Kept")),
    "a surrogate in the name": stream(
        b"\x8c\x03\xed\xa0\x80" + text("system") + pickle.STACK_GLOBAL
    ),
    "a name that is put together": stream(
        called(named("builtins", "str.join"), text(""), listed(text("o"), text("s")))
        + text("system")
        + pickle.STACK_GLOBAL
    ),
    "a name that is no text": stream(number(1) + text("system") + pickle.STACK_GLOBAL),
    "a name from the memo": stream(
        (text("os") + pickle.MEMOIZE + text("system") + pickle.MEMOIZE + pickle.POP + pickle.POP)
        + (get(0) + get(1) + pickle.STACK_GLOBAL + _ARGUMENTS + pickle.REDUCE)
    ),
    "a name of bytes": stream(binary(b"os") + binary(b"system") + pickle.STACK_GLOBAL),
}

# Opcodes that our picklers do not write, and streams that are none.
OPCODES: Final[dict[str, bytes]] = {
    "GLOBAL, protocol 0": b"cos\nsystem\n(S'touch canary'\ntR.",
    "GLOBAL, protocol 2": b"\x80\x02cos\nsystem\nU\x0ctouch canary\x85R.",
    "GLOBAL, protocol 4": b"\x80\x04cos\nsystem\n(V" + COMMAND.encode() + b"\ntR.",
    "INST": b"(S'touch canary'\nios\nsystem\n.",
    "INST, protocol 4": b"\x80\x04(S'touch canary'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch canary'\no.",
    "OBJ, protocol 4": stream(pickle.MARK + SYSTEM + text(COMMAND) + pickle.OBJ),
    "EXT1": stream(pickle.EXT1 + b"\x01" + _ARGUMENTS + pickle.REDUCE),
    "EXT2": stream(pickle.EXT2 + b"\x01\x00" + _ARGUMENTS + pickle.REDUCE),
    "EXT4": stream(pickle.EXT4 + b"\x01\x00\x00\x00" + _ARGUMENTS + pickle.REDUCE),
    "PERSID": stream(pickle.PERSID + b"canary\n"),
    "BINPERSID": stream(text("canary") + pickle.BINPERSID),
    "STRING with escapes": stream(b"S'\\x6fs'\n"),
    "UNICODE": stream(b"Vos\n"),
    "INT": stream(b"I1\n"),
    "LONG": stream(b"L" + b"9" * 10_000 + b"L\n"),
    "FLOAT": stream(b"F1.0\n"),
    "PUT": stream(pickle.NONE + b"p0\n"),
    "BINPUT": stream(pickle.NONE + b"q\x00"),
    "LONG_BINPUT, for a memo of gigabytes": stream(pickle.NONE + b"r\xff\xff\xff\x7f"),
    "GET": stream(pickle.NONE + b"g0\n"),
    "DUP": stream(listed() + b"2" + pickle.TUPLE2),
    "DICT": stream(pickle.MARK + pickle.DICT),
    "LIST": stream(pickle.MARK + pickle.LIST),
    "NEXT_BUFFER": stream(pickle.NEXT_BUFFER),
    "READONLY_BUFFER": stream(pickle.NONE + pickle.READONLY_BUFFER),
    "an opcode that is none": stream(b"\xff"),
    "GET of what is not in the memo": stream(get(7)),
    "GET before the memo has it": stream(get(0) + text("a") + pickle.MEMOIZE + pickle.TUPLE2),
    "LONG_BINGET of what is not in the memo": stream(pickle.LONG_BINGET + b"\xff\xff\xff\xff"),
    "a stack that is empty": stream(pickle.TUPLE1),
    "REDUCE of an empty stack": stream(pickle.REDUCE),
    "a mark that is not there": stream(pickle.NONE + pickle.TUPLE),
    "a mark that is left": stream(pickle.MARK),
    "POP of everything": stream(pickle.NONE + pickle.POP + pickle.POP + pickle.POP),
    "MEMOIZE of nothing": stream(pickle.MEMOIZE),
    "SETITEMS of an odd number": stream(
        pickle.EMPTY_DICT + pickle.MARK + text("a") + pickle.SETITEMS
    ),
    "what follows STOP": stream(pickle.NONE) + b"more",
    "a second pickle": stream(pickle.NONE) + stream(called(SYSTEM, text(COMMAND))),
    "a second protocol": stream(pickle.PROTO + b"\x04" + pickle.NONE),
    "protocol 6": b"\x80\x06N.",
    "protocol 255": b"\x80\xffN.",
    "no protocol": b"N.",
    "nothing": b"",
    "a protocol alone": b"\x80\x04",
    "no STOP": b"\x80\x04N",
    "cut in a text": stream(text("a" * 100))[:50],
    "cut in a length": b"\x80\x04\x8e\x01",
    "cut in a number": b"\x80\x04G\0\0",
    "a negative length": stream(pickle.LONG4 + b"\xff\xff\xff\xff"),
    "text that is no UTF-8": stream(pickle.SHORT_BINUNICODE + b"\x02\xff\xfe"),
    "BINBYTES8 of an exabyte": stream(pickle.BINBYTES8 + struct.pack("<Q", 1 << 60)),
    "BINUNICODE8 of an exabyte": stream(pickle.BINUNICODE8 + struct.pack("<Q", 1 << 60)),
    "BYTEARRAY8 of an exabyte": stream(pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 60)),
    "BYTEARRAY8 of a negative size": stream(pickle.BYTEARRAY8 + b"\xff" * 8),
    "BINBYTES of 4 GB": stream(pickle.BINBYTES + b"\xff" * 4),
    "LONG4 of 2 GB": stream(pickle.LONG4 + b"\xff\xff\xff\x7f"),
    "FRAME of an exabyte": stream(pickle.FRAME + struct.pack("<Q", 1 << 60)),
    "FRAME beyond the end": stream(pickle.FRAME + struct.pack("<Q", 100) + pickle.NONE),
}

# What is done to what may be named.
STATES: Final[dict[str, bytes]] = {
    "a class of another": stream(NEW_KEPT + state(text("__class__"), named("builtins", "type"))),
    "a __setstate__ of a value": stream(
        SPACE + state(text("__setstate__"), named("builtins", "bytearray")) + SYSTEM + pickle.BUILD
    ),
    "a __setstate__ of a trusted object": stream(
        (NEW_KEPT + state(text("__setstate__"), named(HERE, "note")))
        + (text(COMMAND) + pickle.BUILD)
    ),
    "an append of a trusted object": stream(
        NEW_KEPT + state(text("append"), named(HERE, "note")) + text(COMMAND) + pickle.APPEND
    ),
    "fields of a class": stream(_TRUSTED + state(text("add"), pickle.NONE)),
    "fields of an allowed class": stream(
        named("uuid", "UUID") + state(text("__init__"), named("builtins", "list"))
    ),
    "slots of a class": stream(
        (_TRUSTED + pickle.NONE + pickle.EMPTY_DICT + text("add") + pickle.NONE + pickle.SETITEM)
        + (pickle.TUPLE2 + pickle.BUILD)
    ),
    "slots of a value": stream(
        (SPACE + pickle.NONE + pickle.EMPTY_DICT + text("a") + pickle.NONE + pickle.SETITEM)
        + (pickle.TUPLE2 + pickle.BUILD)
    ),
    "fields of a function": stream(named(HERE, "note") + state(text("__code__"), pickle.NONE)),
    "fields of a list": stream(listed() + state(text("append"), pickle.NONE)),
    "fields of a dict": stream(pickle.EMPTY_DICT + state(text("a"), pickle.NONE)),
    "fields of a text": stream(text("a") + state(text("a"), pickle.NONE)),
    "fields of a path": stream(
        called(named("pathlib", "PosixPath"), text("a")) + state(text("touch"), SPACE)
    ),
    "a state that is no dict": stream(SPACE + listed() + pickle.BUILD),
    "members of a class": stream(_TRUSTED + text("a") + pickle.APPEND),
    "items of a class": stream(_TRUSTED + text("a") + text("b") + pickle.SETITEM),
    "a call of an instance": stream(NEW_KEPT + _ARGUMENTS + pickle.REDUCE),
    "a call of a text": stream(text("system") + _ARGUMENTS + pickle.REDUCE),
    "a call of what a call gave": stream(called(called(named(HERE, "note")))),
    "a call with what is no tuple": stream(named(HERE, "note") + listed() + pickle.REDUCE),
    "an instance of a function": stream(named(HERE, "note") + _EMPTY + pickle.NEWOBJ) + b"",
    "an instance of an instance": stream(NEW_KEPT + _EMPTY + pickle.NEWOBJ),
    "keywords of a value": stream(
        (named("builtins", "complex") + _EMPTY)
        + (pickle.EMPTY_DICT + text("real") + text("a") + pickle.SETITEM + pickle.NEWOBJ_EX)
    ),
    "a subclass of a builtin as a value": stream(
        called(named("collections", "UserString"), text("a"))
    ),
    "a bool that is called": stream(called(named("builtins", "bool"), text("a"))),
    "a marker that is called": stream(called(named("builtins", "Ellipsis"))),
    "a bound method of a value": stream(
        called(
            called(
                named("builtins", "getattr"),
                called(named("collections", "deque"), listed(text("a"))),
                text("clear"),
            )
        )
    ),
    "a dunder of a trusted object": stream(
        called(named("builtins", "getattr"), NEW_KEPT, text("__class__"))
    ),
    "a method with a dot": stream(
        called(named("builtins", "getattr"), NEW_KEPT, text("add.__globals__"))
    ),
    "a field as a method": stream(called(named("builtins", "getattr"), NEW_KEPT, text("tool"))),
    "a static method as a method": stream(
        called(named("builtins", "getattr"), NEW_KEPT, text("run"))
    ),
    "a reference out of place": stream(
        called(named("perdure.persist.references", "referred"), text("/web"))
    ),
    "a state for a reference": stream(
        called(named("perdure.persist.references", "referred"), text("/web"))
        + state(text("name"), text("a"))
    ),
}

ALL: Final = {**CALLS, **NAMES, **OPCODES, **STATES}
