"""Write docs/python-api.md from the docstrings and signatures of the public names of `model_archiver`.

``python -m docs.make_api`` writes the page, and with ``--check`` only says whether it is up to date. The first examples
are written by hand, in this file.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_archiver
from model_archiver import ModelArchiverConfig, ModelArchiverError
from model_archiver.cli import scripts
from model_archiver.commands.build_many import BuildResult
from model_archiver.commands.diff import Difference, FieldChange, FileChange
from model_archiver.commands.extract import Extraction
from model_archiver.core.problems import Problem
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.trial.report import TrialAnswer, TrialReport

PAGE = Path(__file__).with_name("python-api.md")
WIDTH = 120
RETURNED = (
    *(ArchiveReport, ArchiveEntry, Problem, Extraction, Difference, FieldChange, FileChange, BuildResult),
    *(TrialReport, TrialAnswer),
)
"""The classes of what the functions return."""

NAMES = {"StrPath": "path", "Paths": "path | Sequence[path]", "Progress": "Callable[[int], object]"}
NAMES |= {"Server": 'Literal["torchserve", "mms"]', "Deflate": 'Literal["auto", "always", "never"]'}
NAMES |= {"Level": 'Literal["error", "warning"]', "Layout": 'Literal["sagemaker"]'}
"""What the aliases in annotations stand for."""

RESULTS = (
    "These objects are compared by value. Most fields are those of the [JSON documents](output.schema.json) of the "
    "commands. The `path` and `archive_format` of an archive are `archive` and `format` there, and each file has a "
    "`role` there. `ArchiveFormat` is a string: `default`, `zip-store`, `tgz` or `no-archive`; a `.mar` that was read "
    "is `default`."
)
INTRODUCTION = """\
# Python API

<!-- Made from the docstrings and docs/make_api.py by `python -m docs.make_api`. -->

