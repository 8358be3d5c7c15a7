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
from model_archiver.suggestions import did_you_mean

if TYPE_CHECKING:
    from model_archiver.checks.class_facts import ClassFacts
    from model_archiver.checks.module_names import CountedClass, ModuleNames
    from model_archiver.checks.python_module import BrokenSourceError
    from model_archiver.checks.signatures import Function
    from model_archiver.checks.subject import Located
    from model_archiver.checks.values import Value

_WANTED = "(data, context)"
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
    from model_archiver.checks.python_module import BrokenSourceError  # noqa: PLC0415 - not for a built-in handler

    try:
        package.parse(member)
    except NotKeptError:
        return
    except BrokenSourceError as error:
        if error.is_certain:
            yield _broken(member, error, code)


def _broken(member: Located, error: BrokenSourceError, code: str) -> Issue:
    version = ".".join(map(str, sys.version_info[:2]))
    hint = "mend it" if error.line is None else "mend this line"
    return Issue(
        "error", code, f"does not parse with Python {version}: {error.message}", hint, member.where, error.line
    )


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
    found = "no class" if not classes else f"{len(classes)} classes where one may be: {listed(classes)}"
    define = f"define {function}{_WANTED}"
    others = f"{define} or name another after the colon" if package.handler.is_named else _without_a_name(package)
    if classes:
        others = f"{define}, or keep one of them there and move what it needs to another module"
    meant = did_you_mean(function, names.functions, "")
    line = names.functions[meant.removeprefix("did you mean ").removesuffix("?")] if meant else None
    message = f"no function {function!r} and {found}"
    yield Issue("error", "handler-entry", message, meant or others, _where(package), line)


def _without_a_name(package: Package) -> str:
    file = PurePosixPath(package.handler.given).name.removesuffix(".py")
    return f"define handle{_WANTED} or name another with --handler {file}:function"


def listed(classes: list[CountedClass]) -> str:
    """The names of classes, each with its line."""
    return ", ".join(f"{counted.name} (line {counted.value.line})" for counted in classes)


def _function(package: Package, names: ModuleNames, value: Value) -> Iterator[Issue]:
    from model_archiver.checks.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    name = package.handler.function
    message, hint = "", ""
    if value.kind == "literal":
        message, hint = f"{name!r} is no function", f"define {name}{_WANTED}"
    elif value.kind == "function":
        message, hint = _call(package, value.node, name, 2)  # type: ignore[arg-type] # which a function has
    elif isinstance(value.node, ast.ClassDef) and ClassFacts(names, value.node).makes_no_list:
        message = f"{name!r} is a class, and the server would call it as a function"
        hint = _instead_of_a_class(names, name)
    if message:
        yield Issue("error", "handler-entry", message, hint, _where(package), value.line)


def _instead_of_a_class(names: ModuleNames, name: str) -> str:
    if names.only_class and names.only_class.name == name and names.lacks("handle"):
        return f"name the file without :{name}; the server takes the only class in it"
    return f"name a function that takes {_WANTED}"


def _call(package: Package, function: Function, name: str, count: int, bound: int = 0) -> tuple[str, str]:
    """What is wrong with a function that the server calls with data and context, and what to do; or nothing.

    Args:
        package: that it is in.
        function: its source.
        name: how it is called.
        count: how many arguments it is given.
        bound: how many of them are not written in a call, as ``self`` is not.
    """
    from model_archiver.checks.signatures import described, is_generator, takes  # noqa: PLC0415

    if not takes(function, count + bound):
        wanted = "(self, data, context)" if bound else _WANTED
        return f"{name}{described(function)} cannot be called with {_WANTED}", f"make it {name}{wanted}"
    if isinstance(function, ast.AsyncFunctionDef):
        hint = "make it a plain def, or set asyncCommunication in the config file"
        is_served = package.server == "torchserve" and _may_await(package)
        hint = hint if package.server == "torchserve" else "make it a plain def"
        return ("", "") if is_served else (f"{name!r} is async, and the server does not await it", hint)
    if is_generator(function):
        return f"{name!r} is a generator, and the server wants a list", "return a list with an answer for each request"
    return "", ""


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
    from model_archiver.checks.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    for message, hint, line in _class(package, ClassFacts(names, counted.node)):
        yield Issue("error", "handler-class", message, hint, _where(package), line)


def _class(package: Package, facts: ClassFacts) -> Iterator[tuple[str, str, int]]:
    name = facts.node.name
    if missing := [f"{method!r}" for method in ("initialize", "handle") if facts.lacks(method)]:
        define = " and ".join(
            text
            for text in ("initialize(self, context)", "handle(self, data, context)")
            if f"{text.partition('(')[0]!r}" in missing
        )
        base = " or derive it from BaseHandler" if package.server == "torchserve" else ""
        yield (
            f"class {name} has no method {' and no '.join(missing)}",
            f"define {define} in it{base}",
            facts.node.lineno,
        )
    if facts.wanted_arguments:
        message = f"class {name} wants arguments: __init__{facts.wanted_arguments}"
        line = facts.method("__init__").lineno  # type: ignore[union-attr] # whose arguments these are
        yield message, "give each a default; the server makes it without any", line
    if handle := facts.method("handle"):
        message, hint = _call(package, handle, "handle", 2, bound=1)
        if message:
            yield message, hint, handle.lineno


def _where(package: Package) -> str:
    member = package.handler.member
    return member.where if member else ""
