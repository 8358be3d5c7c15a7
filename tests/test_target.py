"""Where the output goes, and what may stand there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import FORMATS, manifest, members, output, tree
from tests.conftest import Command
from tests.packing import MODEL_FILES, build, make, packed, refused

WORDS = ("--model-file", "model.py")


def _existing(archive_format: str) -> Path:
    """Something of the user's at the target."""
    target = output("m", archive_format)
    make(str(target / "own.txt" if archive_format == "no-archive" else target))
    return target


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_existing_output_is_refused_without_force(model, run: Command, archive_format: str) -> None:
    target = _existing(archive_format)
    [error] = refused(run, *WORDS, "--archive-format", archive_format)
    assert error == (
        f"{target.absolute()}: exists already; -f replaces it; or choose another --model-name or --export-path "
        "[target-exists]"
    )


@pytest.mark.parametrize("archive_format", FORMATS)
def test_force_replaces_a_file_and_keeps_what_is_the_users_in_a_folder(model, run: Command, archive_format) -> None:
    kept = {"own.txt"} if _existing(archive_format).is_dir() else set()
    assert members(build(run, *WORDS, "-f", archive_format=archive_format)) == {"model.py"} | kept


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_folder_instead_of_a_file_or_the_other_way_round_is_refused(
    model, run: Command, archive_format: str, force
) -> None:
    target = output("m", archive_format)
    target.touch() if archive_format == "no-archive" else target.mkdir()
    [error] = refused(run, *WORDS, "--archive-format", archive_format, *force)
    kind = "a file" if archive_format == "no-archive" else "a folder"
    assert f"is {kind}, and the output goes there" in error


def test_a_link_at_the_target_is_followed_and_stays(model, run: Command) -> None:
    make("store/real.mar")
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


@pytest.mark.parametrize("exists", [True, False])
def test_an_export_path_that_is_a_link_is_followed_or_made(model, run: Command, exists: bool) -> None:
    if exists:
        Path("not/yet").mkdir(parents=True)
    Path("link").symlink_to("not/yet")
    build(run, *WORDS, to="link")
    assert Path("not/yet/m.mar").is_file()


@pytest.mark.parametrize("path", ["model.pt", "model.pt/deeper/still"])
def test_an_export_path_that_is_a_file_is_refused(model, run: Command, path: str) -> None:
    [error] = refused(run, *WORDS, "--export-path", path)
    assert error == f"{Path('model.pt').absolute()}: is a file (--export-path); name a folder [export-path-invalid]"


def test_an_export_path_that_is_a_device_is_refused(model, run: Command) -> None:
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
    words = ("--serialized-file", elsewhere, "--export-path", "a/b/c", "--archive-format", "no-archive", "--link")
    [error] = refused(run, *words)
    assert "no hard link to it can be made from there" in error
    assert "link-impossible" in error


def test_an_export_path_of_any_form(model, run: Command, tmp_path: Path) -> None:
    for index, path in enumerate(["./out", "out/", "../here/out", "mit blank/ü", tmp_path / "abs", "."]):
        assert build(run, *WORDS, name=f"m{index}", to=path).is_file()


def test_a_build_in_place_says_so_and_touches_only_the_manifest(model, run: Command) -> None:
    before = tree(model)
    words = ["--model-path", ".", "--export-path", "..", "--archive-format", "no-archive", "--handler", "handler.py"]
    result = run("--model-name", "here", *words)
    assert result.status == 0, result.err
    assert "wrote MAR-INF/MANIFEST.json, and nothing else there" in result.err
    assert manifest(model)["model"]["handler"] == "handler.py"
    after = tree(model)
    assert {path: after.pop(path) for path in ("MAR-INF", "MAR-INF/MANIFEST.json")}
    assert after == before


def test_a_build_of_another_format_is_not_in_place(model, run: Command) -> None:
    assert members(build(run, "--model-path", ".", name="here", to="..")) == MODEL_FILES
    assert not Path("MAR-INF").exists()


def test_a_target_inside_of_model_path_is_not_in_place(model, run: Command) -> None:
    assert members(build(run, "--model-path", ".", archive_format="no-archive")) == MODEL_FILES
    assert Path("model.py").is_file()
