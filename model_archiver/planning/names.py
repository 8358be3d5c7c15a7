"""Which model names there are."""

from __future__ import annotations

import re

from model_archiver.planning.findings import Findings

_LONGEST = 248  # of the 255 bytes that file systems give a name, .tar.gz included
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_model_name(name: str, findings: Findings) -> bool:
    """Whether the name can be a file name and a part of a URL of the servers at once; a finding where not."""
    if not name:
        findings.error("name-invalid", "the model has no name", "give it one with --model-name")
    elif not _NAME.fullmatch(name):
        message = "a model's name is made of ASCII letters, digits, '_', '-' and '.', beginning with a letter"
        findings.error("name-invalid", message, "choose such a name", path=f"--model-name {name!r}")
    elif ".." in f"{name}.":
        # The output is called <name>.mar, and the servers refuse every URL with two dots in a row.
        message = "a model's name has no two dots in a row and does not end with one"
        findings.error("name-invalid", message, "choose another name", path=f"--model-name {name!r}")
    elif len(name) > _LONGEST:
        message = f"a model's name has no more than {_LONGEST} characters"
        findings.error("name-invalid", message, "choose a shorter name", path=f"--model-name {name!r}")
    else:
        return True
    return False
