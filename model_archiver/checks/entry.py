"""The handler: whether the server finds something to call in it.

TorchServe: ts/model_loader.py, `load`; MMS: mms/model_loader.py, `load`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from model_archiver.checks.package import Package
from model_archiver.checks.subject import NotKeptError
from model_archiver.issue import Issue
from model_archiver.suggestions import closest

if TYPE_CHECKING:
    from model_archiver.checks.sources.class_facts import ClassFacts
    from model_archiver.checks.sources.module_names import CountedClass, ModuleNames
    from model_archiver.checks.sources.python_module import BrokenSourceError
    from model_archiver.checks.sources.signatures import Function
    from model_archiver.checks.sources.values import Value
    from model_archiver.checks.subject import Located

_WANTED = "(data, context)"
_METHODS = {"initialize": "(self, context)", "handle": "(self, data, context)"}
_ASYNC = b"asyncCommunication"


def check_syntax(package: Package) -> Iterator[Issue]:
    """``handler-syntax``: the handler is no Python."""
    member = package.handler.member
    if member is None or not package.handler.is_reachable or not package.runs_python3:
        return
    yield from parsed(package, member, "handler-syntax")


def parsed(package: Package, member: Located, code: str) -> Iterator[Issue]:
    """What is wrong with a source that does not parse.

    Args:
        package: that holds it.
        member: the source.
        code: of the issue.
    """
    from model_archiver.checks.sources.python_module import BrokenSourceError  # noqa: PLC0415 - not for a built-in handler

    try:
        package.parse(member)
    except NotKeptError:
        return
    except BrokenSourceError as error:
        if error.is_certain:
            yield _broken(member, error, code)


def _broken(member: Located, error: BrokenSourceError, code: str) -> Issue:
    version = ".".join(map(str, sys.version_info[:2]))
    message = f"does not parse with Python {version}: {error.message}"
    hint = "mend it" if error.line is None else "mend this line"
    return Issue("error", code, message, hint, member.where, error.line)


def check_entry(package: Package) -> Iterator[Issue]:
    """``handler-entry``: what the server would call is not there, or nothing that it can call."""
    names = package.handler_names
    if names is None:
        return
    function = package.handler.function
    values = names.attribute(function)
    if names.lacks(function):
        yield from _no_function(package, names)
    elif len(values) == 1:
        (value,) = values
        yield from _function(package, names, value)


def _no_function(package: Package, names: ModuleNames) -> Iterator[Issue]:
    classes = names.certain_classes
    if len(classes) == 1 or (not classes and names.has_other_classes):
        return
    function = package.handler.function
    found = f"{len(classes)} classes where one may be: {listed(classes)}" if classes else "no class"
    message = f"no function {function!r} and {found}"
    if meant := closest(function, names.functions):
        line = names.functions[meant] or None
        yield Issue("error", "handler-entry", message, f"did you mean {meant}?", _where(package), line)
    else:
        yield Issue("error", "handler-entry", message, _instead(package, bool(classes)), _where(package))


def _instead(package: Package, has_classes: bool) -> str:
    handler = package.handler
    define = f"define {handler.function}{_WANTED}"
    if has_classes:
        return f"{define}, or keep one of them there and move what it needs to another module"
    if handler.is_named:
        return f"{define} or name another after the colon"
    return f"{define} or name another with --handler {PurePosixPath(handler.given).name.removesuffix('.py')}:function"


def listed(classes: list[CountedClass]) -> str:
    """The names of classes, each with its line."""
    return ", ".join(f"{counted.name} (line {counted.value.line})" for counted in classes)


def _function(package: Package, names: ModuleNames, value: Value) -> Iterator[Issue]:
    from model_archiver.checks.sources.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    name = package.handler.function
    message, hint = "", ""
    if value.kind == "literal":
        message, hint = f"{name!r} is no function", f"define {name}{_WANTED}"
    elif value.kind == "function":
        message, hint = _call(package, value.node, name)  # type: ignore[arg-type] # which a function has
    elif isinstance(value.node, ast.ClassDef) and ClassFacts(names, value.node).makes_no_list:
        message = f"{name!r} is a class, and the server would call it as a function"
        hint = _instead_of_a_class(names, name)
    if message:
        yield Issue("error", "handler-entry", message, hint, _where(package), value.line)


def _instead_of_a_class(names: ModuleNames, name: str) -> str:
    if names.only_class and names.only_class.name == name and names.lacks("handle"):
        return f"name the file without :{name}; the server takes the only class in it"
    return f"name a function that takes {_WANTED}"


def _call(package: Package, function: Function, name: str, wanted: str = _WANTED) -> tuple[str, str]:
    """What is wrong with a function that the server calls with data and context, and what to do; or nothing.

    Args:
        package: that it is in.
        function: its source.
        name: how it is called.
        wanted: the arguments that are written where it is defined.
    """
    from model_archiver.checks.sources.signatures import described, is_generator, takes  # noqa: PLC0415

    if not takes(function, wanted.count(",") + 1):
        return f"{name}{described(function)} cannot be called with {_WANTED}", f"make it {name}{wanted}"
    if isinstance(function, ast.AsyncFunctionDef):
        return _async(package, name)
    if is_generator(function):
        return f"{name!r} is a generator, and the server wants a list", "return a list with an answer for each request"
    return "", ""


def _async(package: Package, name: str) -> tuple[str, str]:
    message, hint = f"{name!r} is async, and the server does not await it", "make it a plain def"
    if package.server == "mms":
        return message, hint
    return ("", "") if _may_await(package) else (message, f"{hint}, or set asyncCommunication in the config file")


def _may_await(package: Package) -> bool:
    """Whether the model's configuration may ask for asyncCommunication, with which TorchServe awaits the handler."""
    from model_archiver.checks.package import read_text  # noqa: PLC0415

    config = package.named_file("configFile")
    try:
        return config is not None and _ASYNC in read_text(config)
    except NotKeptError:
        return True


