"""What a model is called, its version, and what runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from model_archiver.core.problems import CONTROL, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext

_IN_URLS = re.compile(r"[A-Za-z0-9._+-]+")


def check_name(package: CheckContext) -> Iterator[Problem]:
    """``name-leading-digit``: both servers take such a name, but not every platform around them does."""
    if package.name[:1].isdigit():
        message = "the model's name begins with a digit, which some platforms refuse"
        yield Problem(
            "warning", "name-leading-digit", message, "begin it with a letter", f"--model-name {package.name}"
        )


def check_version(package: CheckContext) -> Iterator[Problem]:
    """``version-unservable``: the version is a part of the URLs by which TorchServe is asked."""
    version = package.text_field("modelVersion")
    display_path = f"--version {version}"
    if CONTROL.search(version) or "/" in version or ".." in version:
        message = "no URL can name a version with '/', '..' or a control character"
        yield Problem("error", "version-unservable", message, "choose another, such as 1.0", display_path)
    elif version and not _IN_URLS.fullmatch(version):
        message = "URLs cannot name this version as it is written"
        yield Problem("warning", "version-unservable", message, "use letters, digits and . _ - + only", display_path)


def check_runtime(package: CheckContext) -> Iterator[Problem]:
    """``runtime-unserved``: TorchServe has no python2 (``Runtime is not defined or invalid.``)."""
    if package.server == "torchserve" and package.fields.get("runtime") == "python2":
        message = "TorchServe does not run python2; only Multi Model Server does"
        yield Problem("warning", "runtime-unserved", message, "use python or python3", "--runtime python2")
