"""The handler: whether the server finds something to call in it.

TorchServe: ts/model_loader.py, `load`; MMS: mms/model_loader.py, `load`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem
from model_archiver.core.text import closest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.sources.class_facts import ClassFacts
    from model_archiver.checks.sources.module_names import ModuleNames
    from model_archiver.checks.sources.signatures import Function
    from model_archiver.checks.sources.values import Value


@dataclass(frozen=True)
class _Wanted:
    """How what the server calls has to be defined.

    Attributes:
        arguments: as they are written.
        count: of those that it is called with.
    """

    arguments: str
    count: int


_FUNCTION = _Wanted("(data, context)", 2)
_METHODS = {"initialize": _Wanted("(self, context)", 2), "handle": _Wanted("(self, data, context)", 3)}
_ASYNC = b"asyncCommunication"

_MOST_KNOWN = 300
"""Names among which the one that was meant is looked for, which takes long for each."""

_LONGEST_KNOWN = 80
"""Letters of such a name."""


def check_syntax(package: CheckContext) -> Iterator[Problem]:
    """``handler-syntax``: the handler is no Python."""
    member = package.handler.member
    if member is None or not package.handler.is_reachable or not package.runs_python3:
        return
    from model_archiver.checks.sources.problems import syntax_issues  # noqa: PLC0415 - not for a built-in handler

    yield from syntax_issues(package, member, "handler-syntax")


def check_entry(package: CheckContext) -> Iterator[Problem]:
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


def _no_function(package: CheckContext, names: ModuleNames) -> Iterator[Problem]:
    classes = names.certain_classes
    if len(classes) == 1 or (not classes and names.has_other_classes):
        return
    from model_archiver.checks.sources.problems import alias_of, listed  # noqa: PLC0415 - few handlers lack it

    function = package.handler.function
    found = f"{len(classes)} classes where one may be: {listed(classes)}" if classes else "no class"
    message = f"no function {shortened(function)!r} and {found}"
    if meant := _meant(function, names):
        line = names.functions[meant] or None
        yield Problem("error", "handler-entry", message, f"did you mean {meant}?", _where(package), line)
    else:
        alias = alias_of(classes)
        hint = _instead(package, bool(classes)) if alias is None else f"remove {shortened(alias.name)}, a second name"
        yield Problem("error", "handler-entry", message, hint, _where(package))


def _meant(function: str, names: ModuleNames) -> str | None:
    """The function that somebody who named another likely meant."""
    known = [name for name in names.functions if len(name) <= _LONGEST_KNOWN]
    return closest(function, known[:_MOST_KNOWN]) if len(function) <= _LONGEST_KNOWN else None


def _instead(package: CheckContext, has_classes: bool) -> str:
    handler = package.handler
    define = f"define {shortened(handler.function)}{_FUNCTION.arguments}"
    if has_classes:
        return f"{define}, or keep one of them there and move what it needs to another module"
    if handler.is_named:
        return f"{define} or name another after the colon"
    return f"{define} or name another with --handler {PurePosixPath(handler.given).name.removesuffix('.py')}:function"


def _function(package: CheckContext, names: ModuleNames, value: Value) -> Iterator[Problem]:
    from model_archiver.checks.sources.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    name = shortened(package.handler.function)
    message, hint = "", ""
    if value.kind == "literal":
        message, hint = f"{name!r} is no function", f"define {name}{_FUNCTION.arguments}"
    elif value.kind == "function":
        message, hint = _call(package, value.node, name, _FUNCTION)  # type: ignore[arg-type] # which a function has
    elif isinstance(value.node, ast.ClassDef) and ClassFacts(names, value.node).makes_no_list:
        message = f"{name!r} is a class, and the server would call it as a function"
        hint = _instead_of_a_class(names, package.handler.function)
    if message:
        yield Problem("error", "handler-entry", message, hint, _where(package), value.line)


def _instead_of_a_class(names: ModuleNames, name: str) -> str:
    if names.only_class and names.only_class.name == name and names.lacks("handle"):
        return f"name the file without :{shortened(name)}; the server takes the only class in it"
    return f"name a function that takes {_FUNCTION.arguments}"


def _call(package: CheckContext, function: Function, name: str, wanted: _Wanted) -> tuple[str, str]:
    """What is wrong with a function that the server calls with data and context, and what to do; or nothing.

    Args:
        package: that it is in.
        function: its source.
        name: how it is called.
        wanted: how it has to be defined.
    """
    from model_archiver.checks.sources.signatures import described, is_generator, takes  # noqa: PLC0415

    if not takes(function, wanted.count):
        message = f"{name}{described(function)} cannot be called with {_FUNCTION.arguments}"
        return message, f"make it {name}{wanted.arguments}"
    if isinstance(function, ast.AsyncFunctionDef):
        return _async(package, name)
    if is_generator(function):
        return f"{name!r} is a generator, and the server wants a list", "return a list with an answer for each request"
    return "", ""


def _async(package: CheckContext, name: str) -> tuple[str, str]:
    message, hint = f"{name!r} is async, and the server does not await it", "make it a plain def"
    if package.server == "mms":
        return message, hint
    return ("", "") if _may_await(package) else (message, f"{hint}, or set asyncCommunication in the config file")


def _may_await(package: CheckContext) -> bool:
    """Whether the model's configuration may ask for asyncCommunication, with which TorchServe awaits the handler."""
    config = package.named_file("configFile")
    if config is None:
        return False
    text = package.text(config)
    return text is None or _ASYNC in text


def check_class(package: CheckContext) -> Iterator[Problem]:
    """``handler-class``: the class that the server takes for want of a function has not what it asks for."""
    names = package.handler_names
    if names is None or not names.lacks(package.handler.function):
        return
    counted = names.only_class
    if counted is None or counted.node is None:
        return
    from model_archiver.checks.sources.class_facts import ClassFacts  # noqa: PLC0415 - not for a built-in handler

    for message, hint, line in _class(package, ClassFacts(names, counted.node)):
        yield Problem("error", "handler-class", message, hint, _where(package), line)


def _class(package: CheckContext, facts: ClassFacts) -> Iterator[tuple[str, str, int]]:
    from model_archiver.checks.sources.problems import constructor_faults  # noqa: PLC0415 - not for a built-in handler

    name = shortened(facts.node.name)
    if missing := [method for method in _METHODS if facts.lacks(method)]:
        message = f"class {name} has no method {' and no '.join(map(repr, missing))}"
        base = " or derive it from BaseHandler" if package.server == "torchserve" else ""
        define = " and ".join(f"{method}{_METHODS[method].arguments}" for method in missing)
        yield message, f"define {define} in it{base}", facts.node.lineno
    yield from constructor_faults(facts)
    # Multi Model Server goes on where the call fails.
    if package.server == "torchserve" and (initialize := facts.method("initialize")):
        from model_archiver.checks.sources.signatures import described, takes  # noqa: PLC0415

        if not takes(initialize, _METHODS["initialize"].count):
            message = f"initialize{described(initialize)} cannot be called with (context)"
            yield message, f"make it initialize{_METHODS['initialize'].arguments}", initialize.lineno
    if handle := facts.method("handle"):
        message, hint = _call(package, handle, "handle", _METHODS["handle"])
        if message:
            yield message, hint, handle.lineno


def _where(package: CheckContext) -> str:
    member = package.handler.member
    return member.display_path if member else ""
