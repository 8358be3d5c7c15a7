"""What handler and model file import, and where it lies."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HANDLE = "def handle(data, context):\n    return data\n"


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


@pytest.fixture
def package(run):
    return lambda *words: run("--model-name", "m", "--handler", "handler.py", *words)


HELPER = {"helpers.py": "x = 1\n"}

MISSING = {
    "a module": (HELPER, "import helpers\n", 1, "helpers", "helpers.py"),
    "a name of it": (HELPER, "\nfrom helpers import x\n", 2, "helpers", "helpers.py"),
    "under another name": (HELPER, "import helpers as h\n", 1, "helpers", "helpers.py"),
    "the second of two": (HELPER, "import json, helpers\n", 1, "helpers", "helpers.py"),
    "a package": ({"lib/__init__.py": ""}, "import lib\n", 1, "lib", "lib"),
    "a module of a package": ({"lib/__init__.py": "", "lib/a.py": "x = 1\n"}, "from lib.a import x\n", 1, "lib", "lib"),
    "a module of a folder": ({"lib/a.py": ""}, "import lib.a\n", 1, "lib.a", "lib"),
    "a module taken from a folder": ({"lib/a.py": ""}, "from lib import a\n", 1, "lib.a", "lib"),
    "in what is called": (
        HELPER,
        "class H:\n    def initialize(self, context):\n        import helpers\n",
        3,
        "helpers",
        "helpers.py",
    ),
    "in a class": (HELPER, "class A:\n    import helpers\n", 2, "helpers", "helpers.py"),
    "in a with": (HELPER, "with open(__file__):\n    import helpers\n", 2, "helpers", "helpers.py"),
    "in a try that lets it through": (
        HELPER,
        "try:\n    import helpers\nexcept ValueError:\n    pass\n",
        2,
        "helpers",
        "helpers.py",
    ),
    "where a path needs quoting": ({"lib/näme.py": ""}, "import lib.näme\n", 1, "lib.näme", "lib"),
}


@pytest.mark.parametrize(("files", "source", "line", "name", "include"), MISSING.values(), ids=MISSING.keys())
def test_what_lies_beside_the_handler_and_is_not_packed_is_named(work, package, files, source, line, name, include):
    _write(work, {**files, "handler.py": source + HANDLE})
    assert package("--strict").errors == [
        f"handler.py:{line}: imports {name}, which lies beside it and is not packed; "
        f"add --include {include} [import-not-packed]"
    ]


@pytest.mark.parametrize(("files", "source", "line", "name", "include"), MISSING.values(), ids=MISSING.keys())
def test_with_what_is_advised_it_is_found(work, package, files, source, line, name, include):
    _write(work, {**files, "handler.py": source + HANDLE})
    words = ("--archive-format", "no-archive", "--export-path", "out")
    assert package("--strict", "--include", include, *words).status == 0
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import handler\n"
        "if hasattr(handler, 'H'): handler.H().initialize(None)"
    )
    subprocess.run([sys.executable, "-I", "-c", code, str(work / "out" / "m")], cwd=work / "out", check=True)


SILENT = {
    "what is packed": ({"--extra-files": "helpers.py"}, HELPER, "import helpers\n"),
    "the standard library": ({}, {"random.py": ""}, "import random\n"),
    "what every server has": ({}, {"torch/__init__.py": "", "ts.py": ""}, "import torch, ts.utils\n"),
    "what is required": (
        {"-r": "requirements.txt"},
        {"my_tools/__init__.py": "", "requirements.txt": "numpy\nMy-Tools==1.0  # ours\n"},
        "import my_tools\n",
    ),
    "what is nowhere": ({}, {}, "import transformers\nfrom PIL import Image\n"),
    "a folder of data": ({}, {"data/a.csv": "1"}, "import data\n"),
    "what may be missing": ({}, HELPER, "try:\n    import helpers\nexcept ImportError:\n    helpers = None\n"),
    "any failure is caught": ({}, HELPER, "try:\n    import helpers\nexcept:\n    pass\n"),
    "one of several is caught": (
        {},
        HELPER,
        "try:\n    import helpers\nexcept (KeyError, ModuleNotFoundError):\n    pass\n",
    ),
    "what is suppressed": (
        {},
        HELPER,
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import helpers\n",
    ),
    "for type checkers": ({}, HELPER, "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helpers\n"),
    "typing.TYPE_CHECKING": ({}, HELPER, "import typing\nif typing.TYPE_CHECKING:\n    import helpers\n"),
    "of the script": ({}, HELPER, 'if __name__ == "__main__":\n    import helpers\n'),
    "under a condition": ({}, HELPER, "import os\nif os.environ.get('X'):\n    import helpers\n"),
    "of a folder put on the path": (
        {"--include": "lib"},
        {"lib/helpers.py": "", **HELPER},
        "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\nimport helpers\n",
    ),
    "in a function, of what is unpacked before": (
        {"--extra-files": "code.zip"},
        {"code.zip": "", **HELPER},
        "import shutil\nclass H:\n    def initialize(self, context):\n        import helpers\n",
    ),
    "after what may be the end": (
        {},
        HELPER,
        "class H:\n    def handle(self, d, c):\n        if c:\n            return\n        import helpers\n",
    ),
    "in what only a base would call": (
        {},
        HELPER,
        "class H:\n    def inference(self, rows):\n        import helpers\n",
    ),
    "in what may never be called": (
        {},
        HELPER,
        "def main():\n    import helpers\nif __name__ == '__main__':\n    main()\n",
    ),
    "what a wheel brings": (
        {"--extra-files": "lib-1.0-py3-none-any.whl", "-r": "requirements.txt"},
        {"lib/__init__.py": "", "lib-1.0-py3-none-any.whl": "", "requirements.txt": "./lib-1.0-py3-none-any.whl\n"},
        "import lib\n",
    ),
    "what a repository may bring": (
        {"-r": "requirements.txt"},
        {"lib/__init__.py": "", "requirements.txt": "numpy\ngit+https://example.com/helpers.git@abc\n"},
        "import lib\n",
    ),
    "what is unpacked first": (
        {"--extra-files": "code.zip"},
        {"code.zip": "", **HELPER},
        "import zipfile\nzipfile.ZipFile('code.zip').extractall()\nimport helpers\n",
    ),
    "of a packed zip that is put on the path": (
        {"--extra-files": "code.zip"},
        {"code.zip": "", **HELPER},
        "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/code.zip')\nimport helpers\n",
    ),
    "of a folder of the server": (
        {},
        HELPER,
        "import sys as s\ns.path.append('/opt/ml/code')\nimport helpers\n",
    ),
    "a name that no file can have": ({}, {}, f"try:\n    import {'a' * 300}\nfinally:\n    pass\n"),
    "a name of many parts": ({}, {}, f"import {'a.' * 3000}a\n"),
    "compiled": ({"--extra-files": "helpers.cpython-311-x86_64-linux-gnu.so"}, HELPER, "import helpers\n"),
    "no source at all": ({}, HELPER, "importlib = None\nx = 'import helpers'\n"),
}


@pytest.mark.parametrize(("flags", "files", "source"), SILENT.values(), ids=SILENT.keys())
def test_nothing_is_said_of(work, package, flags, files, source):
    _write(work, {"helpers.cpython-311-x86_64-linux-gnu.so": "", **files, "handler.py": source + HANDLE})
    result = package("--strict", *(word for pair in flags.items() for word in pair))
    assert result.errors == []
    assert result.status == 0


def test_requirements_that_bring_something_else_change_nothing(work, package):
    lines = "--extra-index-url https://example.com/simple\nnumpy>=1.0  # ./a\nfoo @ https://example.com/foo-1.whl\n"
    _write(work, {"handler.py": f"import helpers\n{HANDLE}", "requirements.txt": lines, **HELPER})
    assert len(package("-r", "requirements.txt").warnings) == 1


def test_the_search_goes_on_in_what_is_packed_and_in_what_is_not(work, package):
    _write(
        work,
        {
            "handler.py": "import a\n" + HANDLE,
            "a.py": "from b.inner import x\n",
            "b/__init__.py": "",
            "b/inner.py": "from . import other\nx = 1\n",
            "b/other.py": "import c\n",
            "c.py": "import a, b\n",
            "unused.py": "import nothing\n",
        },
    )
    assert package("--include", "a.py").warnings == [
        "a.py:1: imports b, which lies beside it and is not packed; add --include b [import-not-packed]",
        f"{Path('b/other.py')}:1: imports c, which lies beside it and is not packed; "
        "add --include c.py [import-not-packed]",
    ]
    assert package("--include", "a.py", "--include", "b", "--include", "c.py", "--strict", "-f").status == 0


def test_paths_in_the_advice_are_those_that_the_user_has(work, run):
    _write(work, {"my src/handler.py": "import helpers\n" + HANDLE, "my src/helpers.py": ""})
    result = run("--model-name", "m", "--handler", "my src/handler.py")
    assert result.warnings == [
        f"{Path('my src/handler.py')}:1: imports helpers, which lies beside it and is not packed; "
        f"add --include '{Path('my src/helpers.py')}' [import-not-packed]"
    ]


def test_an_extra_folder_loses_its_own_name(work, package):
    _write(work, {"lib/__init__.py": "", "lib/a.py": "", "handler.py": "from lib import a\n" + HANDLE})
    assert package("--extra-files", "lib").warnings == [
        "handler.py:1: imports lib, which lies beside it and is not packed; add --include lib [import-not-packed]"
    ]


def test_the_model_file_is_followed_too_but_not_into_its_functions(work, run):
    _write(
        work,
        {
            "net.py": "import layers\nclass Net:\n    pass\ndef train():\n    import dataset\n",
            "layers.py": "",
            "dataset.py": "",
            "handler.py": HANDLE,
            "w.pt": "",
        },
    )
    result = run("--model-name", "m", "--handler", "handler.py", "--model-file", "net.py")
    assert [line for line in result.warnings if "import-" in line] == [
        "net.py:1: imports layers, which lies beside it and is not packed; add --include layers.py [import-not-packed]"
    ]


def test_a_relative_import_of_a_module_in_no_package(work, package):
    _write(work, {"handler.py": "import os\nfrom .helpers import x\n" + HANDLE, **HELPER})
    assert package("--include", "helpers.py").errors == [
        "handler.py:2: imports from .helpers, and the server imports this file as a module of no package; "
        "write helpers without the dot [import-relative]"
    ]
    assert package().warnings == [
        "handler.py:2: imports helpers, which lies beside it and is not packed; "
        "add --include helpers.py [import-not-packed]"
    ]


def test_a_relative_import_where_the_module_says_its_package(work, package):
    boilerplate = "import os, sys\nif not __package__:\n    sys.path.insert(0, os.path.dirname(__file__))\n"
    source = f"{boilerplate}    __package__ = 'src'\n    import src\nfrom .utils import x\n{HANDLE}"
    _write(work, {"handler.py": source, "src/__init__.py": "", "src/utils.py": "x = 1\n"})
    assert package("--include", "src", "--strict").status == 0


def test_a_project_of_many_modules_is_followed_only_so_far(work, package):
    names = [f"m{number}" for number in range(1200)]
    _write(work, {"handler.py": f"from big import {', '.join(names)}\n{HANDLE}", "big/__init__.py": ""})
    for name in names:
        (work / "big" / f"{name}.py").write_text(f"x = '{name * 1000}'\n")
    assert package("--include", "big", "--strict").status == 0
    assert len(package("-f").warnings) == 1


def test_a_relative_import_that_is_caught_or_in_a_package_is_fine(work, package):
    _write(
        work,
        {
            "handler.py": "try:\n    from .a import x\nexcept ImportError:\n    from pkg.a import x\n" + HANDLE,
            "pkg/__init__.py": "from . import a\n",
            "pkg/a.py": "from .b import x\n",
            "pkg/b.py": "x = 1\n",
        },
    )
    assert package("--include", "pkg", "--strict").status == 0


def test_modules_of_a_model_folder(work, run_mms):
    _write(
        work,
        {
            "model/pkg/service.py": "from .tools import x\nimport common\n" + HANDLE,
            "model/pkg/tools.py": "from ..common import x\n",
            "model/common.py": "x = 1\n",
        },
    )
    words = ("--model-name", "m", "--model-path", "model", "--handler", "pkg.service")
    assert run_mms(*words).errors == [
        f"{Path('model/pkg/tools.py')}:1: imports from ..common, and the server imports this file as a module of no "
        "package; write common without the dots [import-relative]"
    ]
    _write(work, {"model/pkg/tools.py": "from common import x\n"})
    assert run_mms(*words, "--strict").status == 0
    assert run_mms(*words, "--exclude", "common.py", "-f").warnings == [
        f"{Path('model/pkg/service.py')}:2: imports common, which lies beside it and is not packed; "
        f"add --include {Path('model/common.py')} [import-not-packed]"
    ]


def test_an_opened_archive_has_no_sources_beside_it(work, package, run):
    _write(work, {"handler.py": "import helpers\n" + HANDLE, **HELPER})
    assert package().status == 0
    assert run("verify", "m.mar", "--strict").status == 0


@pytest.mark.parametrize(
    "line",
    ["globals()['__package__'] = 'src'", "globals().update(__package__='src')", "from src import __package__"],
)
def test_a_package_that_is_said_in_another_way(work, package, line):
    _write(work, {"handler.py": f"import src\n{line}\nfrom .utils import x\n{HANDLE}", "src/__init__.py": ""})
    assert package("--include", "src").errors == []


def test_an_archive_among_the_files_changes_nothing_by_itself(work, package):
    _write(work, {"handler.py": f"import helpers\n{HANDLE}", "words.txt.gz": "", **HELPER})
    assert len(package("--extra-files", "words.txt.gz").warnings) == 1
