"""``--extra-files``, ``--include`` and ``--model-path``: what goes into the archive, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import contents, output
from tests.conftest import Command
from tests.packing import built, packed, refused


@pytest.fixture
def plant(work: Path):
    """Make files that hold their own paths."""

    def make(*paths: str) -> None:
        for path in paths:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(path)

    return make


def test_a_file_goes_to_the_root(plant, run: Command) -> None:
    plant("deep/down/a.txt")
    assert packed(run, "--extra-files", "deep/down/a.txt") == {"a.txt"}


def test_the_contents_of_a_folder_go_to_the_root_with_their_tree(plant, run: Command) -> None:
    plant("d/a.txt", "d/sub/b.txt", "d/sub/sub/c.txt")
    archive = built(run, "--extra-files", "d")
    assert {path for path in archive if "MAR-INF" not in path} == {"a.txt", "sub/b.txt", "sub/sub/c.txt"}
    assert archive["sub/sub/c.txt"] == b"d/sub/sub/c.txt"
    assert packed(run, "-f", "--extra-files", "d/") == {"a.txt", "sub/b.txt", "sub/sub/c.txt"}


def test_an_empty_folder_adds_nothing(plant, run: Command) -> None:
    plant("d/a.txt")
    Path("d/empty").mkdir()
    Path("none").mkdir()
    assert packed(run, "--extra-files", "d,none") == {"a.txt"}


def test_two_folders_with_a_common_sub_folder_are_merged(plant, run: Command) -> None:
    plant("d/sub/a.txt", "e/sub/b.txt")
    assert packed(run, "--extra-files", "d,e") == {"sub/a.txt", "sub/b.txt"}


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
def test_values_are_comma_separated_and_repeatable(plant, run: Command, words) -> None:
    plant("a.txt", "b.txt")
    assert packed(run, *words) == {"a.txt", "b.txt"}


@pytest.mark.parametrize("name", ["a,b.txt", "a, b", " a.txt", "a.txt ", "vocab[1].txt", "what?.txt", "a*.txt", ","])
def test_a_value_that_names_an_existing_file_is_that_file(plant, run: Command, name: str) -> None:
    plant(name, "vocab1.txt", "whats.txt")
    assert packed(run, "--extra-files", name) == {name}


@pytest.mark.parametrize("name", [" a.txt", "a.txt ", "vocab[1].txt", "a*.txt"])
def test_so_is_a_piece_between_commas(plant, run: Command, name: str) -> None:
    plant(name, "a.txt", "vocab1.txt", "other.txt")
    assert packed(run, "--extra-files", f"other.txt,{name}") == {"other.txt", name}


def test_a_pattern_takes_files_to_the_root(plant, run: Command) -> None:
    plant("d/a.txt", "d/b.txt", "d/c.bin", "d/sub/d.txt")
    assert packed(run, "--extra-files", "d/*.txt") == {"a.txt", "b.txt"}
    assert packed(run, "-f", "--extra-files", "d/[ac].*") == {"a.txt", "c.bin"}
    assert packed(run, "-f", "--extra-files", "d/?.bin,d/b.*") == {"b.txt", "c.bin"}


def test_a_pattern_takes_folders_under_their_own_names(plant, run: Command) -> None:
    plant("d/top.txt", "d/sub/a.txt", "d/sub/low/b.txt", "d/other/c.txt")
    assert packed(run, "--extra-files", "d/*") == {"top.txt", "sub/a.txt", "sub/low/b.txt", "other/c.txt"}
    assert packed(run, "-f", "--extra-files", "d/s*") == {"sub/a.txt", "sub/low/b.txt"}


def test_a_recursive_pattern_takes_all_files_of_a_kind_to_the_root(plant, run: Command) -> None:
    plant("d/a.json", "d/sub/b.json", "d/sub/low/c.json", "d/sub/d.txt")
    assert packed(run, "--extra-files", "d/**/*.json") == {"a.json", "b.json", "c.json"}


def test_two_stars_alone_keep_the_tree(plant, run: Command) -> None:
    plant("d/a.json", "d/sub/b.json", "d/sub/low/c.json")
    assert packed(run, "--extra-files", "d/**") == {"a.json", "sub/b.json", "sub/low/c.json"}


def test_a_pattern_that_matches_nothing_is_a_warning(plant, run: Command) -> None:
    plant("a.txt")
    result = run("--model-name", "m", "--handler", "vllm_handler", "--extra-files", "a.txt,*.nothing")
    assert result.status == 0
    assert "*.nothing: matches nothing that is packed (--extra-files)" in result.warnings[0]
    assert "pattern-unmatched" in refused(run, "-f", "--extra-files", "*.nothing", "--strict")[0]


def test_a_missing_path_is_an_error_with_advice(plant, run: Command) -> None:
    plant("index_to_name.json", "d/vocab.txt")
    errors = refused(run, "--extra-files", "index_to_names.json,d/vocab.tx,zzz,no/where.txt,/no-such-root/x")
    assert errors == [
        "index_to_names.json: no such file or folder (--extra-files); did you mean index_to_name.json? [file-missing]",
        "d/vocab.tx: no such file or folder (--extra-files); did you mean d/vocab.txt? [file-missing]",
        "zzz: no such file or folder (--extra-files); paths are relative to the current folder [file-missing]",
        "no/where.txt: no such file or folder (--extra-files); there is no folder no [file-missing]",
        "/no-such-root/x: no such file or folder (--extra-files); there is no folder /no-such-root [file-missing]",
    ]


def test_a_file_below_a_file_is_missing(plant, run: Command) -> None:
    plant("a.txt")
    [error] = refused(run, "--extra-files", "a.txt/b.txt")
    assert error.startswith("a.txt/b.txt: no such file or folder")


@pytest.mark.parametrize("name", ["helpers", "helpers/", "./helpers", "../here/helpers"])
def test_include_keeps_the_name_of_a_folder(plant, run: Command, name: str) -> None:
    plant("helpers/__init__.py", "helpers/sub/x.py")
    assert packed(run, "--include", name) == {"helpers/__init__.py", "helpers/sub/x.py"}


def test_include_of_a_deep_folder_has_its_last_name_only(plant, run: Command) -> None:
    plant("src/lib/helpers/x.py")
    assert packed(run, "--include", "src/lib/helpers") == {"helpers/x.py"}


def test_include_of_the_working_directory_has_its_name(plant, run: Command) -> None:
    plant("a.txt")
    assert packed(run, "--include", ".") == {"here/a.txt"}


def test_include_takes_its_value_as_it_is(plant, run: Command) -> None:
    plant("a,b/x.txt", "c*/y.txt", "cd/z.txt")
    assert packed(run, "--include", "a,b", "--include", "c*") == {"a,b/x.txt", "c*/y.txt"}


def test_a_missing_include_is_an_error(plant, run: Command) -> None:
    plant("helpers/x.py")
    [error] = refused(run, "--include", "helper")
    assert error == "helper: no such file or folder (--include); did you mean helpers? [file-missing]"


def test_model_path_must_be_a_folder_with_something_in_it(plant, run: Command) -> None:
    plant("a.txt", "d/.hidden")
    assert "folder-is-file" in refused(run, "--model-path", "a.txt")[0]
    assert "folder-empty" in refused(run, "--model-path", "d")[0]
    assert "file-missing" in refused(run, "--model-path", "e")[0]


def test_a_flag_for_a_file_takes_no_folder(plant, run: Command) -> None:
    plant("d/a.txt")
    flags = ["--serialized-file", "--model-file", "--requirements-file", "--config-file"]
    errors = refused(run, *[word for flag in flags for word in (flag, "d")])
    assert [error.partition(";")[0] for error in errors] == [
        f"d: is a folder, not a file ({flag})"
        for flag in ("--model-file", "--serialized-file", "--requirements-file", "--config-file")
    ]


def test_many_files_and_empty_ones(plant, run: Command) -> None:
    plant(*(f"d/{index % 7}/{index}.txt" for index in range(500)))
    Path("d/empty.bin").touch()
    archive = built(run, "--extra-files", "d")
    assert len(archive) == 503
    assert archive["empty.bin"] == b""
    assert archive["3/3.txt"] == b"d/3/3.txt"


def test_files_are_sorted_by_path_whatever_brought_them(plant, run: Command) -> None:
    plant("z.txt", "d/b.txt", "d/a/x.txt", "h.py", "d/B.txt")
    words = ["--model-file", "z.txt", "--handler", "vllm_handler"]
    archive = built(run, *words, "--include", "h.py", "--extra-files", "d")
    assert list(archive)[:-2] == ["B.txt", "a/x.txt", "b.txt", "h.py", "z.txt"]


def test_names_in_every_alphabet(plant, run: Command) -> None:
    names = {"größe.txt", "日本語/モデル.txt", "emoji 🙂.txt", "mit leerzeichen.txt", "quote'\".txt", "-dash.txt"}
    plant(*(f"d/{name}" for name in names))
    assert packed(run, "--extra-files", "d") == names
    for archive_format in ("tgz", "no-archive"):
        words = [
            "--model-name",
            "n",
            "--handler",
            "vllm_handler",
            "--extra-files",
            "d",
            "--archive-format",
            archive_format,
        ]
        assert run(*words).status == 0
        assert names < contents(output("n", archive_format)).keys()
