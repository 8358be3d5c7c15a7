"""What was made to keep the checks busy, or to fill a screen, costs little and says little."""

from __future__ import annotations

import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_archiver.writing.zip_records import ZipEntry, central_header, end_of_directory, local_header
from tests.conftest import Command, Result

PACK = ("--model-name", "m", "--handler", "handler.py", "--dry-run")
LOADS = """\
import torch


class Own:
    def initialize(self, context):
{body}

    def handle(self, data, context):
        return data
"""


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 60  # what is not bounded takes minutes, or all memory


@pytest.fixture
def judged(model: Path, run: Command) -> Callable[..., Result]:
    """What is said of a package with one more file."""

    def judge(name: str, content: str | bytes, *words: object) -> Result:
        (model / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return run(*(words or PACK))

    return judge


def test_a_name_as_long_as_a_file(judged, model: Path) -> None:
    (model / "net.py").write_text("class Net:\n    pass\n")
    words = ("--model-name", "m", "--handler", "image_classifier", "--model-file", "net.py", "--dry-run")
    labels = '{\n "' + "k" * 2_000_000 + '": 1}'
    tracemalloc.start()
    said = judged("index_to_name.json", labels, *words, "--extra-files", "index_to_name.json").errors
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    hint = 'turn it round: the class\'s number first, as in {"0": "cat"}'
    name = "k" * 80 + "..."
    assert said == [f"index_to_name.json:2: the name of class '{name}' is 1 and no text; {hint} [labels-invalid]"]
    assert peak < 50_000_000


@pytest.mark.parametrize("offset", [2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**33])
def test_a_place_that_no_file_has(judged, offset: int) -> None:
    entry = ZipEntry("m/data.pkl", False, 0, 0, 0, 4, 4, False)
    head = local_header(entry) + b"\x80\x02}."
    listed = bytearray(central_header(entry))
    extra = b"\x01\x00\x08\x00" + offset.to_bytes(8, "little")
    listed[30:32] = len(extra).to_bytes(2, "little")
    listed[42:46] = b"\xff" * 4
    listed += extra
    content = head + listed + end_of_directory(1, len(head), len(listed))
    words = ("--model-name", "m", "--handler", "base_handler", "--model-file", "model.py", "--dry-run")
    result = judged("net.pt", content, *words, "--serialized-file", "net.pt")
    assert (result.status, result.errors, result.warnings) == (0, [], [])


def saved(path: Path, pickled: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/data.pkl", pickled)
        file.writestr("m/version", "3\n")


def test_names_that_stand_for_the_path_one_by_one(judged, model: Path) -> None:
    saved(model / "net.pt", b"\x80\x02cos\nsystem\n.")
    names = "".join(f"        a{n} = a{n + 1}\n" for n in range(4000))
    body = f"{names}        a4000 = 'serializedFile'\n        self.model = torch.load(a0)"
    words = ("--model-name", "m", "--handler", "own.py", "--serialized-file", "net.pt", "--dry-run")
    (line,) = judged("own.py", LOADS.format(body=body), *words).warnings
    assert line.startswith("net.pt: names os.system, which torch.load refuses")
    body = body.replace("a3000 = a3001", "a3000 = 'other'")
    assert judged("own.py", LOADS.format(body=body), *words).warnings == []


def test_many_globals_and_many_sources(judged, model: Path) -> None:
    names = b"".join(b"cpackage%d\nX\n" % number for number in range(990))
    saved(model / "net.pt", b"\x80\x02(" + names + b"t.")
    (model / "folder").mkdir()
    for number in range(30):
        text = "".join(f"abc = call(name_{n}, 'some text, and more of it', x.y.z)\n" for n in range(8000))
        (model / "folder" / f"m{number}.py").write_text(text + f"import package{number}\n")
    body = "        self.model = torch.load(context.manifest['model']['serializedFile'])"
    words = ("--model-name", "m", "--handler", "own.py", "--serialized-file", "net.pt", "--extra-files", "folder")
    tracemalloc.start()
    (line,) = judged("own.py", LOADS.format(body=body), *words, "--dry-run").warnings
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.startswith("net.pt: names package30.X, package31.X, package32.X and 957 more, which")
    assert peak < 12_000_000


def test_pickle_of_a_long_name(judged, model: Path) -> None:
    saved(model / "net.pt", b"\x80\x02cos\n" + b"x" * 900 + b"\n.")
    words = ("--model-name", "m", "--handler", "base_handler", "--model-file", "model.py", "--dry-run")
    (line,) = judged("own.py", "", *words, "--serialized-file", "net.pt").warnings
    assert line.startswith(f"net.pt: names os.{'x' * 77}..., which")
