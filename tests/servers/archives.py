"""Archives made by the commands under test, called as functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from model_archiver.cli import main, mms_main

if TYPE_CHECKING:
    from collections.abc import Callable

SUFFIXES = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}
FORMATS = tuple(SUFFIXES)


DIGITS = Path(__file__).parents[2] / "examples" / "digits"
DIGITS_FLAGS = (
    *("--model-file", DIGITS / "model.py", "--serialized-file", DIGITS / "digits.pt"),
    *("--handler", DIGITS / "handler.py", "--extra-files", DIGITS / "index_to_name.json"),
)
SAMPLE = json.loads((DIGITS / "sample.json").read_bytes())

GREETING = """\
def handle(data, context):
    return ["hello"] * len(data) if data else None
"""

# Answers with the SHA-256 of every .bin file of the model's folder.
HASHING_HANDLER = """\
import hashlib
from pathlib import Path


def handle(data, context):
    if data is None:
        return None
    hashes = {}
    for path in Path(context.system_properties["model_dir"]).glob("*.bin"):
        with path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return [hashes]
"""


def torch_archive(export_path: Path, name: str, *flags: object, archive_format: str = "default") -> Path:
    return _archive(main, export_path, name, archive_format, ["--version", "1.0", *flags])


def mms_archive(export_path: Path, name: str, *flags: object, archive_format: str = "default") -> Path:
    return _archive(mms_main, export_path, name, archive_format, list(flags))


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Write text *files*, given by their paths below *root*, and return *root*."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def _archive(
    command: Callable[[list[str]], int], export_path: Path, name: str, archive_format: str, flags: list[object]
) -> Path:
    export_path.mkdir(parents=True, exist_ok=True)
    argv = ["--model-name", name, "--export-path", export_path, "--archive-format", archive_format, *flags]
    assert command([str(argument) for argument in argv]) == 0
    return export_path / f"{name}{SUFFIXES[archive_format]}"
