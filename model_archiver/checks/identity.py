"""Check the model's name, its version, its runtime and the paths in the archive."""

from __future__ import annotations

from model_archiver.core.entries import portable_key
from model_archiver.core.problems import Problem, has_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.context import CheckContext, CheckedFile


def name_leading_digit(context: CheckContext) -> Iterator[Problem]:
    """Report a name that both servers accept, but not every platform around them."""
    if context.name[:1].isdigit():
        message = "the model's name begins with a digit, which some platforms reject"
        yield Problem(
            "warning", "name-leading-digit", message, "begin it with a letter", f"--model-name {context.name}"
        )


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
