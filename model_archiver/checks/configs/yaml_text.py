"""YAML as TorchServe's two readers take it: SnakeYAML in its front end, PyYAML in its workers.

Nothing is made of a text but its nodes, so that one which unfolds to gigabytes, or which names Python objects, does
no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import SafeConstructor

from model_archiver.checks.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.core.problems import Level

_MERGE, _VALUE = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"
_UNHASHABLE = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "set", "omap", "pairs")}
_DEEPEST = 50
_MOST_ALIASES = 50
"""Both are SnakeYAML's; beyond, the front end leaves the whole file unread, and the worker does not."""
_LONGEST_SCALAR = 1000
"""Characters; no number or date is longer, and numbers of many digits take long to read."""
_NO_SUCH_TAG = "no value has the tag"
_ODD_KEY = "a key is a list or a map"


class BrokenYamlError(Exception):
    """A text that one of the server's readers refuses.

    Attributes:
        level: an error where it is a worker's, which then ends; a warning where it is the front end's.
        message: what is wrong.
        hint: what to do.
        line: where, counted from 1, or None.
    """

    def __init__(self, level: Level, message: str, hint: str, line: int | None) -> None:
        super().__init__(message)
        self.level = level
        self.message = message
        self.hint = hint
        self.line = line


@dataclass(frozen=True, eq=False)
class Entry:
    """One key of a map.

    Attributes:
        key: as a reader gives it, so not always a text.
        node: the value.
        line: of the key, counted from 1.
    """

    key: Any
    node: yaml.Node
    line: int

    @property
    def value(self) -> object:
        """The value: a scalar, a list of scalars, or the `type` of anything with more in it."""
        if isinstance(self.node, yaml.SequenceNode):
            return [_scalar(item) for item in self.node.value]
        return _scalar(self.node)


def read(text: str) -> yaml.Node | None:
    """The outermost node of a text, None where there is none, if both of the server's readers take it.

    Raises:
        BrokenYamlError: one of them does not.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        for node in _nodes(root) if root else ():
            _check(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"has a character that YAML does not allow (U+{error.character:04X})"
        raise BrokenYamlError("error", message, "remove it", line) from None
    except yaml.MarkedYAMLError as error:
        raise _told(error) from None
    return root


def entries(root: yaml.MappingNode) -> list[Entry]:
    """What stands in a map, of each key the last one, with what ``<<`` brings in from elsewhere."""
    found: dict[Any, Entry] = {}
    seen: set[int] = set()

    def gather(node: yaml.Node) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        for part in node.value if isinstance(node, yaml.SequenceNode) else ():
            gather(part)
        own = node.value if isinstance(node, yaml.MappingNode) else ()
        for key, value in reversed(own):
            if key.tag != _MERGE:
                name = key.value if key.tag == _VALUE else _scalar(key)
                found.setdefault(name, Entry(name, value, key.start_mark.line + 1))
        for key, value in own:
            if key.tag == _MERGE:
                gather(value)

    gather(root)
    return sorted(found.values(), key=lambda entry: entry.line)


class _Loader(yaml.SafeLoader):
    """Composes nodes, and stops where SnakeYAML does."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        line = self.line + 1
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        node = super().compose_node(parent, index) if self._depth <= _DEEPEST + 2 else None
        self._depth -= 1
        if node is None:
            raise _unread(f"is nested more than {_DEEPEST} levels deep", line)
        self._aliases += is_alias and not isinstance(node, yaml.ScalarNode)
        if self._aliases > _MOST_ALIASES:
            raise _unread(f"refers to lists or maps more than {_MOST_ALIASES} times (*name)", line)
        return node


def _unread(message: str, line: int) -> BrokenYamlError:
    return BrokenYamlError("warning", message, "simplify it: the server ignores all settings of such a file", line)


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once, but for the signs ``<<`` and ``=`` among the keys."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting.extend(key for key, _ in node.value if key.tag not in (_MERGE, _VALUE))
            waiting.extend(value for _, value in node.value)


def _check(node: yaml.Node) -> None:
    """Refuse what a worker could not make a value of."""
    if node.tag not in SafeConstructor.yaml_constructors:
        raise yaml.constructor.ConstructorError(None, None, f"{_NO_SUCH_TAG} {node.tag!r}", node.start_mark)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag in _UNHASHABLE:
                raise yaml.constructor.ConstructorError(None, None, _ODD_KEY, key.start_mark)
            if key.tag == _MERGE and not _merges(value):
                raise yaml.constructor.ConstructorError(None, None, "<< wants a map", value.start_mark)
    elif isinstance(node, yaml.ScalarNode) and len(node.value) <= _LONGEST_SCALAR:
        try:
            SafeConstructor().construct_object(node)
        except (ValueError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None
        except (AttributeError, LookupError, TypeError):  # how PyYAML fails where a tag's value is none of its kind
            problem = f"this is no value of the tag {node.tag!r}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _merges(node: yaml.Node) -> bool:
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return all(isinstance(part, yaml.MappingNode) for part in parts)


def _scalar(node: yaml.Node) -> object:
    if not isinstance(node, yaml.ScalarNode):
        return type(node)
    if len(node.value) > _LONGEST_SCALAR:
        return str(node.value)
    return SafeConstructor().construct_object(node)


def _told(error: yaml.MarkedYAMLError) -> BrokenYamlError:
    mark = error.problem_mark or error.context_mark
    problem, hint = error.problem or "cannot be read", "mend it: a worker cannot read the file"
    if r"'\t'" in problem:
        problem, hint = "a tab stands where YAML allows blanks only", "replace it by blanks"
    elif "<stream end>" in problem and error.context_mark:
        mark, problem, hint = error.context_mark, "what is opened here is not closed", "close the bracket"
    elif "duplicate anchor" in (error.context or ""):
        problem, hint = "the anchor (&name) is there already", "give it another name"
    elif "single document" in (error.context or ""):
        problem, hint = "a second document begins", "leave out the line --- and what follows, or join the two"
    elif problem.startswith(_NO_SUCH_TAG):
        hint = "leave the tag out, or put the value into quotes"
    elif problem == _ODD_KEY:
        hint = "put what begins with { or [ into quotes"
    problem = shortened(problem, 160)
    place = f" (column {mark.column + 1})" if mark else ""
    return BrokenYamlError("error", f"is not YAML: {problem}{place}", hint, mark.line + 1 if mark else None)
