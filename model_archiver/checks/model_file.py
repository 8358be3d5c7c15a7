"""Check the model file of a handler that loads it as TorchServe's own do.

TorchServe: ts/torch_handler/base_handler.py and densenet_handler.py, `_load_pickled_model`.
"""

from __future__ import annotations

from model_archiver.checks.handler import constructor_problems, listed, syntax_problems
from model_archiver.core.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.context import CheckContext, CheckedFile
    from model_archiver.checks.source import Outline


def model_file_name(context: CheckContext) -> Iterator[Problem]:
    """Report a model file that the server does not find: it imports the name up to the first dot."""
    file, module = _model_file(context), context.text_field("modelFile").partition(".")[0]
    others = {part for path in context.by_path if file and path != file.path for part in path.parts}
    if file is None or file.path.name == f"{module}.py" or any(part.partition(".")[0] == module for part in others):
        return
    name = file.path.name
    if name.endswith(".py"):
        message = f"the server imports the name up to the first dot, {module!r}"
        hint = f"rename the file to {name.removesuffix('.py').replace('.', '_')}.py"
    else:
        message, hint = "the model file must be a Python file", "name the .py file that defines the model's class"
    yield Problem("error", "model-file-name", message, hint, file.display_path)


def model_file_class(context: CheckContext) -> Iterator[Problem]:
    """Report a model file that does not define exactly one class, or one that needs arguments."""
    file = _model_file(context)
    if file is None or context.importable(context.text_field("modelFile").partition(".")[0]) != file.path:
        return
    outline = context.outline(file)
    yield from syntax_problems(context, file, "model-file-class")
    for message, hint, line in _class_problems(outline) if outline else ():
        yield Problem("error", "model-file-class", message, hint, file.display_path, line)


def _class_problems(outline: Outline) -> Iterator[tuple[str, str, int | None]]:
    classes = outline.classes
    if len(classes) > 1:
        hint = "keep only the model's class, and move the others to a module that it imports"
        yield f"the model file must define one class, but it defines {listed(classes)}", hint, None
    elif not classes and not outline.may_have_more_classes:
        yield "the model file must define one class, but it defines none", "define the model's class in it", None
    elif outline.only_class:
        yield from constructor_problems(outline.only_class)


def _model_file(context: CheckContext) -> CheckedFile | None:
    """Return the model file if TorchServe's own code certainly loads it."""
    file = context.named_file("modelFile")
    inherited = context.inherited if file else None
    homes = ("BaseHandler", "DenseNetHandler")
    return file if inherited and any(inherited.runs("_load_pickled_model", home) for home in homes) else None