`model_archiver` has these names. Everything else in the package is internal, except
[the names of the original packages](#names-of-the-original-packages).

{index}

Nothing here imports torch or a server. Modules are loaded on first use.

## Package a model

The fields of [`ModelArchiverConfig`](#modelarchiverconfig) are the flags of the command line:

```python
from model_archiver import ModelArchiver, ModelArchiverConfig

config = ModelArchiverConfig(
    model_name="digits",
    model_file="examples/digits/model.py",
    serialized_file="examples/digits/digits.pt",
    handler="examples/digits/handler.py",
    extra_files="examples/digits/index_to_name.json",
    export_path="model_store",
    force=True,  # replace an existing archive
)
ModelArchiver.generate_model_archive(config)
```

It returns None. Warnings go to the logger `model_archiver`. Python prints them to stderr, unless logging is set up
otherwise.

## Handle errors

Every error raises a [`ModelArchiverError`](#modelarchivererror). Its `problems` has all of them. It is a
`FileNotFoundError` too if an input is missing. Codes do not change between versions: see
[Errors and warnings](errors.md).

```python
from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError

config = ModelArchiverConfig("digits", model_file="examples/digits/modl.py", handler="image_clasifier", force=True)
try:
    ModelArchiver.generate_model_archive(config)
except ModelArchiverError as failure:
    for problem in failure.problems:
        print(problem.code, problem.path, problem.hint)
```

```text
file-missing image_clasifier did you mean image_classifier?
file-missing examples/digits/modl.py did you mean examples/digits/model.py?
```

## Look into an archive

Each of the commands that [look into archives](inspecting.md) is a function that returns a report:

```python
from model_archiver import diff, extract, inspect, verify

archive = inspect("model_store/digits.mar")
print(archive.manifest["model"]["modelName"], [str(entry.path) for entry in archive.files][:2])
print(verify("model_store/digits.mar").is_ok)
folder = extract("model_store/digits.mar", to="unpacked", force=True).folder
print(diff("model_store/digits.mar", folder).same)
```

```text
digits ['digits.pt', 'handler.py']
True
True
```

## Build many models

```python
from model_archiver import ModelArchiverConfig, build_many

if __name__ == "__main__":  # the processes that it starts may import this file
    requests = [
        ModelArchiverConfig(name, serialized_file="examples/torchscript/wine.pt", handler="base_handler", force=True)
        for name in ("first", "second")
    ]
    for result in build_many(requests):
        print(result.request.model_name, result.exception or result.report.path.name)
```

```text
first first.mar
second second.mar
```

[Build many models](building-many.md) has more, also for clusters. [Test an archive](testing.md#from-python-and-in-ci)
shows `try_archive`.

## Names of the original packages

Scripts that import these names go on working:

| module | names |
|---|---|
| `model_archiver.model_archiver` | `ModelArchiver` |
| `model_archiver.model_archiver_config` | `ModelArchiverConfig` |
| `model_archiver.model_archiver_error` | `ModelArchiverError` |
| `model_archiver.model_packaging` | `generate_model_archive`, `package_model`, `package`, `ModelExportUtils`, \
`ModelArchiverConfig`, `ArgParser` |
| `model_archiver.model_packaging_utils` | `ModelExportUtils`, `archiving_options`, `model_handlers` |
| `model_archiver.manifest_components.manifest` | `Manifest`, `RuntimeType` |
| `model_archiver.arg_parser` | `ArgParser` |

`package` is not in the originals: it packages as `generate_model_archive` does, and returns an
[`ArchiveReport`](#archivereport). `package_model` takes a manifest of your own:

```python
import json

from model_archiver import ModelArchiverConfig
from model_archiver.model_packaging import package, package_model
from model_archiver.model_packaging_utils import ModelExportUtils

config = ModelArchiverConfig("wine", serialized_file="examples/torchscript/wine.pt", handler="base_handler", force=True)
report = package(config)
print(report.path.name, len(report.files), report.digest is not None)

manifest = json.loads(ModelExportUtils.generate_manifest_json(config))
manifest["model"]["description"] = "classifies wine"
package_model(config, json.dumps(manifest))
```

```text
wine.mar 3 True
```

These functions take any object that has some of the fields as attributes, such as an `argparse.Namespace`.

## Types

A *path* is a string or any `os.PathLike`. Relative paths start in the current folder at the time of the call. Arguments
after `*` are given by name. A *Request* is a `ModelArchiverConfig`, or any object that has some of its fields as
attributes. A *Plan* is what a build would write. Its fields are internal. `progress` may have a method `add_total`,
which is then called first, with the number of bytes to expect.

"""


def page() -> str:
    """Return the page."""
    names = sorted(model_archiver.__all__, key=lambda name: (name.startswith("_"), name.lower()))
    public = {name: getattr(model_archiver, name) for name in names}
    rows = [f"| [`{name}`](#{_anchor(name)}) | {_summary(value)} |" for name, value in public.items()]
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    parts = [
        INTRODUCTION.replace("{index}", "\n".join(["| name | what it is or does |", "|---|---|", *rows])),
        "## Functions\n\n",
        *(_function(f"### {name}", name, value) for name, value in functions.items()),
        "## Classes\n\n",
        *(_class(f"### {name}", value) for name, value in classes.items()),
        "### `__version__`\n\nThe version of this package, a string.\n\n",
        _wrapped("## What the functions return"),
        _wrapped(RESULTS),
        *(_class(f"### {value.__name__}", value) for value in RETURNED),
    ]
    return "".join(parts).rstrip("\n") + "\n"


def _summary(value: object) -> str:
    return "The version of this package." if isinstance(value, str) else _text(next(_sections(value))[1][0])


def _function(heading: str, name: str, function: Callable[..., Any]) -> str:
    """Return the section of a function."""
    sections = dict(_sections(function))
    described = dict(_items(sections.get("Args", [])))
    parameters = inspect.signature(function).parameters.values()
    first = next((each.name for each in parameters if each.kind is each.KEYWORD_ONLY), None)
    words = [("*, " if each.name == first else "") + each.name for each in parameters]
    result = _annotation(str(inspect.signature(function).return_annotation))
    rows = [(each.name, str(each.annotation), _default(each.default), described[each.name]) for each in parameters]
    call = f"`{name}({', '.join(words)})` returns {result}."
    return f"{heading}\n\n{_wrapped(call)}{_paragraphs(sections[''])}{_table('argument', rows)}{_raised(sections)}"


def _class(heading: str, kind: type) -> str:
    """Return the section of a class: its fields, its public properties and its methods."""
    sections = dict(_sections(kind))
    described = dict(_items(sections.get("Attributes", []))) or dict(_comments(kind))
    types = inspect.get_annotations(kind) if kind is not ModelArchiverError else {"problems": "tuple[Problem, ...]"}
    defaults = vars(kind) if kind is ModelArchiverConfig else {}  # nobody else makes the other ones
    none = inspect.Parameter.empty
    rows = [(name, types[name], _default(defaults.get(name, none)), text) for name, text in described.items()]
    for name, value in vars(kind).items():
        if isinstance(value, property):
            summary = re.sub(r"^Return ", "", _summary(value))
            rows.append((name, value.fget.__annotations__["return"], "", summary[:1].lower() + summary[1:]))
    methods = [_method(kind, name) for name in ("generate_model_archive", "from_args") if name in vars(kind)]
    return f"{heading}\n\n{_paragraphs(sections[''])}{_table('field', rows)}{''.join(methods)}"


def _method(kind: type, name: str) -> str:
    function = getattr(scripts, name, None) or getattr(kind, name)  # the original class only calls the function
    return _function(f"#### {kind.__name__}.{name}", f"{kind.__name__}.{name}", function)


def _sections(value: object) -> Iterator[tuple[str, list[str]]]:
    """Yield the heading and the paragraphs of each section of a docstring; the first one has no heading."""
    text = inspect.getdoc(value) or ""
    heading, *rest = re.split(r"^(Args|Attributes|Raises|Returns|Example):\n", text, flags=re.MULTILINE)
    yield "", heading.strip().split("\n\n")
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        yield name, [textwrap.dedent(body).strip("\n")]


def _items(bodies: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each item of a section."""
    for body in bodies:
        for name, text in re.findall(r"^(\w+): ((?:.|\n(?=\s))+)", body, re.MULTILINE):
            yield name, _text(text)


def _comments(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each field of a class whose fields are described by comments."""
    source = inspect.getsource(kind)
    for name in getattr(kind, "_fields", ()):
        comment = re.search(rf"^    {name}: .*  # (.+)$", source, re.MULTILINE)
        yield name, _text(f"{comment[1] if comment else f'the {name}'}.")


def _text(text: str) -> str:
    """Return the text of a docstring as Markdown, on one line."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def _raised(sections: dict[str, list[str]]) -> str:
    return "".join(_wrapped(f"Raises `{name}`: {text}") for name, text in _items(sections.get("Raises", [])))


def _table(first: str, rows: list[tuple[str, str, str, str]]) -> str:
    if not rows:
        return ""
    has_defaults = any(default for _, _, default, _ in rows)
    cells = [[f"`{name}`", _annotation(kind), default, text] for name, kind, default, text in rows]
    cells = [[first, "type", "default", "meaning"], ["---"] * 4, *cells]
    lines = (f"| {' | '.join(row if has_defaults else [*row[:2], row[3]])} |\n" for row in cells)
    return f"{''.join(lines)}\n".replace("|  |", "| |").replace("| --- ", "|---")


def _annotation(text: str) -> str:
    """Return an annotation as Markdown, its alternatives joined by "or"."""
    text = re.sub(r"\b[a-z]+\.(?=[A-Z])", "", text)  # the module of an alias
    text = re.sub(r"\b[A-Z]\w+\b", lambda match: NAMES.get(match[0], match[0]), text).replace("'", '"')
    own = {kind.__name__ for kind in RETURNED} | set(model_archiver.__all__)
    words, depth = [""], 0
    for word in text.split(" "):
        depth += word.count("[") - word.count("]")
        words[-1:] = [*words[-1:], ""] if word == "|" and depth == 0 else [f"{words[-1]} {word}".strip()]
    return " or ".join(f"[`{word}`](#{_anchor(word)})" if word in own else f"`{word}`" for word in words).replace(
        "|", "\\|"
    )


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return "none" if inspect.isfunction(value) else f"`{value!r}`".replace("'", '"')


def _anchor(name: str) -> str:
    return name.lower()


def _paragraphs(paragraphs: list[str]) -> str:
    return "".join(_wrapped(_text(paragraph)) for paragraph in paragraphs)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n\n"


def main() -> int:
    """Do what the command line says; return 1 if the page is not up to date."""
    parser = argparse.ArgumentParser(description="Write docs/python-api.md from the docstrings.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if the page is not up to date")
    if parser.parse_args().check:
        is_same = PAGE.read_text(encoding="utf-8") == page()
        print("up to date" if is_same else "out of date: run python -m docs.make_api")  # noqa: T201
        return int(not is_same)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
