"""What is told of a module from its source holds for the modules that this process has imported."""

from __future__ import annotations

import importlib
import inspect
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from model_archiver.checks.sources.module_names import ModuleNames
from model_archiver.checks.sources.python_module import PythonModule
from model_archiver.checks.sources.values import ABSENT

MORE = """
    argparse ast asyncio.events calendar cmd codecs configparser contextlib copy csv dataclasses difflib dis
    email.message enum fractions functools gettext glob gzip heapq html.parser http.client http.cookiejar imaplib
    inspect json.decoder logging logging.handlers mimetypes multiprocessing.pool operator optparse os pathlib
    pickle platform plistlib pprint pyclbr queue random re reprlib sched selectors shelve shlex smtplib
    socketserver statistics string subprocess symtable tarfile tempfile textwrap threading timeit tokenize trace
    traceback types typing unittest.case unittest.mock urllib.parse urllib.request uuid wave weakref
    xml.dom.minidom xmlrpc.client zipfile zoneinfo
"""
PRETEND = {"tomllib._parser", "weakref"}
"""Some of whose classes are given the name of another module by that one, or imported from one that is written in C."""

STDLIB = Path(sysconfig.get_path("stdlib"))


def modules() -> list[ModuleType]:
    for name in MORE.split():
        try:
            importlib.import_module(name)
        except ImportError:  # of another version or system
            continue
    loaded = [module for name, module in sorted(sys.modules.items()) if getattr(module, "__name__", "") == name]
    files = [(module, Path(getattr(module, "__file__", None) or "")) for module in loaded]
    return [module for module, file in files if file.suffix == ".py" and STDLIB in file.parents]


def names_of(module: ModuleType) -> ModuleNames:
    file = Path(module.__file__)
    return ModuleNames.of(PythonModule.parse(str(file), file.read_bytes()), file.name)


def counted(module: ModuleType) -> set[str]:
    """The names that a server counts."""
    members = inspect.getmembers(
        module, lambda member: inspect.isclass(member) and member.__module__ == module.__name__
    )
    return {name for name, _ in members}


@pytest.fixture(scope="module")
def pairs() -> list[tuple[ModuleType, ModuleNames]]:
    return [(module, names_of(module)) for module in modules() if module.__name__ not in PRETEND]


def test_many_modules_are_looked_at_and_most_are_told_of(pairs) -> None:
    certain = [module for module, names in pairs if not names.is_dynamic]
    whole = [module for module, names in pairs if not names.has_other_classes]
    assert (len(pairs) > 150, len(certain) > len(pairs) / 2, len(whole) > len(pairs) / 4) == (True, True, True)


def test_certain_classes_are_counted_by_the_server(pairs) -> None:
    told = {module.__name__: {each.name for each in names.certain_classes} for module, names in pairs}
    assert {name: classes - counted(sys.modules[name]) for name, classes in told.items() if classes} == {
        name: set() for name, classes in told.items() if classes
    }


def test_no_class_is_overlooked_where_all_are_told(pairs) -> None:
    whole = [(module, names) for module, names in pairs if not names.has_other_classes]
    assert {module.__name__: counted(module) for module, _ in whole} == {
        module.__name__: {each.name for each in names.certain_classes} for module, names in whole
    }


def test_what_is_told_to_be_there_or_not_is_so(pairs) -> None:
    denied = {(module.__name__, name) for module, names in pairs for name in vars(module) if names.lacks(name)}
    gone = {
        (module.__name__, name)
        for module, names in pairs
        if not names.is_dynamic
        for name, values in names.scope.names.items()
        if ABSENT not in values and not hasattr(module, name)
    }
    assert (denied, gone) == (set(), set())
