"""The model file, where the server's own code loads it (ts/torch_handler/base_handler.py, `_load_pickled_model`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.sources.module_names import ModuleNames

_LIBRARIES = (".so", ".pyd")


def check_name(package: CheckContext) -> Iterator[Problem]:
    """``model-file-name``: the server imports the name up to its first dot, and would not find the file."""
    member = _model_file(package)
    if member is None:
        return
    module = package.text_field("modelFile").partition(".")[0]
    if _may_be_imported(package, module):
        return
    name = member.path.name
    if not name.endswith(".py"):
        message, hint = (
            "is no Python file, and the server imports the model file",
            "name a .py file that defines the model",
        )
    elif len(member.path.parts) > 1:
        message, hint = "lies below a folder, where the server does not find a model file", f"have {name} at the root"
    else:
        message = f"the server imports the model file's name up to its first dot, {module!r}"
        hint = f"rename it to {name.removesuffix('.py').replace('.', '_')}.py"
    yield Problem("error", "model-file-name", message, hint, member.display_path)


def _may_be_imported(package: CheckContext, module: str) -> bool:
    """Whether the archive holds anything, anywhere, that Python may find under a name."""
    return any(
        part in (module, f"{module}.py", f"{module}.pyc")
        or (part.startswith(f"{module}.") and part.endswith(_LIBRARIES))
        for path in package.by_path
        for part in path.parts
    )


def check_class(package: CheckContext) -> Iterator[Problem]:
    """``model-file-class``: not exactly one class that is made without arguments."""
    member = _model_file(package)
    if member is None or package.importable(package.text_field("modelFile").partition(".")[0]) != member.path:
        return
    from model_archiver.checks.sources.module_names import ModuleNames  # noqa: PLC0415
    from model_archiver.checks.sources.problems import syntax_issues  # noqa: PLC0415 - few packages have a model file

    broken = list(syntax_issues(package, member, "model-file-class"))
    yield from broken
    module = None if broken else package.parsed(member)
    if module is not None:
        for message, hint, line in _classes(ModuleNames.of(module, member.path.name)):
            yield Problem("error", "model-file-class", message, hint, member.display_path, line)


def _classes(names: ModuleNames) -> Iterator[tuple[str, str, int | None]]:
    from model_archiver.checks.sources.class_facts import ClassFacts  # noqa: PLC0415
    from model_archiver.checks.sources.problems import alias_of, constructor_faults, listed  # noqa: PLC0415

    classes = names.certain_classes
    if len(classes) > 1:
        message = f"defines {len(classes)} classes, and the server takes a single one: {listed(classes)}"
        if alias := alias_of(classes):
            yield message, f"remove {shortened(alias.name)}, a second name, which counts too", None
        else:
            yield message, "keep the model there and move the others to a module that it imports", None
    elif not classes and not names.has_other_classes:
        yield "defines no class; an imported one does not count", "define the model's class in it", None
    elif names.only_class and names.only_class.node:
        yield from constructor_faults(ClassFacts(names, names.only_class.node))


def _model_file(package: CheckContext) -> CheckedFile | None:
    """The model file, where the server's own code certainly loads it."""
    member = package.named_file("modelFile")
    following = package.following if member else None
    if following is None:
        return None
    homes = ("BaseHandler", "DenseNetHandler")
    return member if any(following.runs("_load_pickled_model", of) for of in homes) else None
