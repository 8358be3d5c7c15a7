"""Damaged archives: whatever is done to one, it is refused or holds what it did, and nobody sees a traceback.

``DAMAGED_ARCHIVES=20000 pytest tests/test_damage.py`` looks at more of them than the everyday run does.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.archives import contents, tree
from tests.conftest import Command
from tests.damage import Damaged, damaged
from tests.packing import build
from tests.work import Inflater, read_bytes

COUNT = int(os.environ.get("DAMAGED_ARCHIVES", "400"))
SHARES = {"default": 0.45, "foreign": 0.15, "tgz": 0.4}
MOST_UNPACKED = 1 << 18  # bytes, of archives that hold 10 KB
MOST_READ = 2 << 20  # bytes, with the modules that a command imports
MOST_MEMORY = 300 << 20


@pytest.fixture
def sound(model: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Sound archives: of ours, and one of a tool that writes no sums, but data descriptors."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    (model / "weights.bin").write_bytes(random.Random(7).randbytes(3000) + bytes(3000))
    words = ["--model-file", "model.py", "--serialized-file", "model.pt", "--handler", "handler.py"]
    archives = {
        form: build(run, *words, "--extra-files", "weights.bin", archive_format=form) for form in ("default", "tgz")
    }
    held = contents(archives["default"])
    with open("foreign.mar", "wb") as file, zipfile.ZipFile(_Unseekable(file), "w", zipfile.ZIP_DEFLATED) as foreign:  # noqa: PTH123
        for path, content in held.items():
            if not path.endswith("SUMS"):
                foreign.writestr(path, content)
    return {**archives, "foreign": Path("foreign.mar")}


class _Unseekable:
    """A file that zipfile cannot go back in, so that sizes follow the data."""

    def __init__(self, file) -> None:
        self.write, self.flush = file.write, file.flush


@pytest.mark.parametrize("kind", SHARES)
def test_damage_is_found_or_changes_nothing(sound, run: Command, kind: str, monkeypatch) -> None:
    monkeypatch.setattr(zlib, "decompressobj", Inflater)
    whole = contents(sound[kind])
    data = sound[kind].read_bytes()
    assert run("verify", sound[kind]).status == 0
    found, before = 0, _peak()
    for seed in range(int(COUNT * SHARES[kind])):
        archive = damaged(data, seed, is_zip=kind != "tgz", has_sums=kind != "foreign")
        found += _look_into(archive, whole, sound[kind].suffix, run)
    assert found > 0.5 * COUNT * SHARES[kind]
    assert _peak() < MOST_MEMORY + before


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _look_into(archive: Damaged, whole: dict[str, bytes], suffix: str, run: Command) -> bool:
    """Whether the damage is found; where it is not, nothing must have changed."""
    path = Path(f"damaged{'.tar.gz' if suffix == '.gz' else suffix}")
    path.write_bytes(archive.data)
    before = tree(Path().resolve().parent)
    verified = _answer(run, archive, "verify", path, "--json")
    inspected = _answer(run, archive, "inspect", path)
    extracted = _answer(run, archive, "extract", path, "--to", "out/side")
    if verified.status == 0:
        assert inspected.status == 0, archive.label
        assert contents(path) == whole, archive.label
        warnings = {issue["code"] for issue in json.loads(verified.out)["problems"]}
        assert warnings <= {"entry-duplicate"}, archive.label
        assert extracted.status == bool(warnings), archive.label
        assert warnings or contents(Path("out/side")) == whole, archive.label
    elif extracted.status == 0:
        # Whoever extracts wants the files, not a server: what is out is what an independent reader finds.
        assert contents(Path("out/side")) == contents(path), archive.label
    shutil.rmtree("out", ignore_errors=True)
    assert tree(Path().resolve().parent) == before, archive.label
    return verified.status == 1


def _answer(run: Command, archive: Damaged, *words: object):
    unpacked, read = Inflater.unpacked, read_bytes()
    result = run(*words)
    assert Inflater.unpacked - unpacked < MOST_UNPACKED, archive.label
    assert read_bytes() - read < MOST_READ, archive.label
    assert result.status in (0, 1), archive.label
    assert "internal error" not in result.err, f"{archive.label}: {result.err}"
    assert "Traceback" not in result.err, archive.label
    return result
