"""What would not serve, or likely not as it is meant: each check takes a plan or an opened archive, and yields issues.

The checks assume TorchServe 0.12.0 with torch 2.6 or newer, and Multi Model Server 1.1.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from model_archiver.checks import (
    config,
    entry,
    identity,
    imports,
    labels,
    model_file,
    paths,
    reach,
    requirements,
    shadows,
    weights,
)
from model_archiver.checks.package import CheckContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedArchive
    from model_archiver.core.problems import Problem

_CHECKS = (
    identity.check_name,
    identity.check_version,
    identity.check_runtime,
    paths.check_case,
    reach.check_handler_reach,
    shadows.check_shadows,
    entry.check_syntax,
    entry.check_entry,
    entry.check_class,
    imports.check_imports,
    model_file.check_name,
    model_file.check_class,
    weights.check_presence,
    weights.check_file,
    weights.check_vocabulary,
    labels.check_labels,
    labels.check_vocabulary,
    config.check_config,
    requirements.check_requirements,
)


def run_checks(archive: CheckedArchive) -> Iterator[Problem]:
    """Everything that the checks find in a plan or an opened archive."""
    package = CheckContext(archive)
    for check in _CHECKS:
        with suppress(RecursionError, MemoryError):  # nested as no person nests anything: it cannot be judged
            yield from check(package)
