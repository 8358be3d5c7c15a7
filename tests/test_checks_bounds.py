"""What was made to keep the checks busy, or to fill a screen, costs little and says little."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Command, Result

PACK = ("--model-name", "m", "--handler", "handler.py", "--dry-run")
NO_REQUIREMENT = "is no requirement; write a name, or one with versions, as in numpy>=1.26,<3 [requirements-invalid]"


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
