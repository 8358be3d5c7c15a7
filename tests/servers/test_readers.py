"""Damaged archives: what ``verify`` calls OK is read alike by ``verify``, by TorchServe's own class and by Python.

``READER_MUTANTS=5000 pytest -m slow tests/servers/test_readers.py`` tries 5,000 damaged archives of each format.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests import foreign
from tests.archives import MANIFEST
from tests.conftest import Command
from tests.damage import damaged, lying
from tests.foreign import HANDLER, Raw, in_zip64, manifest_bytes, run_java, special, tar_bytes, tgz, zip_bytes

from . import environments
from .conftest import ENVIRONMENTS

pytestmark = [pytest.mark.slow, foreign.needs_java]
COUNT = int(os.environ.get("READER_MUTANTS", "1000"))
MEMBERS = {
    "m/": special("m/", tarfile.DIRTYPE),
    "m/notes.txt": b"notes",
    "m/handler.py": HANDLER,
    "m/" + "long/" * 25 + "x.txt": b"x" * 600,
    f"m/{MANIFEST}": manifest_bytes(),
}
ENTRIES = [Raw(name.removeprefix("m/").encode(), content, 8) for name, content in list(MEMBERS.items())[1:]]
FORMS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
BASES = {
    ".tar.gz": [tar_bytes(MEMBERS, form=form) for form in FORMS],
    ".mar": [
        zip_bytes(ENTRIES),
        zip_bytes([foreign.with_descriptor(entry) for entry in ENTRIES]),
        zip_bytes([in_zip64(ENTRIES[0]), Raw(b"sub/", mode=0o40755), *ENTRIES[1:]]),
    ],
}


@pytest.mark.parametrize("suffix", BASES)
def test_all_readers_read_alike_what_is_ok(work, run: Command, suffix: str) -> None:
    is_zip = suffix == ".mar"
    labels = {}
    for seed in range(COUNT):
        base, path = BASES[suffix][seed % len(BASES[suffix])], Path(f"{seed}{suffix}")
        if seed % 2:
            mutant = damaged(base if is_zip else tgz(base).read_bytes(), seed, is_zip=is_zip, has_sums=False)
            path.write_bytes(mutant.data)
        else:
            mutant = lying(base, seed, is_zip=is_zip)
            path.write_bytes(mutant.data if is_zip else tgz(mutant.data).read_bytes())
        labels[str(path)] = mutant.label
    verified = {path: json.loads(run("verify", path, "--json").out) for path in labels}
    found = {
        path: {file["path"]: file["sha256"] for file in report["files"]}
        for path, report in verified.items()
        if report["status"] == 0
    }
    assert COUNT / 50 < len(found) < COUNT / 2
    served = _unpacked_by_the_server(list(found))
    differing = {
        path: (labels[path], files, served[path], _unpacked_by_python(path))
        for path, files in found.items()
        if not files == served[path] == _unpacked_by_python(path)
    }
    assert list(differing.values()) == []


def _unpacked_by_the_server(paths: list[str]) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each file of each archive, as the server unpacks it."""
    home = environments.TORCHSERVE.python(ENVIRONMENTS).parents[1]
    jar = next(home.glob("lib/python*/site-packages/ts/frontend/model-server.jar"))
    Path("unpacked").mkdir()
    files: dict[str, dict[str, str]] = {path: {} for path in paths}
    for line in run_java("ServerReader", "unpacked", *paths, classpath=jar):
        path, name, sha256 = line.split("\t")
        files[path][name] = sha256
    return files


def _unpacked_by_python(path: str) -> dict[str, str]:
    """Return the SHA-256 of each file of an archive, as Python's standard library reads it."""
    try:
        if path.endswith(".mar"):
            with zipfile.ZipFile(path) as zipped:
                held = {name: zipped.read(name) for name in zipped.namelist() if not name.endswith("/")}
        else:
            with tarfile.open(path) as tar:
                files = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
                held = {
                    str(PurePosixPath(name[name.find("/") + 1 :])): file.read() for name, file in files.items() if file
                }
    except Exception as failure:  # noqa: BLE001 - whatever it is, the archive is not read
        return {"refused": str(failure)}
    return {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}
