"""Check that the server finds the handler file and the model file, and in each something that it can call.

TorchServe: ts/model_loader.py, `load` and `_load_handler_file`; ts/torch_handler/base_handler.py and
densenet_handler.py, `_load_pickled_model`. Multi Model Server: mms/model_loader.py, `load`.
"""

from __future__ import annotations

import _ast
import sys
from collections.abc import Iterator, Sequence

from model_archiver.checks.context import CheckContext, CheckedFile
from model_archiver.checks.imports import modules_found_first
from model_archiver.checks.names import Function, is_generator, takes, walk
from model_archiver.checks.source import Class, Outline
from model_archiver.core.problems import Problem
from model_archiver.core.text import listed, shortened

_Found = tuple[str, str, int | None]  # a message, a hint and a line
_PARAMETERS = "(data, context)"
_PARTIAL = (_ast.Lambda, _ast.IfExp, _ast.BoolOp, _ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp)
_METHODS = {"initialize": "(self, context)", "handle": "(self, data, context)"}


def handler_unreachable(context: CheckContext) -> Iterator[Problem]:
    """Report a handler file that is packed where the server, which drops its folders, does not find it."""
    handler = context.handler
    if handler.file is None or context.fields.get("runtime") == "LSP":
        return
    path, given, top = handler.file.path, handler.given, handler.module.partition(".")[0]
    if handler.is_reachable:
        is_package = any(folder / top / "__init__.py" in context.by_path for folder in context.roots)
        if top == handler.module or is_package or top not in modules_found_first(context.server):
            return  # without __init__.py, Python takes the folder only if no other place has the module
        message = f"the server imports Python's own module {top} instead of this folder"
        hint = f"put an empty __init__.py into the folder {top}"
    elif "." in path.stem:
        message = "the server cannot import a file whose name has a dot"
        hint = f"rename it to {path.stem.replace('.', '_')}.py"
    elif "/" in given and ":" not in given:
        message = f"the server drops the folder of {given} and does not find this file"
        hint = f"name the function too: --handler {given}:handle"
    else:
        message, hint = "the server cannot import this file, because a module shadows its folder", "rename the folder"
    yield Problem("error", "handler-unreachable", message, hint, handler.file.display_path)


def handler_syntax(context: CheckContext) -> Iterator[Problem]:
    """Report a handler file that no Python accepts."""
    handler = context.handler
    if handler.file is not None and handler.is_reachable and context.runs_python3:
        yield from _syntax_problems(context, handler.file, "handler-syntax")


def _syntax_problems(context: CheckContext, file: CheckedFile, code: str) -> Iterator[Problem]:
    error = context.parsed(file)
    if isinstance(error, SyntaxError):
        version = ".".join(map(str, sys.version_info[:2]))
        message = f"this file is not valid Python {version}: {shortened(error.msg, 200)}"
        hint = "fix this line" if error.lineno else "fix the file"
        yield Problem("error", code, message, hint, file.display_path, error.lineno or None)


def handler_entry(context: CheckContext) -> Iterator[Problem]:
    """Report a handler file without the function that the server calls, and without a single class in its place."""
    outline = context.handler_outline
    for message, hint, line in _entry_problems(context, outline) if outline else ():
        yield Problem("error", "handler-entry", message, hint, context.handler.display_path, line)


def _entry_problems(context: CheckContext, outline: Outline) -> Iterator[_Found]:
    handler, classes, value = context.handler, outline.classes, outline.value(context.handler.function)
    name = shortened(handler.function)
    define = f"define {name}{_PARAMETERS}"
    if outline.lacks(handler.function):
        if len(classes) > 1:
            hint = f"{define}, or move all classes but one to another module"
            yield f"this file has no function {name!r}, but {_listed(classes)}", hint, None
        elif not classes and not outline.may_have_more_classes:
            other = f"--handler {shortened(handler.given.partition(':')[0])}:function"
            hint = f"{define}, or name another function: {other}"
            yield f"this file has no function {name!r}, and no class", hint, None
    elif value.kind == "constant":
        yield f"{name!r} is not a function", define, value.line
    elif value.kind == "function":
        yield from _call(context, value.node, name, _PARAMETERS)
    elif any(found.node is value.node and found.is_plain for found in classes):
        hint = f"name a function that takes {_PARAMETERS}, or only the file if it has one class and no function handle"
        yield f"{name!r} is a class, but the server calls it as a function", hint, value.line


def handler_undefined_name(context: CheckContext) -> Iterator[Problem]:
    """Report a name that nothing defines, in the handler or in a model file that TorchServe imports."""
    for file, outline in _imported_files(context):
        for name, line in sorted(outline.undefined.items(), key=lambda item: item[::-1])[:20]:
            message = f"{shortened(name)!r} is not defined, and this line fails when it runs"
            is_attribute = name in outline.stored and "self" in outline.loaded
            hint = f"did you mean self.{shortened(name)}?" if is_attribute else "import it, or define it"
            yield Problem("warning", "handler-undefined-name", message, hint, file.display_path, line)


def handler_parses_arguments(context: CheckContext) -> Iterator[Problem]:
    """Report a file that parses the arguments of the worker, and so ends it, when the worker imports it."""
    for file, outline in _imported_files(context):
        is_sure = ".parse_args" in outline.words and outline.words.isdisjoint({"argv", ".argv"})
        for statement in [each for each in outline.body if is_sure and _parses_arguments(each, outline)][:1]:
            message = "parse_args() reads the command line of the server's worker, and ends the worker"
            hint = "parse arguments only if __name__ is '__main__'"
            yield Problem("error", "handler-parses-arguments", message, hint, file.display_path, statement.lineno)


