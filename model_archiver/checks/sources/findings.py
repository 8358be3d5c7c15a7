"""What a handler and a model file may both have wrong, and how it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from model_archiver.checks.sources.python_module import BrokenSourceError
from model_archiver.checks.sources.signatures import described, takes
from model_archiver.checks.sources.words import shortened
from model_archiver.checks.subject import NotKeptError
from model_archiver.issue import Issue

if TYPE_CHECKING:
    from model_archiver.checks.package import Package
    from model_archiver.checks.sources.class_facts import ClassFacts
    from model_archiver.checks.sources.module_names import CountedClass
    from model_archiver.checks.subject import Located

_MOST_LISTED = 5
_LONGEST_MESSAGE = 200


def syntax_issues(package: Package, member: Located, code: str) -> Iterator[Issue]:
    """What is wrong with a source that certainly does not parse.

    Args:
        package: that holds it.
        member: the source.
        code: of the issue.
    """
    try:
        package.parse(member)
    except NotKeptError:
        return
    except BrokenSourceError as error:
        if error.is_certain:
            yield _broken(member, error, code)


def _broken(member: Located, error: BrokenSourceError, code: str) -> Issue:
    version = ".".join(map(str, sys.version_info[:2]))
    message = f"does not parse with Python {version}: {shortened(error.message, _LONGEST_MESSAGE)}"
    hint = "mend it" if error.line is None else "mend this line"
    return Issue("error", code, message, hint, member.where, error.line)


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
