"""What a plain function can be called with."""

from __future__ import annotations

import ast

from model_archiver.checks.sources.words import shortened

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def takes(function: Function, count: int) -> bool:
    """Whether a call with so many positional arguments is one that Python lets through."""
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    keywords_have_defaults = all(default is not None for default in arguments.kw_defaults)
    return required <= count and (count <= positional or arguments.vararg is not None) and keywords_have_defaults


def described(function: Function) -> str:
    """The arguments as they stand in the source, such as ``(data, *rest)``."""
    return f"({shortened(_without_annotations(function.args))})"


def is_generator(function: Function) -> bool:
    """Whether a call only makes a generator."""
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own_nodes(function))


def own_nodes(function: ast.AST) -> list[ast.AST]:
    """What stands in a function's body and not in that of a function or class in it."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = (
        list(getattr(function, "body", [])) if not isinstance(function, ast.Lambda) else [function.body]
    )
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _without_annotations(arguments: ast.arguments) -> str:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(names) - len(arguments.defaults)
    words = [f"{name}=..." if index >= first_default else name for index, name in enumerate(names)]
    if arguments.posonlyargs:
        words.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg or arguments.kwonlyargs:
        words.append(f"*{arguments.vararg.arg if arguments.vararg else ''}")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        words.append(argument.arg if default is None else f"{argument.arg}=...")
    if arguments.kwarg:
        words.append(f"**{arguments.kwarg.arg}")
    return ", ".join(words)
