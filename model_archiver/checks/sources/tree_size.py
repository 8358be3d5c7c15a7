"""How large a tree is for those that go through it: how deep, and how long what Python compiles of it."""

from __future__ import annotations

import ast

_JUMPS = (ast.Return, ast.Break, ast.Continue)
_OWN_BLOCK = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_BLOCK = 8
"""Nodes that a block is as good as, where it is compiled again."""


def is_deeper(tree: ast.AST, most: int) -> bool:
    """Whether something in a tree is nested in more than so many others."""
    level, depth = [tree], 0
    while level and depth <= most:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return bool(level)


def compiled_size(tree: ast.AST) -> int:
    """How much Python has to do to compile a tree, in nodes: most count once. Rather too much than too little.

    Python compiles a ``finally`` again for each way out of the block before it, hands a name through all functions
    around it, and moves what a pattern binds past all that it has bound before.

    Args:
        tree: one that is not nested deeply.
    """
    return _size_and_exits(tree, 0)[0]


def _size_and_exits(node: ast.AST, functions: int) -> tuple[int, int]:
    """What `compiled_size` counts, within so many functions, and how many jumps out of the block there are in it."""
    if isinstance(node, ast.Name):
        return max(1, functions), 0
    size, exits = (1, 1) if isinstance(node, _JUMPS) else (1, 0)
    inner = functions + 1 if isinstance(node, _OWN_BLOCK) else functions
    last = {id(statement) for statement in getattr(node, "finalbody", [])}
    last_size, last_exits = _BLOCK, 0
    for child in ast.iter_child_nodes(node):
        child_size, child_exits = _size_and_exits(child, inner)
        if id(child) in last:
            last_size, last_exits = last_size + child_size, last_exits + child_exits
        else:
            size, exits = size + child_size, exits + child_exits
    if last:
        copies = exits + 2  # one for the end, and one for a failure
        size, exits = size + copies * last_size, exits + copies * last_exits
    if isinstance(node, ast.match_case):
        size += sum(1 for _ in ast.walk(node.pattern)) ** 2
    return size, 0 if isinstance(node, _OWN_BLOCK) else exits
