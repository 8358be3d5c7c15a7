"""``--extra-files``, ``--include`` and ``--model-path``: what goes into the archive, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import members
from tests.conftest import Command
from tests.packing import MODEL, build, built, make, packed, refused

LAYOUTS = {
    "a file": (["deep/down/a.txt"], "deep/down/a.txt", {"a.txt"}),
    "a folder": (["d/a.txt", "d/sub/sub/c.txt"], "d", {"a.txt", "sub/sub/c.txt"}),
    "a folder with a slash": (["d/a.txt", "d/sub/sub/c.txt"], "d/", {"a.txt", "sub/sub/c.txt"}),
    "two folders with a common sub-folder": (["d/sub/a.txt", "e/sub/b.txt"], "d,e", {"sub/a.txt", "sub/b.txt"}),
    "a pattern for files": (["d/a.txt", "d/b.txt", "d/c.bin", "d/sub/d.txt"], "d/*.txt", {"a.txt", "b.txt"}),
    "a pattern with brackets": (["d/a.txt", "d/b.txt", "d/c.bin"], "d/[ac].*", {"a.txt", "c.bin"}),
    "two patterns": (["d/a.txt", "d/b.txt", "d/c.bin"], "d/?.bin,d/b.*", {"b.txt", "c.bin"}),
    "a pattern for all": (["d/a.txt", "d/sub/low/b.txt", "d/e/c.txt"], "d/*", {"a.txt", "sub/low/b.txt", "e/c.txt"}),
    "a pattern for folders": (["d/top.txt", "d/sub/a.txt", "d/sub/low/b.txt"], "d/s*", {"sub/a.txt", "sub/low/b.txt"}),
    "a recursive pattern": (["d/a.json", "d/sub/low/c.json", "d/sub/d.txt"], "d/**/*.json", {"a.json", "c.json"}),
    "two stars below a pattern": (["d/a/x.txt", "d/a/b/y.txt", "d/c.txt"], "d/*/**", {"a/x.txt", "a/b/y.txt"}),
    "a folder in one of its name": (["d/d/a.txt", "d/b.txt"], "d/d/*.txt", {"a.txt"}),
    "the same pattern twice": (["d/e/a.txt", "d/b.txt"], "*/*/*.txt", {"a.txt"}),
    "two stars and a slash": (["d/a/x.txt", "d/c.txt"], "d/**/", {"a/x.txt"}),
    "two stars twice": (["d/a/x.txt", "d/c.txt"], "d/**/**", {"a/x.txt", "c.txt"}),
    "two stars alone": (["d/a.json", "d/sub/low/c.json"], "d/**", {"a.json", "sub/low/c.json"}),
}


@pytest.mark.parametrize(("files", "value", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_where_extra_files_go(work, run: Command, files: list[str], value: str, expected: set[str]) -> None:
    make(*files)
    archive = built(run, "--extra-files", value)
    assert {path for path in archive if "MAR-INF" not in path} == expected
    assert all(archive[path].decode().endswith(path) for path in expected)


def test_an_empty_folder_adds_nothing(work, run: Command) -> None:
    make("d/a.txt")
    Path("d/empty").mkdir()
    Path("none").mkdir()
    assert packed(run, "--extra-files", "d,none") == {"a.txt"}


@pytest.mark.parametrize(
    "words",
    [
        ["--extra-files", "a.txt,b.txt"],
        ["--extra-files", "a.txt, b.txt"],
        ["--extra-files", " ,a.txt ,,\tb.txt,"],
        ["--extra-files", "a.txt", "--extra-files", "b.txt"],
        ["--extra-files=a.txt", "--extra-files=b.txt,a.txt"],
    ],
)
def test_values_are_comma_separated_and_repeatable(work, run: Command, words) -> None:
    make("a.txt", "b.txt")
    assert packed(run, *words) == {"a.txt", "b.txt"}


@pytest.mark.parametrize("name", ["a,b.txt", "a, b", " a.txt", "a.txt ", "vocab[1].txt", "what?.txt", "a*.txt", ","])
def test_a_value_that_names_an_existing_file_is_that_file(work, run: Command, name: str) -> None:
    make(name, "vocab1.txt", "whats.txt")
    assert packed(run, "--extra-files", name) == {name}


@pytest.mark.parametrize("name", [" a.txt", "a.txt ", "vocab[1].txt", "a*.txt"])
def test_so_is_a_piece_between_commas(work, run: Command, name: str) -> None:
    make(name, "a.txt", "vocab1.txt", "other.txt")
    assert packed(run, "--extra-files", f"other.txt,{name}") == {"other.txt", name}


def test_a_pattern_that_matches_nothing_is_a_warning(work, run: Command) -> None:
    make("a.txt")
    result = run(*MODEL, "--extra-files", "a.txt,*.nothing")
    assert result.status == 0
    assert "*.nothing: matches nothing to pack (--extra-files)" in result.warnings[0]
    for pattern in ("*.nothing", "*/" * 1500, "**/*/" * 500):
        assert "pattern-unmatched" in refused(run, "-f", "--extra-files", pattern, "--strict")[0]


@pytest.mark.parametrize("piece", ["a[b", "a]b", "[]", "d[/a]"])
def test_a_bracket_that_is_not_closed_makes_no_pattern(work, run: Command, piece: str) -> None:
    [error] = refused(run, "--extra-files", piece)
    assert error.startswith(f"{piece}: no such file or folder (--extra-files); ")


def test_a_missing_path_is_an_error_with_advice(work, run: Command) -> None:
    make("index_to_name.json", "d/vocab.txt", "net.py", "Labels.txt", "labelz.txt", ".hidden.txt", ".assets/x")
    make("cached.pyc", "TokenizerFiles/x", "weights.pth")
    given = "index_to_names.json,d/vocab.tx,zzz,no/where.txt,/gone/x,net.pt,labels.txt,hidden.txt,assets,cached.py"
    given += ",tokenizer_files,weights.pt,vocabs"
    errors = refused(run, "--extra-files", given)
    advice = {
        "index_to_names.json": "did you mean index_to_name.json?",
        "d/vocab.tx": "did you mean d/vocab.txt?",
        "zzz": "paths are relative to the current folder",
        "no/where.txt": "the folder no does not exist",
        "/gone/x": "the folder /gone does not exist",
        "net.pt": "paths are relative to the current folder",
        "labels.txt": "did you mean Labels.txt?",
        "hidden.txt": "paths are relative to the current folder",
        "assets": "paths are relative to the current folder",
        "cached.py": "paths are relative to the current folder",
        "tokenizer_files": "did you mean TokenizerFiles?",
        "weights.pt": "did you mean weights.pth?",
        "vocabs": "paths are relative to the current folder",
    }
    assert errors == [
        f"{path}: no such file or folder (--extra-files); {hint} [file-missing]" for path, hint in advice.items()
    ]


def test_a_file_below_a_file_is_missing(work, run: Command) -> None:
    make("a.txt")
    [error] = refused(run, "--extra-files", "a.txt/b.txt")
    assert error.startswith("a.txt/b.txt: no such file or folder")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((name, {"helpers/__init__.py", "helpers/sub/x.py"}) for name in ("helpers", "helpers/", "../here/helpers")),
        ("helpers/sub", {"sub/x.py"}),
        (".", {"here/helpers/__init__.py", "here/helpers/sub/x.py"}),
    ],
)
def test_include_keeps_the_last_name_of_a_folder(work, run: Command, value: str, expected: set[str]) -> None:
    make("helpers/__init__.py", "helpers/sub/x.py")
    assert packed(run, "--include", value) == expected


def test_include_takes_its_value_as_it_is(work, run: Command) -> None:
    make("a,b/x.txt", "c*/y.txt", "cd/z.txt")
    assert packed(run, "--include", "a,b", "--include", "c*") == {"a,b/x.txt", "c*/y.txt"}


def test_a_missing_include_is_an_error(work, run: Command) -> None:
    make("helpers/x.py")
    [error] = refused(run, "--include", "helper")
    assert error == "helper: no such file or folder (--include); did you mean helpers? [file-missing]"


def test_model_path_must_be_a_folder_with_something_in_it(work, run: Command) -> None:
    make("a.txt", "d/.hidden", "d/__pycache__/a.txt")
    Path("empty").mkdir()
    assert "folder-is-file" in refused(run, "--model-path", "a.txt")[0]
    for folder in ("d", "empty"):
        assert "folder-empty" in refused(run, "--model-path", folder)[0]
    assert "file-missing" in refused(run, "--model-path", "e")[0]


def test_a_flag_for_a_file_takes_no_folder(work, run: Command) -> None:
    make("d/a.txt")
    flags = ["--model-file", "--serialized-file", "--requirements-file", "--config-file"]
    errors = refused(run, *[word for flag in reversed(flags) for word in (flag, "d")])
    assert [error.partition(";")[0] for error in errors] == [f"d: is a folder, not a file ({flag})" for flag in flags]


def test_many_files_and_empty_ones(work, run: Command) -> None:
    make(*(f"d/{index % 7}/{index}.txt" for index in range(500)))
    Path("d/empty.bin").touch()
    archive = built(run, "--extra-files", "d")
    assert len(archive) == 503
    assert archive["empty.bin"] == b""
    assert archive["3/3.txt"] == b"d/3/3.txt"


def test_files_are_sorted_by_path_whatever_brought_them(work, run: Command) -> None:
    make("z.txt", "d/b.txt", "d/a/x.txt", "h.py", "d/B.txt")
    words = ["--model-file", "z.txt", "--handler", "vllm_handler"]
    archive = built(run, *words, "--include", "h.py", "--extra-files", "d")
    assert list(archive)[:-2] == ["B.txt", "a/x.txt", "b.txt", "h.py", "z.txt"]


def test_names_in_every_alphabet(work, run: Command) -> None:
    names = {"größe.txt", "日本語/モデル.txt", "emoji 🙂.txt", "mit leerzeichen.txt", "quote'\".txt", "-dash.txt"}
    make(*(f"d/{name}" for name in names))
    assert packed(run, "--extra-files", "d") == names
    for archive_format in ("tgz", "no-archive"):
        assert members(build(run, "--extra-files", "d", archive_format=archive_format)) == names
