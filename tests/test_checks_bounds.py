"""What was made to keep the checks busy, or to fill a screen, costs little and says little."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from model_archiver.writing.zip_records import ZipEntry, central_header, end_of_directory, local_header
from tests.conftest import Command, Result

PACK = ("--model-name", "m", "--handler", "handler.py", "--dry-run")
LIBRARY = ("--model-name", "m", "--handler", "base_handler", "--serialized-file", "net.so", "--dry-run")
NO_REQUIREMENT = "is no requirement; write a name, or one with versions, as in numpy>=1.26,<3 [requirements-invalid]"
LOADS = """\
import torch


class Own:
    def initialize(self, context):
{body}

    def handle(self, data, context):
        return data
"""


@pytest.fixture
def judged(model: Path, run: Command) -> Callable[..., Result]:
    """What is said of a package with one more file."""

    def judge(name: str, content: str | bytes, *words: object) -> Result:
        (model / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return run(*(words or PACK))

    return judge


CONFIGS = {
    "merges": ("a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 27))),
    "sixties": "a: 1" + ":1" * 1_000_000,
    "items": "a: [" + "x,\n" * 1_000_000 + "]",
    "no number": 'a: !!int ""\n',
    "no date": "a: !!timestamp foo\n",
    "infinite": "a: !!float 1" + ":1" * 200 + "\n",
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_config_file_is_read_within_bounds_for_a_library_too(judged, model: Path, kind: str) -> None:
    (model / "net.so").write_bytes(b"\x7fELF" + bytes(60))
    result = judged("config.yaml", CONFIGS[kind], *LIBRARY, "--config-file", "config.yaml")
    assert "[weights-suffix]" not in result.err
    assert result.status in (0, 1)
    assert all(line.startswith("config.yaml:") for line in (*result.errors, *result.warnings))


def test_many_keys_that_are_almost_the_servers_are_no_slips(judged, model: Path) -> None:
    (model / "folder").mkdir()
    for number in range(1000):
        (model / "folder" / f"m{number}.py").write_text("x = 1\n")
    words = (*PACK, "--config-file", "config.yaml", "--extra-files", "folder")
    text = "".join(f"minWorker{chr(0x100 + number)}: 1\n" for number in range(490))
    assert judged("config.yaml", text, *words).warnings == []


def test_each_key_is_looked_for_in_the_sources(judged, model: Path) -> None:
    (model / "handler.py").write_text("def handle(data, context):\n    return context['batch_size'], 'max_workers2'\n")
    text = "batch_size: 1\nmax_workers2: 1\nmax_workers: 1\nmin-workers: 1\n"
    assert judged("config.yaml", text, *PACK, "--config-file", "config.yaml").warnings == [
        "config.yaml:4: the server ignores 'min-workers'; did you mean minWorkers? [config-unknown-key]"
    ]


def test_a_key_that_no_encoding_knows(judged) -> None:
    text = '"\\ud800batchSize": 1\n'
    assert judged("config.yaml", text, *PACK, "--config-file", "config.yaml").warnings == [
        r"config.yaml:1: the server ignores '\ud800batchSize'; did you mean batchSize? [config-unknown-key]"
    ]


def test_of_one_kind_twenty_are_told_and_the_others_counted(judged) -> None:
    words = (*PACK, "--config-file", "config.yaml")
    end = "is no text, which ends the registration{}; put it into quotes [config-invalid]"
    lines = [f"config.yaml:{n + 1}: the key {n} {end.format('')}" for n in range(20)]
    assert judged("config.yaml", "".join(f"{n}:\n" for n in range(20)), *words).errors == lines
    for count, more in ((21, " (and 1 more line like it)"), (500, " (and 480 more lines like it)")):
        said = judged("config.yaml", "".join(f"{n}:\n" for n in range(count)), *words).errors
        assert said == [*lines[:19], f"config.yaml:20: the key 19 {end.format(more)}"]


def test_so_with_the_lines_of_requirements(judged) -> None:
    words = (*PACK, "--requirements-file", "r.txt")
    said = judged("r.txt", "?\n" * 100_000 + "-r gone.txt\n", *words).warnings
    assert len(said) == 21
    assert said[0] == f"r.txt:1: pip refuses this line: '?' {NO_REQUIREMENT}"
    assert said[19].startswith("r.txt:20: pip refuses this line: '?' is no requirement (and 99980 more lines like it);")
    assert said[20].startswith("r.txt:100001: -r gone.txt is not in the archive")


@pytest.mark.parametrize(
    "line",
    [
        "numpy; " + "(" * 4000 + "os_name == 'a'" + ")" * 4000,
        "numpy; " + "(" * 485 + "os_name == 'a'" + ")" * 485,
        "numpy" + "=" * 2000,
    ],
    ids=["parentheses", "fewer", "long"],
)
def test_a_line_that_is_too_much_to_judge_is_passed_over(judged, line: str) -> None:
    said = judged("r.txt", f"{line}\n?\n", *PACK, "--requirements-file", "r.txt").warnings
    assert said == [f"r.txt:2: pip refuses this line: '?' {NO_REQUIREMENT}"]


def test_all_requirements_together_are_bounded(judged, model: Path) -> None:
    files = [model / f"r{number}.txt" for number in range(40)]
    for path in files:
        path.write_text("numpy>=1.0,<2; python_version > '3.8'\n" * 6000)
    names = [path.name for path in files]
    words = (*PACK, "--requirements-file", "all.txt", "--extra-files", ",".join(names))
    assert judged("all.txt", "".join(f"-r {name}\n" for name in names), *words).warnings == []


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


@pytest.mark.parametrize(
    ("name", "text", "flag"),
    [
        ("c.yaml", "a: !" + "x" * 100_000 + " 1\n", "--config-file"),
        ("c.yaml", "a: *" + "x" * 100_000 + "\n", "--config-file"),
        ("c.yaml", "? batch" + "-" * 100_000 + "Size\n: 1\n", "--config-file"),
        ("r.txt", "-r " + "x" * 9000, "--requirements-file"),
        ("r.txt", "numpy==1 --hash=" + "x" * 9000, "--requirements-file"),
        ("r.txt", "numpy==1 --pre=" + "x" * 9000, "--requirements-file"),
        ("r.txt", "-e ./" + "x" * 9000, "--requirements-file"),
    ],
)
def test_no_line_is_long(judged, name: str, text: str, flag: str) -> None:
    result = judged(name, text, *PACK, flag, name)
    (line,) = [line for line in (*result.errors, *result.warnings) if line.startswith(name)]
    assert len(line) < 400


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
