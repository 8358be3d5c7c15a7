"""What is left out of folders that are walked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import FORMATS, contents, output
from tests.conftest import Command
from tests.packing import packed, refused

LEFT_OUT = (
    ".DS_Store",
    "._model.pt",
    ".git/config",
    ".hidden",
    ".ipynb_checkpoints/a.ipynb",
    "__MACOSX/x.txt",
    "__pycache__/a.cpython-311.pyc",
    "MANIFEST.json",
    "MAR-INF/MANIFEST.json",
    "MAR-INF/SHA256SUMS",
    "a.pyc",
    "b.pyo",
    "former.mar",
    "sub/.hidden",
    "sub/MANIFEST.json",
    "sub/MAR-INF/x.txt",
    "sub/__pycache__/b.txt",
    "sub/c.pyc",
    "sub/d.mar",
    ".m.0123abcd.building/m.mar",
    ".other.89abcdef.building/x.pt",
)
KEPT = ("a.txt", "sub/b.txt", "manifest.json", "x.tar.gz", "mar", "MAR-INFO/x.txt", "sub/pycache/y.py", "a.pyc.txt")


@pytest.fixture
def littered(work: Path) -> Path:
    """A folder ``d`` with all that is left out, and some files that are not."""
    _make(*(f"d/{path}" for path in LEFT_OUT + KEPT))
    return work


def _make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(path)


@pytest.mark.parametrize(("flag", "prefix"), [("--extra-files", ""), ("--model-path", ""), ("--include", "d/")])
def test_what_is_left_out_and_what_is_not(littered, run: Command, flag: str, prefix: str) -> None:
    assert packed(run, flag, "d") == {f"{prefix}{path}" for path in KEPT}


def test_a_pattern_leaves_the_same_out(littered, run: Command) -> None:
    assert packed(run, "--extra-files", "d/*") == set(KEPT)


def test_the_closing_line_counts_what_was_left_out(littered, run: Command) -> None:
    result = run("--model-name", "m", "--handler", "vllm_handler", "--extra-files", "d")
    assert f"{len(LEFT_OUT)} left out" in result.err
    assert "left out" not in run("--model-name", "n", "--handler", "vllm_handler", "--extra-files", "d/a.txt").err


@pytest.mark.parametrize("name", [".hidden", "a.pyc", "former.mar", ".DS_Store", "MANIFEST.json"])
def test_a_file_that_is_named_by_itself_is_packed(littered, run: Command, name: str) -> None:
    assert packed(run, "--extra-files", f"d/{name}") == {name}
    assert packed(run, "-f", "--include", f"d/{name}") == {name}
    assert packed(run, "-f", "--serialized-file", f"d/{name}") == {name}


def test_a_hidden_folder_that_is_named_by_itself_is_packed(littered, run: Command) -> None:
    assert packed(run, "--extra-files", "d/.git") == {"config"}
    assert packed(run, "-f", "--include", "d/.git") == {".git/config"}


def test_mar_inf_is_never_packed(littered, run: Command) -> None:
    [first, *_] = refused(run, "--include", "d/MAR-INF")
    assert "path-reserved" in first
    _make("low/mar-inf/x.txt")
    [error] = refused(run, "--extra-files", "low")
    assert "low/mar-inf/x.txt: would land in MAR-INF" in error


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        (["*.log"], {"a.txt", "tests/t.py", "src/tests/u.py", "src/v.py"}),
        (["tests"], {"a.txt", "run.log", "src/v.py", "src/deep.log"}),
        (["tests/"], {"a.txt", "run.log", "src/v.py", "src/deep.log"}),
        (["./tests"], {"a.txt", "run.log", "src/v.py", "src/deep.log"}),
        (["src/tests"], {"a.txt", "run.log", "tests/t.py", "src/v.py", "src/deep.log"}),
        (["src/*.py", "*.txt"], {"run.log", "tests/t.py", "src/deep.log"}),
        (["src", "tests", "*.log"], {"a.txt"}),
        (["nothing"], {"a.txt", "run.log", "tests/t.py", "src/tests/u.py", "src/v.py", "src/deep.log"}),
        ([""], {"a.txt", "run.log", "tests/t.py", "src/tests/u.py", "src/v.py", "src/deep.log"}),
    ],
)
@pytest.mark.parametrize("flag", ["--extra-files", "--include", "--model-path"])
def test_exclude_leaves_out_names_and_paths_below_the_folder(work, run: Command, flag, patterns, kept) -> None:
    _make(*(f"d/{path}" for path in ("a.txt", "run.log", "tests/t.py", "src/tests/u.py", "src/v.py", "src/deep.log")))
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    prefix = "d/" if flag == "--include" else ""
    assert packed(run, flag, "d", *words) == {f"{prefix}{path}" for path in kept}


def test_exclude_does_not_touch_a_file_that_is_named_by_itself(model, run: Command) -> None:
    assert packed(run, "--exclude", "*", "--model-file", "model.py", "--extra-files", "model.pt") == {
        "model.py",
        "model.pt",
    }


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_former_output_is_never_packed_again(model, run: Command, archive_format: str) -> None:
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--extra-files",
        ".",
        "--archive-format",
        archive_format,
        "-f",
    ]
    assert run(*words).status == 0
    first = contents(output("m", archive_format))
    for other in FORMATS:
        assert (
            run(
                "--model-name", "m", "--handler", "vllm_handler", "--extra-files", ".", "--archive-format", other, "-f"
            ).status
            == 0
        )
    assert run(*words).status == 0
    assert contents(output("m", archive_format)).keys() == first.keys()


def test_the_export_path_may_lie_in_the_folder_that_is_packed(model, run: Command) -> None:
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--extra-files",
        ".",
        "--export-path",
        "store",
        "--archive-format",
        "no-archive",
        "-f",
    ]
    assert run(*words).status == 0
    assert run(*words).status == 0
    assert not Path("store/m/store").exists()
    assert Path("store/m/model.py").is_file()


def test_a_users_own_file_that_is_called_like_the_model_is_packed(work, run: Command) -> None:
    _make("d/m", "d/other.txt")
    result = run("--model-name", "m", "--handler", "vllm_handler", "--extra-files", "d", "--export-path", "d")
    assert result.status == 0
    assert {"m", "other.txt"} < contents(Path("d/m.mar")).keys()


def test_a_users_own_folder_that_is_called_like_the_model_is_packed(work, run: Command) -> None:
    _make("m/x.txt", "other.txt")
    assert packed(run, "--extra-files", ".") == {"m/x.txt", "other.txt"}


def test_a_hard_link_to_the_output_is_left_out(model, run: Command) -> None:
    run("--model-name", "m", "--handler", "vllm_handler", "--model-file", "model.py")
    Path("d").mkdir()
    Path("d/renamed.bin").hardlink_to("m.mar")
    Path("d/a.txt").write_text("x")
    assert packed(run, "--extra-files", "d", "-f") == {"a.txt"}
