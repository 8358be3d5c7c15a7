"""YAML: config files as both readers of TorchServe accept them, and the nodes of a file of any other use.

TorchServe's readers are SnakeYAML in the front end, and PyYAML in each worker. Few builds need this module, because
PyYAML is slow to load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from model_archiver.core.problems import ModelArchiverError, Problem, error_of
from model_archiver.core.text import shortened

# Both limits are SnakeYAML's. Beyond them the front end ignores the file, and the worker does not.
_MAX_DEPTH = 50
_MAX_ALIASES = 50
_MAX_SCALAR = 1000  # characters: no number or date is longer, and PyYAML takes long to read a number of many digits
_FREQUENT = (  # a part of PyYAML's message, a plainer message, and what to do
    (r"'\t'", "this is a tab, and only spaces are allowed here", "replace it with spaces"),
    (r"indent'\t'", "this line is indented with a tab", "use spaces"),
    ("single document", "a second document starts here", "remove the line --- and what follows, or join the two"),
    ("unhashable key", "a key must not be a list or a mapping", "put a value that starts with { or [ into quotes"),
    ("determine a constructor", "", "remove the tag, or put the value into quotes"),
)
_REJECTED = (UnicodeDecodeError, yaml.reader.ReaderError, yaml.MarkedYAMLError)  # what the readers of a file raise
_Rejection = UnicodeDecodeError | yaml.reader.ReaderError | yaml.MarkedYAMLError

_JSON_STRING = r'("(?:[^"\\]|\\.)*")(?:(\s*):)?'
_LONGEST_KEY = 100  # characters: YAML limits the keys that it takes, and none of ours is longer
TAG = "tag:yaml.org,2002:"


class YamlMapping(dict[object, object]):
    """A mapping that knows the line of each of its keys, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[object, int] = {}

    def below(self, key: str) -> YamlMapping:
        """Return the mapping below a key; an empty one if there is none."""
        value = self.get(key)
        return value if isinstance(value, YamlMapping) else YamlMapping()


def read_yaml(raw: bytes, path: str) -> YamlMapping | Problem:
    """Return the settings of a config file, or the problem for which the server rejects or ignores it."""
    try:
        loader = _Loader(raw.decode("utf-8"))
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    except _REJECTED as failure:
        return _problem_of(failure, raw, path)
    if isinstance(content, YamlMapping):
        return content
    message, hint = "must be a mapping of settings", "write each setting as key: value, with a space after the colon"
    return Problem("error", "config-invalid", message, hint, path, line_of(root) if root else None)


class _IgnoredFileError(yaml.MarkedYAMLError, ModelArchiverError):
    """A limit of SnakeYAML's that a file exceeds."""


class _Loader(yaml.SafeLoader):
    """A loader that also stops where SnakeYAML does, and that needs little time and memory for any file."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.get_mark()
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > _MAX_DEPTH + 2:
            raise _IgnoredFileError(None, None, f"is nested more than {_MAX_DEPTH} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._aliases += is_alias and not isinstance(node, yaml.ScalarNode)
        if self._aliases > _MAX_ALIASES:
            message = f"refers to lists or mappings more than {_MAX_ALIASES} times (*name)"
            raise _IgnoredFileError(None, None, message, mark)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what ``<<`` refers to, each key once: repeated merges would grow without bound."""
        count = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > count:
            names = (key.value if isinstance(key, yaml.ScalarNode) else id(key) for key, _ in node.value)
            node.value = list(dict(zip(names, node.value, strict=True)).values())

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """Return the value of a node; report a value that its tag does not allow, with its line."""
        if isinstance(node, yaml.ScalarNode) and len(node.value) > _MAX_SCALAR:
            return node.value
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, AttributeError, LookupError, TypeError) as error:
            problem = str(error) if isinstance(error, (ValueError, OverflowError)) else f"not a value of {node.tag}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_lined_mapping(self, node: yaml.MappingNode) -> Iterator[YamlMapping]:
        mapping = YamlMapping()
        yield mapping
        mapping.update(self.construct_mapping(node))
        mapping.lines = {self.construct_object(key): line_of(key) for key, _ in node.value}


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_lined_mapping)


def line_of(node: yaml.Node | None) -> int:
    """Return the line of a node, counted from 1; 1 if there is none, because the file is empty."""
    return node.start_mark.line + 1 if node else 1


def _problem_of(error: _Rejection, raw: bytes, path: str) -> Problem:
    """Return the problem of a file that one of the two readers rejects, in plain words if it is a frequent one."""
    if isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError):
        at = error.start if isinstance(error, UnicodeDecodeError) else len(raw.decode()[: error.position].encode())
        line = raw.count(b"\n", 0, at) + 1
        message = "is not UTF-8, or has a character that YAML does not allow"
        return Problem("error", "config-invalid", message, "remove it, or save the file as UTF-8", path, line)
    message, hint = error.problem or "", ""
    mark = error.problem_mark
    if "stream end" in message or "end of stream" in message:
        mark, message, hint = error.context_mark, "this bracket or quote is not closed", "close it"
    number = mark.line + 1 if mark else None
    if isinstance(error, _IgnoredFileError):
        hint = "simplify it: the server ignores all settings of this file"
        return Problem("warning", "config-invalid", message, hint, path, number)
    here, text = "", raw.decode("utf-8-sig")
    if mark:
        here = f"{text[mark.index : mark.index + 1]!r}"
        here = here if text[: mark.index].rpartition("\n")[2].strip() else f"indent{here}"
    for sign, plain_message, plain_hint in _FREQUENT:
        if sign in f"{error.context} {error.problem} {here}":
            message, hint = plain_message or message, plain_hint
    place = f" (column {mark.column + 1})" if mark else ""
    message = f"is not valid YAML: {shortened(message, 160)}{place}"
    return Problem("error", "config-invalid", message, hint, path, number)


def compose_file(file: str, code: str) -> yaml.Node | None:
    """Return the node of a whole YAML or JSON file; None if it has nothing but comments.

    Raises:
        ModelArchiverError: it is neither; its problem has this code.
    """
    raw = Path(file).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
        with suppress(ValueError, RecursionError):
            json.loads(text)
            text = re.sub(_JSON_STRING, _as_yaml, text).replace("\t", " ")
        yaml.reader.Reader(text)  # raises for a character that is not allowed, with its place
        return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text).get_single_node()
    except _REJECTED as failure:
        raise error_of([_problem_of(failure, raw, file).replace(code=code)]) from None
    except RecursionError:  # of the parser that is written in Python
        raise error_of([Problem("error", code, "is nested too deeply", "write a list of mappings", file, 1)]) from None


def _as_yaml(match: re.Match[str]) -> str:
    """Return a string of JSON, with the colon that follows a key, as YAML takes it."""
    value, space = json.loads(match[1]), match[2]
    value = re.sub(r"[\ud800-\udfff]", "\ufffd", value if space is None else value[:_LONGEST_KEY])
    value = re.sub(r"[^ !#-\[\]-~]", lambda char: f"\\U{ord(char[0]):08x}", value)
    return f'"{value}"' if space is None else f'"{value}":{space}'


def is_absent(node: yaml.Node | None) -> bool:
    """Return whether a node is empty, null or only spaces."""
    return node is None or node.tag == f"{TAG}null" or (isinstance(node, yaml.ScalarNode) and not node.value.strip())
