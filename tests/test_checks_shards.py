"""Weights in several files, of which some are not packed, or that no index names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Command

INDEX = "model.safetensors.index.json"
OTHER = "pytorch_model.bin.index.json"
HANDLER = "def handle(data, context):\n    return data\n"


def shards(count: int = 3, kind: str = "model-{:05}-of-{:05}.safetensors", start: int = 1) -> list[str]:
    return [kind.format(number, count) for number in range(start, start + count)]


WHOLE, PARTS = shards(), shards(3, "pytorch_model-{:05}-of-{:05}.bin")


def index(names: list[str]) -> str:
    weights = {f"layer{number}.weight": name for number, name in enumerate(names)}
    return json.dumps({"metadata": {"total_size": 9}, "weight_map": {**weights, "again": names[0]}})


@pytest.fixture
def pack(work: Path, run: Command) -> Callable[..., list[str]]:
    """Package a folder with these files, which have some text; return what is reported."""

    def call(files: list[str], *, handler: str = HANDLER, words: str = "", **texts: list[str]) -> list[str]:
        for name in files:
            path = work / "weights" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        for name, named in {INDEX: texts.get("index"), OTHER: texts.get("other")}.items():
            if named:
                (work / "weights" / name).write_text(index(named))
        (work / "own.py").write_text(handler)
        words = words or "--handler own.py --include weights"
        done = run("--model-name", "m", "-f", *words.split())
        assert (done.status, done.errors) == (0, [])
        in_archive = [
            line.replace("weights/", "" if "--extra-files" in words else "weights/") for line in done.warnings
        ]
        assert run("verify", "m.mar").warnings == in_archive
        return done.warnings

    return call


def missing(names: str, name: str = f"weights/{INDEX}") -> list[str]:
    message = f"these weights need {names}, which the archive does not have"
    return [f"{name}: {message}; pack all of them, in one folder [weights-shards]"]


def test_an_index_without_all_of_its_shards_names_the_missing_ones(pack) -> None:
    assert pack(WHOLE[:2], index=WHOLE) == missing(WHOLE[2])


def test_few_of_many_missing_shards_are_named(pack) -> None:
    many = shards(40)
    assert pack(many[:1], index=many) == missing(f"{', '.join(many[1:4])} and 36 more")


def test_shards_that_are_packed_elsewhere_are_missing(pack) -> None:
    found = pack([f"sub/{name}" for name in WHOLE], index=WHOLE, handler=f"{HANDLER}# -of-\n")
    assert found == missing(", ".join(WHOLE))


def test_an_index_of_other_weights_counts_only_if_none_is_whole(pack) -> None:
    assert pack([*WHOLE[:1], *PARTS[:2]], index=WHOLE, other=PARTS) == missing(PARTS[2], f"weights/{OTHER}")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_without_an_index_are_reported(pack, count: int) -> None:
    assert pack(WHOLE[:count]) == missing(INDEX, f"weights/{WHOLE[0]}")


def test_shards_at_the_root_that_count_from_zero_are_reported(pack) -> None:
    names = shards(3, "pytorch_model-{:05}-of-{:05}.bin", start=0)
    found = pack(names[:2], words="--handler own.py --extra-files weights")
    assert found == missing(OTHER, f"weights/{names[0]}")


@pytest.mark.parametrize(
    ("files", "indexes"),
    [
        (WHOLE, {"index": WHOLE}),
        (PARTS, {"other": PARTS}),
        (WHOLE, {"index": WHOLE, "other": PARTS}),  # transformers takes either
        (["model.safetensors", *WHOLE[:1]], {"index": WHOLE}),
        (["model.safetensors"], {}),
        (["data-00001-of-00003.parquet", "variables.data-00000-of-00001", "x.index"], {}),
        (["search.index.json", "model-1-of-2.safetensors"], {}),
        (["unet/part.safetensors"], {"index": ["unet/part.safetensors"]}),
    ],
)
def test_whole_sets_and_other_files_are_not_reported(pack, files: list[str], indexes: dict[str, list[str]]) -> None:
    assert pack(files, **indexes) == []


@pytest.mark.parametrize("text", ["glob.glob('*.safetensors')", "os.listdir('.')", "'model-{}-of-{}'", "safe_open"])
def test_a_handler_that_may_find_the_shards_itself_is_not_reported(pack, text: str) -> None:
    assert pack(WHOLE, handler=f'"""{text}"""\n{HANDLER}') == []
    assert pack(WHOLE, words="--handler vllm_handler --include weights") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[" * 9999])
def test_a_file_of_that_name_that_is_no_index_names_nothing(pack, text: str) -> None:
    Path("weights").mkdir()
    Path("weights", INDEX).write_text(text)
    assert pack(["config.json"]) == []
