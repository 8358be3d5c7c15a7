"""Where the output goes, and what may stand there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import FORMATS, manifest, members, output, tree
from tests.conftest import Command
from tests.packing import packed, refused

WORDS = ("--model-file", "model.py")


def _former(archive_format: str, content: str = "former") -> Path:
    """Something of the user's at the target."""
    target = output("m", archive_format)
    if archive_format == "no-archive":
        target.mkdir()
        (target / "own.txt").write_text(content)
    else:
        target.write_text(content)
    return target


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_existing_output_is_refused_without_force(model, run: Command, archive_format: str) -> None:
    target = _former(archive_format)
    [error] = refused(run, *WORDS, "--archive-format", archive_format)
    assert error == (
        f"{target.absolute()}: exists already; -f replaces it; or choose another --model-name or --export-path "
        "[target-exists]"
    )


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
def test_force_replaces_a_file(model, run: Command, archive_format: str) -> None:
    target = _former(archive_format)
    assert (
        run("--model-name", "m", "--handler", "vllm_handler", *WORDS, "--archive-format", archive_format, "-f").status
        == 0
    )
    assert members(target) == {"model.py"}


def test_force_keeps_what_is_the_users_in_a_folder(model, run: Command) -> None:
    target = _former("no-archive")
    assert (
        run("--model-name", "m", "--handler", "vllm_handler", *WORDS, "--archive-format", "no-archive", "-f").status
        == 0
    )
    assert members(target) == {"model.py", "own.txt"}


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_folder_in_the_place_of_a_file_is_refused(model, run: Command, archive_format: str, force) -> None:
    output("m", archive_format).mkdir()
    [error] = refused(run, *WORDS, "--archive-format", archive_format, *force)
    assert "is a folder, and the output goes there" in error


@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_file_in_the_place_of_a_folder_is_refused(model, run: Command, force) -> None:
    Path("m").write_text("former")
    [error] = refused(run, *WORDS, "--archive-format", "no-archive", *force)
    assert "is a file, and the output goes there" in error


def test_a_link_at_the_target_is_followed_and_stays(model, run: Command) -> None:
    Path("store").mkdir()
    Path("store/real.mar").write_text("former")
    output("m").symlink_to("store/real.mar")
    assert "target-exists" in refused(run, *WORDS)[0]
    assert packed(run, *WORDS, "-f") == {"model.py"}
    assert output("m").is_symlink()
    assert members(Path("store/real.mar")) == {"model.py"}


def test_a_dangling_link_at_the_target_leads_to_where_the_output_goes(model, run: Command) -> None:
    Path("store").mkdir()
    output("m").symlink_to("store/real.mar")
    assert packed(run, *WORDS) == {"model.py"}
    assert Path("store/real.mar").is_file()


def test_an_export_path_that_is_a_link_is_followed(model, run: Command) -> None:
    Path("store").mkdir()
    Path("link").symlink_to("store")
    assert run("--model-name", "m", "--handler", "vllm_handler", *WORDS, "--export-path", "link").status == 0
    assert Path("store/m.mar").is_file()


@pytest.mark.parametrize("path", ["model.pt", "model.pt/deeper/still"])
def test_an_export_path_that_is_a_file_is_refused(model, run: Command, path: str) -> None:
    [error] = refused(run, *WORDS, "--export-path", path)
    assert error == f"{Path('model.pt').absolute()}: is a file (--export-path); name a folder [export-path-invalid]"


def test_an_export_path_that_is_a_dangling_link_is_made(model, run: Command) -> None:
    Path("link").symlink_to("not/yet")
    assert run("--model-name", "m", "--handler", "vllm_handler", *WORDS, "--export-path", "link").status == 0
    assert Path("not/yet/m.mar").is_file()


def test_an_export_path_that_is_no_folder_is_refused(model, run: Command) -> None:
    [error] = refused(run, *WORDS, "--export-path", "/dev/null")
    assert "is not a folder (--export-path)" in error


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A file on another file system than that of the tests."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    with tempfile.NamedTemporaryFile(dir=memory, suffix=".pt") as file:
        yield Path(file.name)


def test_folders_that_were_made_go_again_where_the_build_fails(model, elsewhere: Path, run: Command) -> None:
    words = [
        "--handler",
        "vllm_handler",
        "--serialized-file",
        elsewhere,
        "--export-path",
        "a/b/c",
        "--archive-format",
        "no-archive",
        "--link",
    ]
    [error] = refused(run, *words)
    assert "no hard link to it can be made from there" in error
    assert "link-impossible" in error


def test_an_export_path_of_any_form(model, run: Command, tmp_path: Path) -> None:
    for index, path in enumerate(["./out", "out/", "../here/out", "mit blank/ü", tmp_path / "abs", "."]):
        assert run("--model-name", f"m{index}", "--handler", "vllm_handler", *WORDS, "--export-path", path).status == 0
        assert output(f"m{index}", folder=Path(path)).is_file()


def test_a_build_in_place_needs_no_force_and_touches_only_the_manifest(model, run: Command) -> None:
    before = tree(model)
    words = ["--model-path", ".", "--export-path", "..", "--archive-format", "no-archive", "--handler", "handler.py"]
    result = run("--model-name", "here", "--handler", "vllm_handler", *words)
    assert result.status == 0, result.err
    assert "wrote MAR-INF/MANIFEST.json, and nothing else there" in result.err
    after = tree(model)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {"MAR-INF", "MAR-INF/MANIFEST.json"}
    assert manifest(model)["model"]["handler"] == "handler.py"
    again = run("--model-name", "here", "--handler", "vllm_handler", *words)
    assert again.status == 1
    assert "target-exists" in again.errors[0]
    assert run("--model-name", "here", "--handler", "vllm_handler", *words, "-f").status == 0


def test_a_build_in_place_of_another_format_is_none(model, run: Command) -> None:
    assert (
        run("--model-name", "here", "--handler", "vllm_handler", "--model-path", ".", "--export-path", "..").status == 0
    )
    assert members(Path("../here.mar")) == {"model.py", "model.pt", "handler.py", "index_to_name.json"}
    assert not Path("MAR-INF").exists()


def test_a_target_inside_of_model_path_is_not_in_place(model, run: Command) -> None:
    words = ["--model-name", "m", "--handler", "vllm_handler", "--model-path", ".", "--archive-format", "no-archive"]
    assert run(*words).status == 0
    assert members(Path("m")) == {"model.py", "model.pt", "handler.py", "index_to_name.json"}
    assert Path("model.py").is_file()
