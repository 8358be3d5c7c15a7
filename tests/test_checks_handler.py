"""The handler: which file the server imports, whether it parses, and what the server can call in it."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from model_archiver.checks.context import CheckContext
from tests.archives import manifest, output
from tests.conftest import Command

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
HANDLE = "def handle(data, context):\n    return data\n"
INITIALIZE = "    def initialize(self, context):\n        pass\n\n"
METHOD = "    def handle(self, data, context):\n        return data\n"
SERVICE = f"class Service:\n{INITIALIZE}{METHOD}"
BASE = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n"
ASYNC = "is async, but the server does not await it; make it a plain def, or set asyncCommunication in the config file"
NONE = ": this file has no function"
OTHER = "or name another function: --handler h.py:function"
FUNCTION = "name a function that takes (data, context), or only the file if it has one class and no function handle"
ONE = "define handle(data, context), or move all classes but one to another module"
LONG = "h" * 1000
SHORT = f"{'h' * 80}..."


def errors(run: Command, source: str, handler: str = "h.py", *more: object) -> list[str]:
    """Return the errors of a build with a handler file."""
    Path("h.py").write_text(source)
    return run("--model-name", "m", "--handler", handler, "-f", *more).errors


# The source, the part of --handler from its colon on, the error without path and code; or nothing.
ENTRY = {
    "nothing": ("X = 1\n", "", f"{NONE} 'handle', and no class; define handle(data, context), {OTHER}"),
    "near": (
        "def predct(): ...\n",
        ":predict",
        f"{NONE} 'predict', and no class; define predict(data, context), {OTHER}",
    ),
    "near, and not a function": (
        "handel = 1\nimport os.path as handl\n",
        "",
        f"{NONE} 'handle', and no class; define handle(data, context), {OTHER}",
    ),
    "long": ("X = 1\n", f":{LONG}", f"{NONE} {SHORT!r}, and no class; define {SHORT}(data, context), {OTHER}"),
    "two classes": (
        f"class Mode:\n    pass\n\n\n{SERVICE}",
        "",
        f"{NONE} 'handle', but 2 classes: Mode (line 1), Service (line 5); {ONE}",
    ),
    "two names of a class": (
        f"{SERVICE}\n\nOther = Service\n",
        "",
        f"{NONE} 'handle', but 2 classes: Service (line 1), Other (line 9); {ONE}",
    ),
    "class after the colon": (
        SERVICE,
        ":Service",
        f":1: 'Service' is a class, but the server calls it as a function; {FUNCTION}",
    ),
    "one of two classes": (
        f"{SERVICE}\n\nclass Mode:\n    pass\n",
        ":Service",
        f":1: 'Service' is a class, but the server calls it as a function; {FUNCTION}",
    ),
    "class that is a list": ("class Rows(list):\n    def __init__(self, data, context): ...\n", ":Rows", ""),
    "async": ("async def handle(data, context):\n    return data\n", "", f":1: 'handle' {ASYNC}"),
    "one parameter": (
        "def handle(data):\n    return data\n",
        "",
        ":1: the server calls handle(data, context), which this function does not take; make it handle(data, context)",
    ),
    "all kinds of parameters": (
        "def handle(data, /, size: int=3, *, more, **rest):\n    pass\n",
        "",
        ":1: the server calls handle(data, context), which this function does not take; make it handle(data, context)",
    ),
    "number of many digits": (
        f"def handle(data=0x{'f' * 6000}):\n    pass\n",
        "",
        ":1: the server calls handle(data, context), which this function does not take; make it handle(data, context)",
    ),
    "generator": (
        "def handle(data, context):\n    yield data\n",
        "",
        ":1: 'handle' is a generator, but the server needs a list; return a list with one answer per request",
    ),
    "string": ("handle = 'predict'\n", "", ":1: 'handle' is not a function; define handle(data, context)"),
    "a name that a function may rebind": (
        "_p = None\n\n\ndef serve(data, context):\n    global _p\n    return data\n",
        ":zz",
        "",
    ),
    "of a loop": ("for handle in 'ab':\n    pass\n", "", ""),
    "of an import that may fail": (
        "try:\n    from lib import handle\nexcept ImportError:\n    handle = None\n",
        "",
        "",
    ),
    "never run": ("open('ran', 'w')\ndef handle(data, context): ...\nraise SystemExit\n", "", ""),
}


@pytest.mark.parametrize(("source", "function", "expected"), ENTRY.values(), ids=ENTRY)
def test_what_the_server_calls(work: Path, run: Command, source: str, function: str, expected: str) -> None:
    assert errors(run, source, f"h.py{function}") == ([f"h.py{expected} [handler-entry]"] if expected else [])
    assert not Path("ran").exists()


CLASS = {
    "no initialize": (
        f"class Service:\n{METHOD}",
        "1: class Service has no method 'initialize'; "
        "define initialize(self, context), or derive the class from BaseHandler",
    ),
    "neither": (
        "import abc\n\n\nclass Service(abc.ABC):\n    def run(self): ...\n",
        "4: class Service has no method 'initialize' and no 'handle'; define initialize(self, context) and "
        "handle(self, data, context), or derive the class from BaseHandler",
    ),
    "constructor": (
        SERVICE.replace(":\n", ":\n    def __init__(self, model): ...\n\n", 1),
        "2: the server calls Service(), but __init__ needs arguments; give each parameter a default",
    ),
    "initialize without context": (
        f"class Service:\n    def initialize(self): ...\n\n{METHOD}",
        "2: the server calls initialize(context), which this method does not take; make it initialize(self, context)",
    ),
    "initialize of a derived class": (
        f"{BASE}    def __init__(self):\n        super(Mine, self).__init__()\n\n    def initialize(self): ...\n",
        "8: the server calls initialize(context), which this method does not take; make it initialize(self, context)",
    ),
    "handle without context": (
        f"class Service:\n{INITIALIZE}    def handle(self, data): ...\n",
        "5: the server calls handle(data, context), which this function does not take; "
        "make it handle(self, data, context)",
    ),
    "async handle": (SERVICE.replace("def handle", "async def handle"), f"5: 'handle' {ASYNC}"),
    "unknown base": ("from mine import Base\n\n\nclass Service(Base):\n    def handle(self): ...\n", ""),
    "set elsewhere": ("class Service:\n    def __init__(self):\n        self.handle = self.initialize = print\n", ""),
    "used by its name": ("class Service:\n    size = 1\n\n    def run(self):\n        return Service.size\n", ""),
    "made by a function": (
        "from mine import load\n\n\nclass Service:\n    def __init__(self):\n        self.model = load()\n",
        "",
    ),
    "made by setting something": (
        "import mine\n\n\nclass Service:\n    def __init__(self):\n        mine.made = True\n",
        "",
    ),
    "made with a device": (
        "import torch\n\n\nclass Service:\n    def __init__(self):\n        self.device = torch.device('cpu')\n\n"
        f"{METHOD}",
        "4: class Service has no method 'initialize'; "
        "define initialize(self, context), or derive the class from BaseHandler",
    ),
    "given to a function": ("from mine import fill\n\n\nclass Service:\n    pass\n\n\nfill(Service)\n", ""),
    **{
        f"instance in {made}": (
            f"from mine import bind\n\n\nclass Mine:\n    def __init__(self):\n        {made}\n\n"
            "    def set_up(self):\n        bind(self)\n",
            "",
        )
        for made in ("bind(self)", "self.set_up()", "bind(of=self)", "object.__setattr__(self, 'handle', bind)")
    },
}


@pytest.mark.parametrize(("source", "expected"), CLASS.values(), ids=CLASS)
def test_the_class_that_the_server_takes(work: Path, run: Command, source: str, expected: str) -> None:
    found = [f"h.py:{expected} [handler-class]"] if expected else []
    assert errors(run, source) == found
    assert run("--model-name", "m", "--handler", "h.py", "--no-checks", "-f").status == 0
    assert run("verify", "m.mar").errors == found


SYNTAX = {
    "colon": ("def handle(data, context)\n    return data\n", ":1", "expected ':'; fix this line"),
    "return outside": ("return 1\n", ":1", "'return' outside function; fix this line"),
    "encoding": ("# coding: nonsense\n", "", "unknown encoding: nonsense; fix the file"),
}


@pytest.mark.parametrize(("source", "line", "expected"), SYNTAX.values(), ids=SYNTAX)
def test_a_handler_that_does_not_parse(work: Path, run: Command, source: str, line: str, expected: str) -> None:
    assert errors(run, source) == [f"h.py{line}: this file is not valid {PYTHON}: {expected} [handler-syntax]"]


NEWER = ["type Row = dict[str, str]", "def f[T](rows: list[T]): ...", "x = f'{'a'}'", "x = f'{a}{\"\\n\".join(b)}'"]
ELSEWHERE = ["# coding: mbcs", "# coding: OEM", "# coding: cp1254-windows", f"x = {'9' * 5000}"]


@pytest.mark.parametrize("line", [*(NEWER if sys.version_info < (3, 12) else []), *ELSEWHERE])
def test_what_another_python_or_system_may_understand(work: Path, run: Command, line: str) -> None:
    assert errors(run, f"{line}\n{HANDLE}") == []


def test_a_long_or_deep_source_is_not_judged(work: Path, run: Command) -> None:
    sizes = {size: bool(errors(run, "x = 1\n".ljust(size, "#"))) for size in (3 << 16, (3 << 16) + 1)}
    assert sizes == {3 << 16: True, (3 << 16) + 1: False}
    depths = {depth: bool(errors(run, f"import a\n\nx = a{'.b' * depth}\n")) for depth in (100, 200)}
    assert depths == {100: True, 200: False}


@pytest.mark.parametrize("setting", ["asyncCommunication: true", "batchSize: 4"])
def test_async_is_served_if_the_config_file_may_ask_for_it(work: Path, run: Command, setting: str) -> None:
    Path("c.yaml").write_text(f"{setting}\n")
    assert errors(run, f"async {HANDLE}", "h.py", "--config-file", "c.yaml") == []


# What Multi Model Server does differently: the source, flags, the error.
MMS = {
    "async": (f"async {HANDLE}", (), f"1: 'handle' {ASYNC.partition(',')[0]}, {ASYNC.split(', ')[1]} [handler-entry]"),
    "no initialize": (
        f"class Service:\n{METHOD}",
        (),
        "1: class Service has no method 'initialize'; define initialize(self, context) [handler-class]",
    ),
    "initialize that fails": (f"class Service:\n    def initialize(self): ...\n\n{METHOD}", ("--strict",), ""),
    "python2": ("def handle(data, context):\n    print 'two'\n", ("--runtime", "python2"), ""),
}


@pytest.mark.parametrize(("source", "flags", "expected"), MMS.values(), ids=MMS)
def test_multi_model_server(work: Path, run_mms: Command, source: str, flags: tuple[str], expected: str) -> None:
    write("d", "service.py", text=source)
    result = run_mms("--model-name", "m", "--model-path", "d", "--handler", "service", *flags)
    assert result.errors == ([f"d/service.py:{expected}"] if expected else [])


def write(folder: str, *paths: str, text: str = HANDLE) -> None:
    for path in paths:
        Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
        Path(folder, path).write_text(text)


# The handler, the files of the archive, the one that the workers of both servers import: tried there.
FOUND = [
    ("pkg.mod", "pkg/mod.py", "pkg/mod.py"),
    ("pkg/mod.py:handle", "pkg/mod.py", "pkg/mod.py"),
    ("pkg.mod:handle", "pkg/mod.py", "pkg/mod.py"),
    ("mod.py:handle:x", "mod.py", "mod.py"),
    ("with-dash.py", "with-dash.py", "with-dash.py"),
    ("dir/pkg.mod:handle", "dir/pkg/mod.py", "dir/pkg/mod.py"),
    ("base_handler", "base_handler.py", "base_handler.py"),
    ("sub/k.py:handle", "k.py,sub/k.py", "sub/k.py"),
    ("sub/k.py", "k.py,sub/k.py", "k.py"),
    ("k:handle", "k.py,k/k.py", "k/k.py"),
    ("k:handle", "k/__init__.py,k/k.py", "k/k.py"),
    ("k", "k.py,k/__init__.py", "k/__init__.py"),
    ("./h.py", "h.py", "h.py"),
    ("gone/h.py", "h.py", "h.py"),
    ("json/h.py:handle", "json/h.py", "json/h.py"),
]


def imported(server: str, handler: str, paths: str) -> str | None:
    """Return the file that a server imports for a handler."""
    files = [SimpleNamespace(path=PurePosixPath(path)) for path in paths.split(",")]
    fields = {"model": {"modelName": "m", "handler": handler}}
    found = CheckContext(SimpleNamespace(name="m", server=server, fields=fields, members=files)).handler
    return str(found.file.path) if found.is_reachable else None


@pytest.mark.parametrize(("handler", "paths", "expected"), FOUND)
def test_the_file_that_the_server_imports(handler: str, paths: str, expected: str) -> None:
    assert [imported(server, handler, paths) for server in ("torchserve", "mms")] == [expected, expected]


def test_only_mms_looks_in_a_folder_with_the_name_of_the_handler() -> None:
    paths = "k/__init__.py,k/k.py"
    assert [imported(server, "k", paths) for server in ("torchserve", "mms")] == ["k/__init__.py", "k/k.py"]


DROPS = "the server drops the folder of {0} and does not find this file; name the function too: --handler {0}:handle"
# The handler, the files of --model-path, the error, and what fixes it: another handler or another file.
UNREACHABLE = {
    "below a folder": ("sub/my.py", "sub/my.py", DROPS.format("sub/my.py"), "sub/my.py:handle"),
    "without .py": ("sub/my", "sub/my.py", DROPS.format("sub/my"), "sub/my:handle"),
    "package": ("sub/my", "sub/my/__init__.py", DROPS.format("sub/my"), "sub/my:handle"),
    "dot": ("my.x.py", "my.x.py", "the server cannot import a file whose name has a dot; rename it to my_x.py", ""),
    "behind a module": (
        "k.mod",
        "k/mod.py,k.py",
        "the server cannot import this file, because a module shadows its folder; rename the folder",
        "",
    ),
    "folder with a name of Python's": (
        "code.inference",
        "code/inference.py",
        "the server imports Python's own module code instead of this folder; "
        "put an empty __init__.py into the folder code",
        "code/__init__.py",
    ),
}


@pytest.mark.parametrize(("handler", "paths", "expected", "fix"), UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("server", ["torchserve", "mms"])
def test_a_file_that_the_server_does_not_find(
    work: Path, run: Command, run_mms: Command, server: str, handler: str, paths: str, expected: str, fix: str
) -> None:
    command, words = (run_mms if server == "mms" else run), ("--model-name", "m", "--model-path", "d", "--handler")
    write("d", *paths.split(","))
    line = f"d/{paths.partition(',')[0]}: {expected} [handler-unreachable]"
    assert command(*words, handler).errors == [line]
    assert command(*words, handler, "--no-checks").status == 0
    assert run("verify", "m.mar").errors == [line.removeprefix("d/")]
    if fix:
        handler = handler if fix.endswith(".py") else fix
        write("d", *([fix] if fix.endswith(".py") else []))
        assert command(*words, handler, "--strict", "-f").status == 0
        assert manifest(output("m"))["model"]["handler"] == handler


def test_the_lsp_runtime_imports_nothing(work: Path, run: Command) -> None:
    write("d", "handlers/my.py")
    words = ("--model-name", "m", "--model-path", "d", "--handler", "handlers/my.py", "--runtime", "LSP")
    assert run(*words, "--strict").status == 0
