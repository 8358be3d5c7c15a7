"""What would not serve, or probably not as it is meant.

Each check takes a plan or an opened archive, yields the problems of one code, and has the name of that code. The
checks assume TorchServe 0.12.0 with torch 2.6 or newer, and Multi Model Server 1.1.
"""

from __future__ import annotations

from contextlib import suppress

from model_archiver.checks import identity, imports
from model_archiver.checks.context import CheckContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_archiver.checks.context import CheckedArchive
    from model_archiver.core.problems import Problem


def run_checks(archive: CheckedArchive) -> Iterator[Problem]:
    """Yield all problems of a plan or an opened archive."""
    with suppress(RecursionError, MemoryError):  # what is nested too deeply is not checked
        context = CheckContext(archive)
        for check in _checks(context):
            with suppress(RecursionError, MemoryError):
                yield from check(context)


def _checks(context: CheckContext) -> Iterator[Callable[[CheckContext], Iterator[Problem]]]:
    """Yield the checks, without those of files that this archive does not have: to import them takes time."""
    yield from (identity.name_leading_digit, identity.version_unservable)
    yield from (identity.runtime_unserved, identity.path_case_clash)
    if context.handler.file is not None or context.text_field("modelFile"):
        from model_archiver.checks import handler  # noqa: PLC0415

        yield from (handler.handler_unreachable, handler.handler_syntax, handler.handler_entry, handler.handler_class)
        yield from (handler.model_file_name, handler.model_file_class)
    yield from (imports.handler_shadows, imports.import_relative, imports.import_not_packed)
    if context.inherited is not None or context.text_field("serializedFile"):
        from model_archiver.checks import weights  # noqa: PLC0415

        yield from (weights.weights_missing, weights.weights_unreadable, weights.weights_suffix)
        yield from (weights.weights_without_model_file, weights.weights_with_model_file, weights.weights_unsafe)
    if context.inherited is not None:
        from model_archiver.checks import labels  # noqa: PLC0415

        yield from (labels.labels_invalid, labels.vocabulary_missing)
    if context.text_field("configFile"):
        from model_archiver.checks import config  # noqa: PLC0415

        yield from (config.config_invalid, config.config_value, config.config_unknown_key, config.config_combination)
    if context.text_field("requirementsFile"):
        from model_archiver.checks import requirements  # noqa: PLC0415

        yield from (requirements.requirements_invalid, requirements.requirements_local)
