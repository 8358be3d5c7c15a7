"""``import-not-packed``, ``import-relative`` and ``handler-shadows``: what handler and model file import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Command

HANDLE = "def handle(data, context):\n    return data\n"
NEXT_TO = "which is next to it but not packed; add --include"


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def words(*more: str, handler: str = "handler.py") -> tuple[str, ...]:
    return ("--model-name", "m", "--handler", handler, "-f", *more)


# The file next to the handler, the import, the module that is named, what to include.
MISSING = {
    "module": ("helpers.py", "import helpers", "helpers", "helpers.py"),
    "name of it": ("helpers.py", "from helpers import x", "helpers", "helpers.py"),
    "other name": ("helpers.py", "import helpers as h", "helpers", "helpers.py"),
    "second of two": ("helpers.py", "import json, helpers", "helpers", "helpers.py"),
    "package": ("lib/__init__.py", "import lib", "lib", "lib"),
    "module of a package": ("lib/a.py", "from lib.a import x", "lib.a", "lib"),
    "module of a folder": ("lib/a.py", "import lib.a", "lib.a", "lib"),
    "module taken from a folder": ("lib/a.py", "from lib import a", "lib", "lib"),
    "not ASCII": ("lib/näme.py", "import lib.näme", "lib.näme", "lib"),
}


@pytest.mark.parametrize(("path", "line", "name", "include"), MISSING.values(), ids=MISSING)
def test_what_is_next_to_the_handler_and_not_packed(work, run: Command, path, line, name, include) -> None:
    write({path: "x = 1\n", "handler.py": f"\n{line}\n{HANDLE}"})
    assert run(*words("--strict")).errors == [
        f"handler.py:2: this file imports {name}, {NEXT_TO} {include} [import-not-packed]"
    ]
    flags = ("--archive-format", "no-archive", "--export-path", "out", "--strict", "--include", include)
    assert run(*words(*flags)).status == 0
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import handler"
    subprocess.run([sys.executable, "-I", "-c", code, str(work / "out" / "m")], cwd=work / "out", check=True)


# Source before the handler, files besides helpers.py, flags: the file may import all that it needs.
SILENT = {
    "packed": ("import helpers", {}, ("--extra-files", "helpers.py")),
    "compiled": ("import helpers", {"x/helpers.cpython-311-x86_64-linux-gnu.so": ""}, ("--extra-files", "x")),
    "standard library": ("import random", {"random.py": ""}, ()),
    "on every server": ("import torch, ts.utils", {"torch/__init__.py": "", "ts.py": ""}, ()),
    "required": ("import my_tools", {"my_tools.py": "", "r.txt": "numpy\nMy-Tools==1.0\n"}, ("-r", "r.txt")),
    "from a wheel": ("import helpers", {"r.txt": "./lib-1.0-py3-none-any.whl\n"}, ("-r", "r.txt")),
    "from a repository": ("import helpers", {"r.txt": "git+https://example.com/h.git@abc\n"}, ("-r", "r.txt")),
    "nowhere": ("import transformers\nfrom PIL import Image", {}, ()),
    "folder of data": ("import data", {"data/a.csv": "1"}, ()),
    "caught": ("try:\n    import helpers\nexcept ImportError:\n    helpers = None", {}, ()),
    "suppressed": ("import contextlib\nwith contextlib.suppress(ImportError):\n    import helpers", {}, ()),
    "for type checkers": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helpers", {}, ()),
    "of the script": ('if __name__ == "__main__":\n    import helpers', {}, ()),
    "under a condition": ("import os\nif os.environ.get('X'):\n    import helpers", {}, ()),
    "in a function": ("def main():\n    import helpers", {}, ()),
    "of a changed path": ("import sys as s\ns.path.append('/opt/ml/code')\nimport helpers", {}, ()),
    "of a changed site": ("import site\nsite.addsitedir('lib')\nimport helpers", {}, ()),
    "of a packed zip": ("import helpers", {"code.zip": ""}, ("--extra-files", "code.zip")),
    "longer than a file name": (f"import {'a' * 300}", {}, ()),
    "of many parts": (f"import {'a.' * 3000}a", {}, ()),
    "excluded": ("import lib.b", {"lib/a.py": "", "lib/b.py": ""}, ("--include", "lib", "--exclude", "b.py")),
}


@pytest.mark.parametrize(("source", "files", "flags"), SILENT.values(), ids=SILENT)
def test_what_may_be_found(work, run: Command, source, files, flags) -> None:
    write({"helpers.py": "", "handler.py": f"{source}\n{HANDLE}", **files})
    result = run(*words("--strict", *flags))
    assert [line for line in result.errors if "[import-" in line] == []


def test_each_missing_module_is_named_once_by_a_path_from_here(work, run: Command) -> None:
    write({"my src/handler.py": f"import helpers\nfrom helpers import x\n{HANDLE}", "my src/helpers.py": ""})
    write({"net.py": "import layers\n", "layers.py": ""})
    result = run(*words("--model-file", "net.py", handler="my src/handler.py"))
    assert [line for line in result.warnings if "[import-" in line] == [
        f"my src/handler.py:1: this file imports helpers, {NEXT_TO} 'my src/helpers.py' [import-not-packed]",
        f"net.py:1: this file imports layers, {NEXT_TO} layers.py [import-not-packed]",
    ]
    assert "import-" not in run("verify", "m.mar").out


def test_the_modules_of_a_model_folder(work, run_mms: Command) -> None:
    source = f"import common\n{HANDLE}"
    write({"d/pkg/service.py": source, "d/service.py": source, "d/common.py": ""})
    flags = (*words(handler="service"), "--model-path", "d")
    assert run_mms(*flags, "--strict").status == 0
    assert run_mms(*flags, "--exclude", "common.py").warnings == [
        f"d/service.py:1: this file imports common, {NEXT_TO} d/common.py [import-not-packed]"
    ]
    in_package = (*words(handler="pkg.service"), "--model-path", "d", "--exclude", "common.py")
    assert run_mms(*in_package, "--strict").status == 0


# The handler, its source, and the module of the error or nothing.
RELATIVE = {
    "top level": ("h", "from .tools import x", ".tools"),
    "too many dots": ("pkg.h", "from ..tools import x", "..tools"),
    "in a package": ("pkg.h", "from .tools import x\nfrom . import tools", ""),
    "caught": ("h", "try:\n    from .tools import x\nexcept ImportError:\n    pass", ""),
    "names its package": ("h", "import pkg\n__package__ = 'pkg'\nfrom .tools import x", ""),
    "names it by globals": ("h", "import pkg\nglobals()['__package__'] = 'pkg'\nfrom .tools import x", ""),
    "imports its package": ("h", "from pkg import __package__\nfrom .tools import x", ""),
}


@pytest.mark.parametrize(("handler", "source", "module"), RELATIVE.values(), ids=RELATIVE)
def test_a_relative_import(work, run: Command, handler: str, source: str, module: str) -> None:
    path = f"d/{handler.replace('.', '/')}.py"
    write({"d/pkg/__init__.py": "", "d/pkg/tools.py": "x = 1\n", path: f"{source}\n{HANDLE}"})
    message = f"the server imports this file as a top-level module, so it cannot import from {module}"
    expected = [f"{path}:1: {message}; import from tools [import-relative]"] if module else []
    assert run(*words("--model-path", "d", "--strict", handler=handler)).errors == expected


def shadowing(*paths: str, handler: str = "h.py", source: str = HANDLE) -> tuple[str, ...]:
    """Return the words that package a handler with other modules."""
    write({f"d/{path}": source if path == "h.py" or path.startswith(handler) else HANDLE for path in {*paths, "h.py"}})
    return words("--model-path", "d", handler=handler)


def line(path: str, name: str, when: str = "") -> str:
    fix = "rename its folder" if path.endswith("__init__.py") else "rename it"
    return f"d/{path}: shadows the module {name}, which the server itself imports{when}; {fix} [handler-shadows]"


SHADOWS = [
    *(("error", path) for path in ("json.py", "logging/__init__.py", "random.py", "ts.py", "yaml.py", "numpy.py")),
    *(("error", path) for path in ("ts/__init__.py", "uuid.py")),
    *(("warning", path) for path in ("yaml/__init__.py", "numpy/__init__.py", "torch.py")),
    *(("some", path) for path in ("tokenize.py", "glob.py", "gettext.py", "select.py", "textwrap/__init__.py")),
]


@pytest.mark.parametrize(("level", "path"), SHADOWS)
def test_what_shadows_a_module_of_the_worker(work, run: Command, level: str, path: str) -> None:
    result = run(*shadowing(path))
    when = " on some versions of Python and torch" if level == "some" else ""
    found = [line(path, Path(path).parts[0].removesuffix(".py"), when)]
    assert (result.errors, result.warnings) == ((found, []) if level == "error" else ([], found))


UNUSED = {
    "what the worker can do without": "code service base_handler csv gzip psutil model time os mms test tokenizers",
    "other files": "json/x logging/x numpy/x torch/x ts/x yaml/x lib/json lib/__init__ lib/types",
    "what pip installs": "numpy/__init__ numpy/linalg/__init__ yaml/__init__ yaml/nodes torch/__init__ "
    "torch/nn/__init__ packaging/__init__ ts/__init__ ts/arg_parser",
    "other packages": "packaging/__init__ mms/__init__",
}


@pytest.mark.parametrize("modules", UNUSED.values(), ids=UNUSED)
def test_what_a_worker_can_live_with(work, run: Command, modules: str) -> None:
    result = run(*shadowing(*(f"{module}.py" for module in modules.split()), "json.txt", "types.pyi"), "--strict")
    assert (result.status, result.err.count("shadows")) == (0, 0), result.err


@pytest.mark.parametrize("path", ["mms.py", "mms/__init__.py", "json.py", "types.py"])
def test_mms_has_names_of_its_own(work, run_mms: Command, path: str) -> None:
    others = ("torch.py", "ts.py", "yaml.py", "numpy.py", "random.py", "copy.py", "queue.py", "glob.py")
    assert run_mms(*shadowing(path, *others)).errors == [line(path, Path(path).parts[0].removesuffix(".py"))]
    assert run_mms(*shadowing(path), "--runtime", "python2").status == 0


TORCH = [f"import torch.nn as nn\n{HANDLE}", f"from torch import nn\n{HANDLE}"]
TORCH += ["from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n    pass\n"]


@pytest.mark.parametrize("source", TORCH)
def test_torch_is_needed_by_a_handler_that_imports_it(work, run: Command, source: str) -> None:
    assert line("torch.py", "torch") in run(*shadowing("torch.py", source=source)).errors


def test_the_handlers_of_the_server_need_torch(work, run: Command) -> None:
    write({"d/torch.py": "", "d/packaging.py": ""})  # they need the other one too, but hardly anyone packs it
    errors = run(*words("--model-path", "d", handler="base_handler")).errors
    assert [error for error in errors if "[handler-shadows]" in error] == [line("torch.py", "torch")]


# The handler, the files, what is shadowed.
FOLDERS = [
    *(("json.py", ["json.py"], "json"), ("json:handle", ["json.py"], "json")),
    *(("sub/h.py:handle", ["sub/h.py", "sub/types.py"], "types"), ("sub.h:handle", ["sub/h.py", "sub/types.py"], "")),
    *(("sub:handle", ["sub/__init__.py", "sub/types.py"], "types"), ("sub", ["sub/__init__.py", "sub/types.py"], "")),
]


@pytest.mark.parametrize(("handler", "paths", "name"), FOLDERS)
def test_the_handler_and_its_folder(work, run: Command, handler: str, paths: list[str], name: str) -> None:
    assert run(*shadowing(*paths, handler=handler)).errors == ([line(paths[-1], name)] if name else [])


@pytest.mark.parametrize("name", ["time", "os", "sys", "__main__"])
@pytest.mark.parametrize("server", ["torchserve", "mms", "model file"])
def test_what_no_import_finds(work, run: Command, run_mms: Command, server: str, name: str) -> None:
    path = f"d/{name}.py"
    flags = shadowing(f"{name}.py", handler=f"{name}.py")
    if server == "model file":
        flags = words("--model-file", path, handler="base_handler")
    message = f"the server never imports this file, because Python has its own module {name}; rename it"
    assert f"{path}: {message} [handler-shadows]" in (run_mms if server == "mms" else run)(*flags).errors


def test_cpp_is_not_judged(work, run: Command) -> None:
    write({"json.py": ""})
    assert run("--model-name", "n", "--runtime", "LSP", "--extra-files", "json.py").status == 0
