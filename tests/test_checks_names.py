"""Names that nothing defines, and command lines that are parsed, in what the server imports."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from model_archiver.checks.source import Outline, read_outline
from tests.collection import EXAMPLES, ROOT
from tests.conftest import Command

BASE = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n"
HANDLE = "def handle(data, context):\n    return data\n"
NET = "import torch\n\n\nclass Net(torch.nn.Linear):\n    def __init__(self):\n        super().__init__(4, 2)\n"
PARSER = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--size')\n"


def problems(run: Command, source: str, *more: object) -> list[str]:
    """Return what is said of a handler with these lines, without its path and its code."""
    Path("h.py").write_text(source)
    result = run("--model-name", "m", "--handler", "h.py", "-f", *more)
    assert result.status == (1 if result.errors else 0)
    return [line.removeprefix("h.py:").rpartition(" [")[0] for line in result.warnings + result.errors]


def undefined(line: int, name: str, hint: str = "import it, or define it") -> str:
    return f"{line}: {name!r} is not defined, and this line fails when it runs; {hint}"


UNDEFINED = {
    "a library that is not imported": (
        f"{BASE}    def initialize(self, context):\n        self.t = transformers.AutoModel()\n",
        [undefined(6, "transformers")],
    ),
    "a class that is not imported": (
        f"{BASE}    def initialize(self, context):\n        self.p = DefaultPredictor(1)\n",
        [undefined(6, "DefaultPredictor")],
    ),
    "an attribute without self": (
        f"{BASE}    def initialize(self, context):\n        self.model = 1\n\n"
        "    def handle(self, data, context):\n        return model\n",
        [undefined(9, "model", "did you mean self.model?")],
    ),
    "the package of a renamed import": (
        "import torch.nn.functional as F\n\n\ndef handle(data, context):\n    return torch.relu(F.relu(data))\n",
        [undefined(5, "torch")],
    ),
    "the module of an imported name": (f"from os import path\n\nx = os.sep\n{HANDLE}", [undefined(3, "os")]),
    "a type of a parameter": (
        f"def clean(rows: List[str]) -> Any: ...\n{HANDLE}",
        [undefined(1, "Any"), undefined(1, "List")],
    ),
    "a default": (f"def clean(rows, most=MOST): ...\n{HANDLE}", [undefined(1, "MOST")]),
    "a decorator": (f"@cached\ndef clean(rows): ...\n{HANDLE}", [undefined(1, "cached")]),
    "a base": (f"class A(Base): ...\n{HANDLE}", [undefined(1, "Base")]),
    "in a lambda, an f-string, a comprehension": (
        f"f = lambda row: clean(row)\ng = f'{{count}}'\nh = [sum(x) for x in rows]\n{HANDLE}",
        [undefined(1, "clean"), undefined(2, "count"), undefined(3, "rows")],
    ),
    "the first line of each": (
        "def handle(data, context):\n    return [np.array(data), np.zeros(1)]\n\n\ndef other():\n    return np\n",
        [undefined(2, "np")],
    ),
    "in a try for something else": (
        "def handle(data, context):\n    try:\n        return logger\n    except Exception:\n        raise\n",
        [undefined(3, "logger")],
    ),
    "beside eval and setattr": (
        "def handle(data, context):\n    setattr(context, 'x', eval('1'))\n    return json.dumps(data)\n",
        [undefined(3, "json")],
    ),
}


@pytest.mark.parametrize(("source", "expected"), UNDEFINED.values(), ids=UNDEFINED)
def test_a_name_that_nothing_defines(work: Path, run: Command, source: str, expected: list[str]) -> None:
    assert problems(run, source) == expected
    assert problems(run, source, "--no-checks") == []


DEFINED = {
    "by a star import": f"from lib import *\nx = y\n{HANDLE}",
    "by globals": f"globals()['x'] = 1\ny = x\n{HANDLE}",
    "by exec": f"exec(open('x').read())\ny = x\n{HANDLE}",
    "by a global statement": f"def load():\n    global net\n    net = 1\n\n\ndef run():\n    return net\n\n\n{HANDLE}",
    "under a condition": f"import os\nif os.sep:\n    x = 1\ny = x\n{HANDLE}",
    "by try": f"try:\n    import fast\nexcept ImportError:\n    fast = None\ny = fast\n{HANDLE}",
    "by except, with and for": (
        "try:\n    pass\nexcept OSError as e:\n    print(e)\nwith open('x') as f:\n    f\nfor i in 'ab':\n    i\n"
        f"{HANDLE}"
    ),
    "by match": (
        "match 1:\n    case [a, *b]:\n        print(a, b)\n    case {'x': c, **d}:\n        print(c, d)\n"  # a mapping
        f"{HANDLE}"
    ),
    "by :=": f"if (n := 3) > 2:\n    print(n)\nprint([m for x in 'a' if (m := x)], m)\n{HANDLE}",
    "in another function": "def load():\n    net = 1\n\n\ndef handle(data, context):\n    return net\n",
    "where a name is looked for in another place": f"try:\n    import fast\nexcept:\n    pass\nx = y\n{HANDLE}",
    "by a parameter of a type": (
        f"def f[T, *Ts, **P](x: T) -> T: return Ts, P\ntype Pair[V] = tuple[V, V]\n{HANDLE}"
        if sys.version_info >= (3, 12)
        else HANDLE
    ),
    "later in the file": f"def run():\n    return late\n\n\nlate = 1\n{HANDLE}",
    "of an outer function": (
        "def handle(data, context):\n    x = 1\n\n    def inner():\n        return x\n\n    return inner()\n"
    ),
    "of a class, in its body": (
        "class A:\n    n = 1\n    m = n\n\n    def f(self, k=n): return k\n\n    @property\n    def g(self): ...\n\n"
        f"    @g.setter\n    def g(self, v): ...\n\n\n{HANDLE}"
    ),
    "parameters of all kinds": f"def f(a, /, b, *c, d, **e): return a, b, c, d, e, (lambda x, *y: (x, y))\n{HANDLE}",
    "a name of Python": f"print(__file__, __name__, __doc__, exit, WindowsError, ExceptionGroup)\n{HANDLE}",
    "__class__": f"class A:\n    def f(self): return __class__\n\n\n{HANDLE}",
    "of Python 2": f"import sys\ntext = str if sys.version_info[0] > 2 else unicode\n{HANDLE}",
    "where it is looked for": f"try:\n    profile\nexcept NameError:\n    pass\n{HANDLE}",
    "where anything may fail": f"try:\n    get_ipython()\nexcept:\n    pass\n{HANDLE}",
    "in a string": f"x: 'Net' = 1\ny = 'transformers'\n{HANDLE}",
    "in annotations that are not evaluated": (
        f"from __future__ import annotations\n\n\ndef f(x: Net) -> Net: ...\n{HANDLE}"
    ),
    "in an annotation of a variable": f"def f():\n    x: Net = 1\n    return x\n\n\n{HANDLE}",
    "for type checkers": (
        f"import typing\nif typing.TYPE_CHECKING:\n    import net\n\n\ndef f(x: net.Net): ...\n{HANDLE}"
    ),
    "by the program": (
        f"def main():\n    print(options)\n\n\n{HANDLE}if __name__ == '__main__':\n    options = 1\n    main()\n"
    ),
    "deleted": f"x = 1\ndel x\ny = x if 'x' in dir() else 0\n{HANDLE}",
}


@pytest.mark.parametrize("source", DEFINED.values(), ids=DEFINED)
def test_a_name_that_something_defines(work: Path, run: Command, source: str) -> None:
    assert problems(run, source) == []


def test_the_submodules_of_a_package_are_names_of_it(work: Path, run: Command) -> None:
    Path("d/h").mkdir(parents=True)
    Path("d/h/__init__.py").write_text(f"from .sub import a\nb = sub.a\n{HANDLE}")
    Path("d/h/sub.py").write_text("a = 1\n")
    result = run("--model-name", "m", "--model-path", "d", "--handler", "h", "--strict")
    assert result.status == 0, result.err


def test_the_model_file_too_if_torchserve_imports_it(work: Path, run: Command) -> None:
    Path("net.py").write_text(NET.replace("torch.nn", "nn"))
    Path("h.py").write_text(HANDLE)
    words = ("--model-name", "m", "--model-file", "net.py")
    line = "net.py:4: 'nn' is not defined, and this line fails when it runs; import it, or define it"
    assert run(*words).warnings == [f"{line} [handler-undefined-name]"]
    assert run(*words, "-f", "--handler", "h.py").warnings == []


def test_many_names_are_not_all_listed(work: Path, run: Command) -> None:
    names = "\n".join(f"x = name{number}" for number in range(100))
    assert len(problems(run, f"{names}\n{HANDLE}")) == 20


def test_verify_says_it_too(work: Path, run: Command) -> None:
    assert problems(run, f"x = np\n{HANDLE}") == [undefined(1, "np")]
    assert run("verify", "m.mar").warnings == [f"h.py:{undefined(1, 'np')} [handler-undefined-name]"]


def test_pyflakes_agrees() -> None:
    checker, messages = pytest.importorskip("pyflakes.checker"), pytest.importorskip("pyflakes.messages")
    library = Path(sysconfig.get_path("stdlib"))
    sources = [*ROOT.rglob("*.py"), *EXAMPLES.rglob("*.py"), *sorted(library.glob("[a-m]*.py"))]
    found = 0
    for path in sources:
        raw = path.read_bytes()
        outline = read_outline(raw, is_package=path.name == "__init__.py")
        if isinstance(outline, Outline):
            tree = compile(raw, str(path), "exec", 0x400)
            said = checker.Checker(tree, filename=str(path)).messages
            names = {one.message_args[0] for one in said if isinstance(one, messages.UndefinedName)}
            assert set(outline.undefined) <= names, path
            found += 1
    assert found > 100


PARSING = {
    "at the top level": (f"{PARSER}args = parser.parse_args()\n{HANDLE}", 4),
    "of a parser without a name": (f"import argparse\nargs = argparse.ArgumentParser().parse_args()\n{HANDLE}", 2),
    "of an imported class": (f"from argparse import ArgumentParser as P\np = P()\nargs = p.parse_args()\n{HANDLE}", 3),
    "in a call": (f"{PARSER}size = vars(parser.parse_args())['size']\n{HANDLE}", 4),
    "of optparse": (f"import optparse\np = optparse.OptionParser()\noptions, args = p.parse_args()\n{HANDLE}", 3),
    "beside a class and a condition": (
        f"{PARSER}class Net:\n    def run(self): return 1\n\n\nif parser:\n    x = 1\n"
        f"args = parser.parse_args()\n{HANDLE}",
        10,
    ),
}


@pytest.mark.parametrize(("source", "line"), PARSING.values(), ids=PARSING)
def test_a_command_line_that_is_parsed_at_import(work: Path, run: Command, source: str, line: int) -> None:
    message = "parse_args() reads the command line of the server's worker, and ends the worker"
    assert problems(run, source) == [f"{line}: {message}; parse arguments only if __name__ is '__main__'"]


NOT_PARSING = {
    "parse_known_args": f"{PARSER}args, _ = parser.parse_known_args()\n{HANDLE}",
    "a list": f"{PARSER}args = parser.parse_args([])\nmore = parser.parse_args(args=['--size', '3'])\n{HANDLE}",
    "arguments from elsewhere": f"{PARSER}words = ([],)\nargs = parser.parse_args(*words)\n{HANDLE}",
    "keywords from elsewhere": f"{PARSER}words = {{'args': []}}\nargs = parser.parse_args(**words)\n{HANDLE}",
    "another command line": f"import sys\n{PARSER}sys.argv = sys.argv[:1]\nargs = parser.parse_args()\n{HANDLE}",
    "under __main__": f"{PARSER}{HANDLE}if __name__ == '__main__':\n    parser.parse_args()\n",
    "under a condition": f"import os\n{PARSER}if 'TRAIN' in os.environ:\n    parser.parse_args()\n{HANDLE}",
    "in a part of an expression": f"import os\n{PARSER}args = parser.parse_args() if os.sep == ':' else None\n{HANDLE}",
    "in a try": f"{PARSER}try:\n    parser.parse_args()\nexcept SystemExit:\n    pass\n{HANDLE}",
    "in a function that nobody calls": f"{PARSER}def get():\n    return parser.parse_args()\n\n\n{HANDLE}",
    "in a function that is called, which `test` finds": (
        f"{PARSER}def get():\n    return parser.parse_args()\n\n\nargs = get()\n{HANDLE}"
    ),
    "with a namespace": f"{PARSER}args = parser.parse_args(namespace=object())\n{HANDLE}",
    "in a function that the program calls": (
        f"{PARSER}def get():\n    return parser.parse_args()\n\n\n{HANDLE}if __name__ == '__main__':\n    get()\n"
    ),
    "of an own class": f"from lib import Parser\nargs = Parser().parse_args()\n{HANDLE}",
    "of a class that inherits": (
        f"import argparse\n\n\nclass P(argparse.ArgumentParser):\n    def error(self, message): ...\n\n\n"
        f"args = P().parse_args()\n{HANDLE}"
    ),
}


@pytest.mark.parametrize("source", NOT_PARSING.values(), ids=NOT_PARSING)
def test_a_command_line_that_may_not_be_parsed_at_import(work: Path, run: Command, source: str) -> None:
    assert problems(run, source) == []


def test_a_model_file_that_parses_is_reported_if_torchserve_imports_it(work: Path, run: Command) -> None:
    Path("net.py").write_text(f"{PARSER}args = parser.parse_args()\n{NET}")
    Path("h.py").write_text(HANDLE)
    assert "[handler-parses-arguments]" in run("--model-name", "m", "--model-file", "net.py").errors[0]
    assert run("--model-name", "m", "--model-file", "net.py", "--handler", "h.py").status == 0
