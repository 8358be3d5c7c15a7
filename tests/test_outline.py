"""What the outline of a source says holds for the modules that this process has imported."""

from __future__ import annotations

import importlib
import inspect
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from model_archiver.checks.source import Outline, read_outline

MORE = "argparse asyncio.events configparser csv dataclasses enum http.client inspect json.decoder logging.handlers"
MORE += " multiprocessing.pool pickle shelve smtplib statistics tarfile typing unittest.mock urllib.request zipfile"
PRETEND = {"tomllib._parser", "weakref"}
"""Modules whose classes got the name of another module from that one, or are imported from one that is written in C."""
STDLIB = Path(sysconfig.get_path("stdlib"))
METHODS = ("run", "close", "get", "read", "write", "handle")


def outline_of(module: ModuleType) -> Outline:
    path = Path(module.__file__)
    return read_outline(path.read_bytes(), is_package=path.name == "__init__.py")


def counted(module: ModuleType) -> set[str]:
    """Return the names of the classes that a server counts."""
    is_own = lambda member: inspect.isclass(member) and member.__module__ == module.__name__  # noqa: E731
    return {name for name, _ in inspect.getmembers(module, is_own)}


@pytest.fixture(scope="module")
def pairs() -> list[tuple[ModuleType, Outline]]:
    for name in MORE.split():
        importlib.import_module(name)
    loaded = [module for name, module in sorted(sys.modules.items()) if getattr(module, "__name__", "") == name]
    files = [(module, Path(getattr(module, "__file__", None) or "")) for module in loaded]
    own = [module for module, file in files if file.suffix == ".py" and STDLIB in file.parents]
    return [(module, outline_of(module)) for module in own if module.__name__ not in PRETEND]


def test_many_modules_are_certain(pairs) -> None:
    certain = [module for module, outline in pairs if not outline.is_open]
    whole = [module for module, outline in pairs if not outline.may_have_more_classes]
    assert (len(pairs) > 150, len(certain) > len(pairs) / 3, len(whole) > len(pairs) / 5) == (True, True, True)


def test_classes_are_those_that_the_server_counts(pairs) -> None:
    found = {module.__name__: {one.name for one in outline.classes} for module, outline in pairs}
    real = {module.__name__: counted(module) for module, _ in pairs}
    assert {name: classes - real[name] for name, classes in found.items() if classes - real[name]} == {}
    whole = [module.__name__ for module, outline in pairs if not outline.may_have_more_classes]
    assert {name: real[name] for name in whole} == {name: found[name] for name in whole}


def test_names_are_there_or_not(pairs) -> None:
    denied = {(module.__name__, name) for module, outline in pairs for name in vars(module) if outline.lacks(name)}
    gone = {
        (module.__name__, name)
        for module, outline in pairs
        for name in outline.scope.names
        if outline.value(name).kind in ("class", "function", "constant") and not hasattr(module, name)
    }
    assert (denied, gone) == (set(), set())


def test_methods_are_those_that_instances_have(pairs) -> None:
    classes = [(getattr(module, found.name), found) for module, outline in pairs for found in outline.classes]
    for real, found in classes:
        for name in METHODS:
            assert not (found.lacks(name) and name in vars(real)), (real, name)
            method = found.method(name)
            assert method is None or vars(real)[name].__code__.co_firstlineno == method.lineno, (real, name)
        constructor = found.method("__init__")
        assert constructor is None or vars(real)["__init__"].__code__.co_firstlineno == constructor.lineno, real
