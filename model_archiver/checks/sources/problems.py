"""What a handler and a model file may both have wrong, and how it is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from model_archiver.checks.archive import NotSampledError
from model_archiver.checks.sources.python_module import BrokenSourceError
from model_archiver.checks.sources.signatures import described, takes
from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.sources.class_facts import ClassFacts
    from model_archiver.checks.sources.module_names import CountedClass

_MOST_LISTED = 5
_LONGEST_MESSAGE = 200


def syntax_issues(package: CheckContext, member: CheckedFile, code: str) -> Iterator[Problem]:
    """What is wrong with a source that certainly does not parse.

    Args:
        package: that holds it.
        member: the source.
        code: of the issue.
    """
    try:
        package.parse(member)
    except NotSampledError:
        return
    except BrokenSourceError as error:
        if error.is_certain:
            yield _broken(member, error, code)


def _broken(member: CheckedFile, error: BrokenSourceError, code: str) -> Problem:
    version = ".".join(map(str, sys.version_info[:2]))
    message = f"does not parse with Python {version}: {shortened(error.message, _LONGEST_MESSAGE)}"
    hint = "mend it" if error.line is None else "mend this line"
    return Problem("error", code, message, hint, member.display_path, error.line)


def constructor_faults(facts: ClassFacts) -> Iterator[tuple[str, str, int]]:
    """What is wrong with the ``__init__`` of a class that the server makes, what to do, and the line; or nothing."""
    function = facts.method("__init__")
    if function is not None and not takes(function, 1):
        message = f"class {shortened(facts.node.name)} wants arguments: __init__{described(function)}"
        yield message, "give each a default; the server makes it without any", function.lineno


def listed(classes: Sequence[CountedClass]) -> str:
    """The names of classes, each with its line, and how many more there are than fit a line."""
    names = [f"{shortened(counted.name)} (line {counted.value.line})" for counted in classes[:_MOST_LISTED]]
    more = f" and {len(classes) - _MOST_LISTED} more" if len(classes) > _MOST_LISTED else ""
    return f"{', '.join(names)}{more}"


def alias_of(classes: Sequence[CountedClass]) -> CountedClass | None:
    """The second name of a class, where there is but one class, which counts once for each of its names."""
    definitions = {id(counted.node) for counted in classes}
    is_one = len(classes) > 1 and len(definitions) == 1 and classes[0].node is not None
    return classes[1] if is_one else None