def check_class(package: Package) -> Iterator[Issue]:
    """``handler-class``: the class that the server takes for want of a function has not what it asks for."""
    names = package.handler_names
    if names is None or not names.lacks(package.handler.function):
        return
    counted = names.only_class
    if counted is None or counted.node is None:
        return
    from model_archiver.checks.sources.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    for message, hint, line in _class(package, ClassFacts(names, counted.node)):
        yield Issue("error", "handler-class", message, hint, _where(package), line)


def _class(package: Package, facts: ClassFacts) -> Iterator[tuple[str, str, int]]:
    name = facts.node.name
    if missing := [method for method in _METHODS if facts.lacks(method)]:
        message = f"class {name} has no method {' and no '.join(map(repr, missing))}"
        base = " or derive it from BaseHandler" if package.server == "torchserve" else ""
        define = " and ".join(f"{method}{_METHODS[method]}" for method in missing)
        yield message, f"define {define} in it{base}", facts.node.lineno
    yield from wanted_arguments(facts)
    if handle := facts.method("handle"):
        message, hint = _call(package, handle, "handle", _METHODS["handle"])
        if message:
            yield message, hint, handle.lineno


def wanted_arguments(facts: ClassFacts) -> Iterator[tuple[str, str, int]]:
    """What is wrong with the ``__init__`` of a class that the server makes, what to do, and the line; or nothing."""
    from model_archiver.checks.sources.signatures import described, takes  # noqa: PLC0415

    function = facts.method("__init__")
    if function is not None and not takes(function, 1):
        message = f"class {facts.node.name} wants arguments: __init__{described(function)}"
        yield message, "give each a default; the server makes it without any", function.lineno


def _where(package: Package) -> str:
    member = package.handler.member
    return member.where if member else ""
