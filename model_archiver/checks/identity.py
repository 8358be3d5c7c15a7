"""What a model is called, its version, and what runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model_archiver.checks.package import Package
from model_archiver.issue import CONTROL, Issue

_IN_URLS = re.compile(r"[A-Za-z0-9._+-]+")


def check_name(package: Package) -> Iterator[Issue]:
    """``name-leading-digit``: both servers take such a name, but not every platform around them does."""
    if package.name[:1].isdigit():
        message = "the model's name begins with a digit, which some platforms refuse"
        yield Issue("warning", "name-leading-digit", message, "begin it with a letter", f"--model-name {package.name}")


def check_version(package: Package) -> Iterator[Issue]:
    """``version-unservable``: the version is a part of the URLs by which TorchServe is asked."""
    version = package.text_field("modelVersion")
    where = f"--version {version}"
    if CONTROL.search(version) or "/" in version or ".." in version:
        message = "no URL can name a version with '/', '..' or a control character"
        yield Issue("error", "version-unservable", message, "choose another, such as 1.0", where)
    elif version and not _IN_URLS.fullmatch(version):
        message = "URLs cannot name this version as it is written"
        yield Issue("warning", "version-unservable", message, "use letters, digits and . _ - + only", where)


def check_runtime(package: Package) -> Iterator[Issue]:
    """``runtime-unserved``: TorchServe has no python2 (``Runtime is not defined or invalid.``)."""
    if package.server == "torchserve" and package.fields.get("runtime") == "python2":
        message = "TorchServe does not run python2; only Multi Model Server does"
        yield Issue("warning", "runtime-unserved", message, "use python or python3", "--runtime python2")
