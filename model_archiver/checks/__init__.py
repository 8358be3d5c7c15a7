"""What would not serve, or probably not as it is meant.

Each check takes a plan or an opened archive, yields the problems of one code, and has the name of that code. The
checks assume TorchServe 0.12.0 with torch 2.6 or newer, and Multi Model Server 1.1. Those of the model's name, its
version, its runtime and the paths in the archive are here, the others in the files that they import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from model_archiver.checks import imports
from model_archiver.checks.context import CheckContext, CheckedArchive, CheckedFile
from model_archiver.core.entries import portable_key
from model_archiver.core.problems import Problem, has_control


def run_checks(archive: CheckedArchive) -> Iterator[Problem]:
    """Yield all problems of a plan or an opened archive."""
    with suppress(RecursionError, MemoryError):  # what is nested too deeply is not checked
        context = CheckContext(archive)
        for check in _checks(context):
            with suppress(RecursionError, MemoryError):
                yield from check(context)


def _checks(context: CheckContext) -> Iterator[Callable[[CheckContext], Iterator[Problem]]]:
    """Yield the checks, without those of files that this archive does not have: to import them takes time."""
    yield from (name_leading_digit, version_unservable, runtime_unserved, path_case_clash)
    if context.handler.file is not None or context.text_field("modelFile"):
        from model_archiver.checks import handler  # noqa: PLC0415

        yield from (handler.handler_unreachable, handler.handler_syntax, handler.handler_entry, handler.handler_class)
        yield from (handler.handler_undefined_name, handler.handler_parses_arguments)
        yield from (handler.model_file_name, handler.model_file_class)
    yield from (imports.handler_shadows, imports.import_relative, imports.import_not_packed)
    may_have_shards = any(".index." in path.name or "-of-" in path.name for path in context.by_path)
    if context.inherited is not None or context.text_field("serializedFile") or may_have_shards:
        from model_archiver.checks import weights  # noqa: PLC0415

        yield from (weights.weights_missing, weights.weights_unreadable, weights.weights_suffix)
        yield from (weights.weights_without_model_file, weights.weights_with_model_file, weights.weights_unsafe)
        yield from (weights.weights_keys, weights.weights_shards, weights.labels_invalid, weights.vocabulary_missing)
    if context.text_field("configFile"):
        from model_archiver.checks import config  # noqa: PLC0415

        yield from (config.config_invalid, config.config_value, config.config_unknown_key, config.config_misplaced)
        yield config.config_combination
    if context.text_field("requirementsFile"):
        from model_archiver.checks import requirements  # noqa: PLC0415

        yield from (requirements.requirements_invalid, requirements.requirements_local)
    if any(path.name == "requirements.txt" or path.suffix in (".yaml", ".yml") for path in context.by_path):
        from model_archiver.checks.config import file_not_in_manifest  # noqa: PLC0415

        yield file_not_in_manifest


def name_leading_digit(context: CheckContext) -> Iterator[Problem]:
    """Report a name that both servers accept, but not every platform around them."""
    if context.name[:1].isdigit():
        message = "the model's name begins with a digit, which some platforms reject"
        path = f"--model-name {context.name}"
        yield Problem("warning", "name-leading-digit", message, "begin it with a letter", path)


def version_unservable(context: CheckContext) -> Iterator[Problem]:
    """Report a version that the URLs of TorchServe cannot contain."""
    version = context.text_field("modelVersion")
    path = f"--version {version}"
    if has_control(version) or "/" in version or ".." in version:
        message = "a URL cannot contain a version with '/', '..' or a control character"
        yield Problem("error", "version-unservable", message, "choose another version, such as 1.0", path)
    elif not (version.isascii() and all(character.isalnum() or character in "._+-" for character in version)):
        message = "this version must be escaped in a URL"
        yield Problem("warning", "version-unservable", message, "use only letters, digits and . _ - +", path)


def runtime_unserved(context: CheckContext) -> Iterator[Problem]:
    """Report python2, which TorchServe rejects (``Runtime is not defined or invalid.``)."""
    if context.server == "torchserve" and context.fields.get("runtime") == "python2":
        message = "TorchServe does not run python2; only Multi Model Server does"
        yield Problem("warning", "runtime-unserved", message, "use python or python3", "--runtime python2")


def path_case_clash(context: CheckContext) -> Iterator[Problem]:
    """Report two files whose paths differ only in case, as Windows and most Macs ignore it."""
    seen: dict[str, CheckedFile] = {}
    for file in context.members:
        first = seen.setdefault(portable_key(str(file.path)), file)
        if first.path != file.path:
            message = f"this file and {first.path} are one file on systems that ignore case, and one is lost there"
            yield Problem("warning", "path-case-clash", message, "rename one of them", str(file.path))