def _parses_arguments(statement: _ast.stmt, outline: Outline) -> bool:
    """Return whether a statement certainly calls ``parser.parse_args()``, without arguments."""
    nodes = list(walk(statement)) if isinstance(statement, (_ast.Assign, _ast.AnnAssign, _ast.Expr)) else []
    plain = [node.func for node in nodes if isinstance(node, _ast.Call) and not node.args and not node.keywords]
    called = [node for node in plain if isinstance(node, _ast.Attribute) and node.attr == "parse_args"]
    is_parser = any(outline.scope.value(node.value).origin in ("argparse", "optparse") for node in called)
    return is_parser and not any(isinstance(node, _PARTIAL) for node in nodes)


def _imported_files(context: CheckContext) -> Iterator[tuple[CheckedFile, Outline]]:
    """Yield the handler, and the model file if TorchServe's own code certainly imports it, each if it can be judged."""
    for file in (context.handler.file if context.handler_outline else None, _model_file(context)):
        if file and (outline := context.outline(file)):
            yield file, outline


def _call(context: CheckContext, function: Function, name: str, parameters: str) -> Iterator[_Found]:
    """Report a function that the server cannot call with data and context, or whose result it cannot use."""
    if not takes(function, parameters.count(",") + 1):
        message = f"the server calls {name}{_PARAMETERS}, which this function does not take"
        yield message, f"make it {name}{parameters}", function.lineno
    elif isinstance(function, _ast.AsyncFunctionDef):
        or_set = ", or set asyncCommunication in the config file" if context.server == "torchserve" else ""
        if not or_set or not context.text_field("configFile"):  # which may make the server await it
            message = f"{name!r} is async, but the server does not await it"
            yield message, f"make it a plain def{or_set}", function.lineno
    elif is_generator(function):
        message = f"{name!r} is a generator, but the server needs a list"
        yield message, "return a list with one answer per request", function.lineno


def handler_class(context: CheckContext) -> Iterator[Problem]:
    """Report a class that the server cannot use as a handler."""
    outline = context.handler_outline
    found = outline.only_class if outline is not None and outline.lacks(context.handler.function) else None
    for message, hint, line in _class_problems(context, found) if found else ():
        yield Problem("error", "handler-class", message, hint, context.handler.display_path, line)


def _class_problems(context: CheckContext, found: Class) -> Iterator[_Found]:
    is_torchserve = context.server == "torchserve"
    if missing := [name for name in _METHODS if found.lacks(name)]:
        message = f"class {shortened(found.node.name)} has no method {' and no '.join(map(repr, missing))}"
        hint = f"define {' and '.join(f'{name}{_METHODS[name]}' for name in missing)}"
        hint += ", or derive the class from BaseHandler" if is_torchserve else ""
        yield message, hint, found.node.lineno
    yield from _constructor_problems(found)
    initialize, handle = found.method("initialize"), found.method("handle")
    if initialize and is_torchserve and not takes(initialize, 2):  # Multi Model Server goes on if the call fails
        message = "the server calls initialize(context), which this method does not take"
        yield message, f"make it initialize{_METHODS['initialize']}", initialize.lineno
    if handle:
        yield from _call(context, handle, "handle", _METHODS["handle"])


def _constructor_problems(found: Class) -> Iterator[_Found]:
    """Report a class that cannot be called without arguments."""
    function = found.method("__init__")
    if function is not None and not takes(function, 1):
        message = f"the server calls {shortened(found.node.name)}(), but __init__ needs arguments"
        yield message, "give each parameter a default", function.lineno


def _listed(classes: Sequence[Class]) -> str:
    """Return how many classes there are, and their names, each with its line."""
    names = [f"{shortened(found.name, 40)} (line {found.line})" for found in classes]
    return f"{len(classes)} classes: {listed(names, 5)}"


def model_file_name(context: CheckContext) -> Iterator[Problem]:
    """Report a model file that the server does not find: it imports the name up to the first dot."""
    file, module = _model_file(context), context.text_field("modelFile").partition(".")[0]
    parts = {part for path in context.by_path for part in path.parts if file and path != file.path}
    found = (part for part in parts if part.partition(".")[0] == module)
    importable = (module, ".py", ".pyc", ".pyd", ".so")
    if file is None or file.path.name == f"{module}.py" or any(part.endswith(importable) for part in found):
        return
    message = f"the model file must be a Python file without another dot in its name: the server imports {module!r}"
    hint = "rename it, or name the .py file that defines the model's class"
    yield Problem("error", "model-file-name", message, hint, file.display_path)


def model_file_class(context: CheckContext) -> Iterator[Problem]:
    """Report a model file that does not define exactly one class, or one that needs arguments."""
    file = _model_file(context)
    if file is None or context.importable(context.text_field("modelFile").partition(".")[0]) != file.path:
        return
    outline = context.outline(file)
    yield from _syntax_problems(context, file, "model-file-class")
    for message, hint, line in _model_problems(outline) if outline else ():
        yield Problem("error", "model-file-class", message, hint, file.display_path, line)


def _model_problems(outline: Outline) -> Iterator[_Found]:
    classes = outline.classes
    if len(classes) > 1:
        hint = "keep only the model's class, and move the others to a module that it imports"
        yield f"the model file must define one class, but it defines {_listed(classes)}", hint, None
    elif not classes and not outline.may_have_more_classes:
        yield "the model file must define one class, but it defines none", "define the model's class in it", None
    elif outline.only_class:
        yield from _constructor_problems(outline.only_class)


def _model_file(context: CheckContext) -> CheckedFile | None:
    """Return the model file if TorchServe's own code certainly loads it."""
    file = context.named_file("modelFile")
    inherited = context.inherited if file else None
    homes = ("BaseHandler", "DenseNetHandler")
    return file if inherited and any(inherited.runs("_load_pickled_model", home) for home in homes) else None
