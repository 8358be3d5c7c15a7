"""``handler-shadows``: files that a worker would import in place of a module of Python's or of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command

FUNCTION = "def handle(data, context):\n    return data\n"
TORCH_FUNCTION = f"import torch.nn as nn\n\n\n{FUNCTION}"
CLASS = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n    pass\n"

CODE = "[handler-shadows]"

# The files of --model-path; the handler is h.py.
ERRORS = {
    "a module of Python's": (["json.py"], "json"),
    "a package of that name": (["logging/__init__.py"], "logging"),
    "what torch imports": (["random.py"], "random"),
    "the server": (["ts.py"], "ts"),
    "a package called as the server": (["ts/__init__.py", "ts/series.py"], "ts"),
    "a package that the server needs": (["yaml.py"], "yaml"),
    "numpy": (["numpy.py"], "numpy"),
}
WARNINGS = {
    "another yaml": (["yaml/__init__.py"], "yaml"),
    "another numpy": (["numpy/__init__.py", "numpy/mine.py"], "numpy"),
    "torch, which the handler does not import": (["torch.py"], "torch"),
}
SILENT = {
    "names that the worker can do without": [
        *("code.py", "service.py", "base_handler.py", "csv.py", "gzip.py", "psutil.py", "model.py", "utils.py"),
        *("time.py", "os.py", "mms.py", "test.py", "tokenizers.py", "typing_extensions.py"),
    ],
    "folders that are no packages": ["json/x.py", "logging/x.txt", "numpy/x.py", "torch/x.py", "ts/x.py", "yaml/x.py"],
    "files below the root": ["lib/json.py", "lib/__init__.py", "lib/types.py", "lib/torch/__init__.py"],
    "other suffixes": ["json.txt", "logging.json", "types.pyi"],
    "what pip installs": [
        *("numpy/__init__.py", "numpy/linalg/__init__.py", "yaml/__init__.py", "yaml/nodes.py"),
        *("torch/__init__.py", "torch/nn/__init__.py", "packaging/__init__.py", "ts/__init__.py", "ts/arg_parser.py"),
    ],
    "a package of one's own": ["packaging/__init__.py", "mms/__init__.py"],
}


@pytest.mark.parametrize(("paths", "name"), ERRORS.values(), ids=ERRORS)
def test_a_file_without_which_no_worker_starts_is_refused(work, run: Command, paths: list[str], name: str) -> None:
    result = run(*_words(*paths))
    assert result.status == 1
    assert result.errors == [_line(paths[0], name)]
    assert run(*_words(*paths), "--no-checks").status == 0


@pytest.mark.parametrize(("paths", "name"), WARNINGS.values(), ids=WARNINGS)
def test_a_package_that_may_be_meant_is_warned_of(work, run: Command, paths: list[str], name: str) -> None:
    result = run(*_words(*paths))
    assert (result.status, result.warnings) == (0, [_line(paths[0], name)])
    assert run(*_words(*paths), "-f", "--strict").status == 1


@pytest.mark.parametrize("path", ["tokenize.py", "glob.py", "textwrap/__init__.py"])
def test_what_some_versions_need_is_warned_of(work, run: Command, run_mms: Command, path: str) -> None:
    line = _line(path, Path(path).parts[0].removesuffix(".py"))
    result = run(*_words(path))
    assert result.warnings == [line.replace("itself imports;", "itself imports, on some versions of Python and torch;")]
    assert result.status == 0
    assert run_mms(*_words(path), "-f", "--strict").status == 0


@pytest.mark.parametrize("paths", SILENT.values(), ids=SILENT)
def test_what_a_worker_can_live_with_is_passed(work, run: Command, paths: list[str]) -> None:
    result = run(*_words(*paths), "--strict")
    assert (result.status, result.errors, result.warnings) == (0, [], []), result.err


@pytest.mark.parametrize(
    ("path", "name"), [("mms.py", "mms"), ("mms/__init__.py", "mms"), ("json.py", "json"), ("types.py", "types")]
)
def test_mms_has_names_of_its_own(work, run_mms: Command, path: str, name: str) -> None:
    assert run_mms(*_words(path)).errors == [_line(path, name)]


def test_mms_needs_no_torch(work, run_mms: Command) -> None:
    paths = ("torch.py", "ts.py", "yaml.py", "numpy.py", "random.py", "copy.py", "queue.py")
    result = run_mms(*_words(*paths), "--strict")
    assert (result.status, result.errors, result.warnings) == (0, [], []), result.err


@pytest.mark.parametrize("source", [TORCH_FUNCTION, CLASS, f"from torch import nn\n{FUNCTION}"])
def test_torch_is_needed_by_a_handler_that_imports_it(work, run: Command, source: str) -> None:
    assert _line("torch.py", "torch") in run(*_words("torch.py", handler=source)).errors


@pytest.mark.parametrize("name", ["torch", "packaging"])
def test_the_handlers_of_the_server_need_more(work, run: Command, name: str) -> None:
    Path(f"{name}.py").write_text("")
    result = run("--model-name", "m", "--handler", "base_handler", "--extra-files", f"{name}.py")
    message = f"{name}.py: takes the place of the module {name}, which the server itself imports; rename it"
    assert f"{message} [handler-shadows]" in result.errors


@pytest.mark.parametrize("given", ["json.py", "json:handle", "sub/json.py"])
def test_the_handler_itself_may_hide_a_module(work, run: Command, given: str) -> None:
    path = f"{given.partition(':')[0].removesuffix('.py')}.py"
    Path("sub").mkdir()
    Path(path).write_text(FUNCTION)
    [error] = run("--model-name", "m", "--handler", given).errors
    assert error == f"{path}: takes the place of the module json, which the server itself imports; rename it " + CODE


@pytest.mark.parametrize("server", ["torchserve", "mms"])
@pytest.mark.parametrize("name", ["time", "os", "sys", "__main__"])
def test_a_handler_that_no_import_leads_to_is_refused(work, run: Command, run_mms: Command, server, name) -> None:
    words = _words(f"{name}.py", given=f"{name}.py")
    result = (run if server == "torchserve" else run_mms)(*words)
    message = f"is never imported, for {name} is a module of Python's that no file takes the place of; rename it"
    assert result.errors == [f"d/{name}.py: {message} {CODE}"]


def test_a_model_file_that_no_import_leads_to_is_refused(work, run: Command) -> None:
    Path("time.py").write_text("class Net:\n    pass\n")
    words = ("--model-name", "m", "--handler", "base_handler", "--model-file", "time.py")
    message = "is never imported, for time is a module of Python's that no file takes the place of; rename it"
    assert f"time.py: {message} {CODE}" in run(*words).errors


@pytest.mark.parametrize(
    ("given", "paths", "hides"),
    [
        ("sub/h.py:handle", ["sub/h.py", "sub/types.py"], True),
        ("sub.h:handle", ["sub/h.py", "sub/types.py"], False),
        ("sub:handle", ["sub/__init__.py", "sub/types.py"], True),
        ("sub", ["sub/__init__.py", "sub/types.py"], False),
    ],
)
def test_the_folder_of_a_handler_with_a_function_is_looked_in_first(work, run: Command, given, paths, hides) -> None:
    expected = [_line("sub/types.py", "types")] if hides else []
    assert run(*_words(*paths, given=given)).errors == expected


def test_python2_and_cpp_are_not_judged(work, run: Command, run_mms: Command) -> None:
    assert run_mms(*_words("json.py"), "--runtime", "python2").status == 0
    Path("json.py").write_text("")
    assert run("--model-name", "n", "--runtime", "LSP", "--extra-files", "json.py").status == 0


def _words(*paths: str, handler: str = FUNCTION, given: str = "h.py") -> tuple[str, ...]:
    for path in {*paths, "h.py"}:
        Path("d", path).parent.mkdir(parents=True, exist_ok=True)
        Path("d", path).write_text(handler if path == "h.py" or path.startswith(given) else FUNCTION)
    return ("--model-name", "m", "--model-path", "d", "--handler", given)


def _line(path: str, name: str) -> str:
    what = "its folder" if path.endswith("__init__.py") else "it"
    return f"d/{path}: takes the place of the module {name}, which the server itself imports; rename {what} {CODE}"
