"""Files that the server reads only where the manifest names them, in archives whose manifest names none.

TorchServe: org/pytorch/serve/archive/model/Manifest.java, `getRequirementsFile` and `getConfigFile`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from model_archiver.checks.config import KEYS
from model_archiver.core.problems import LARGEST_CONFIG, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.context import CheckContext

_REQUIREMENTS = PurePosixPath("requirements.txt")
_CONFIG_NAME = re.compile(r"model[-_]config\.ya?ml")
_SUFFIXES = (".yaml", ".yml")
_OWN_KEY = re.compile(rf"^({'|'.join(KEYS)})\s*:".encode(), re.MULTILINE)
_OWN_LINE = re.compile(rb"^[^\S\n]*[^#\s]", re.MULTILINE)


def file_not_in_manifest(context: CheckContext) -> Iterator[Problem]:
    """Report requirements and settings that the server does not read; a file that the handler mentions is its own."""
    if context.server != "torchserve" or not context.runs_python3 or "specificationVersion" in context.fields:
        return  # model-archiver, which writes that field, has no flags for these files
    for path, file in context.by_path.items():
        is_requirements = path == _REQUIREMENTS
        if not is_requirements and (path.suffix not in _SUFFIXES or len(path.parts) > 1):
            continue
        field, flag = ("requirementsFile", "-r") if is_requirements else ("configFile", "-c")
        if context.text_field(field) or file.size > LARGEST_CONFIG:
            continue
        text, sign = context.text(file) or b"", _OWN_LINE if is_requirements else _OWN_KEY
        is_meant = sign.search(text) or _CONFIG_NAME.fullmatch(path.name)
        if is_meant and not context.mentioned([path.name.encode(errors="surrogateescape")]):
            message = "the server does not read this file, because the manifest does not name it"
            yield Problem("warning", "file-not-in-manifest", message, f"name it with {flag}", file.display_path)
