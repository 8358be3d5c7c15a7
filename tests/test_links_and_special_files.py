"""Links, and what is no regular file: followed, or refused by name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import FORMATS, contents
from tests.conftest import Command
from tests.forks import as_nobody
from tests.packing import MODEL, build, built, make, packed, refused

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


@pytest.fixture
def folder(work: Path) -> Path:
    (work / "d").mkdir()
    (work / "d/a.txt").write_text("a")
    return work / "d"


@pytest.mark.parametrize("archive_format", FORMATS)
def test_links_are_followed(folder: Path, run: Command, archive_format: str) -> None:
    make("outside/low/b.txt", text="b")
    (folder / "file_link").symlink_to("../outside/low/b.txt")
    (folder / "folder_link").symlink_to("../outside")
    (folder / "absolute").symlink_to(Path("outside/low").absolute())
    archive = build(run, "--extra-files", "d", archive_format=archive_format)
    assert contents(archive)["file_link"] == b"b"
    assert {"a.txt", "folder_link/low/b.txt", "absolute/b.txt"} < contents(archive).keys()
    if archive.is_dir():
        assert not any(path.is_symlink() for path in archive.rglob("*"))


def test_a_link_given_by_a_flag_is_packed_under_its_own_name(folder: Path, run: Command) -> None:
    Path("latest.pt").symlink_to("d/a.txt")
    Path("linked").symlink_to("d")
    assert built(run, "--serialized-file", "latest.pt", "--include", "linked")["latest.pt"] == b"a"
    assert packed(run, "-f", "--model-path", "linked", "--extra-files", "linked/*") == {"a.txt"}


def test_two_links_to_one_folder_are_both_packed(folder: Path, run: Command) -> None:
    Path("e").mkdir()
    Path("e/one").symlink_to("../d")
    Path("e/two").symlink_to("../d")
    assert packed(run, "--extra-files", "e") == {"one/a.txt", "two/a.txt"}


@pytest.mark.parametrize("flag", ["--extra-files", "--include", "--model-path"])
def test_a_loop_is_refused_by_name(folder: Path, run: Command, flag: str) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/up").symlink_to("..")
    [error] = refused(run, flag, "d")
    assert error == (
        f"d/sub/up: is a link to a folder that contains it ({flag}); remove the link or --exclude it [link-loop]"
    )
    assert packed(run, flag, "d", "--exclude", "up") <= {"a.txt", "d/a.txt"}


@pytest.mark.parametrize("pattern", ["l/**/*.txt", "**/*.txt", "l/**/a/**/*.txt", "*/**/a"])
def test_a_loop_below_two_stars_is_refused_by_name(work, run: Command, monkeypatch, pattern: str) -> None:
    make("l/a/t.txt")
    for name in ("up", "up2"):
        Path("l/a", name).symlink_to("..")
    read, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or (len(read) < 1000 and scandir(path)))
    errors = refused(run, "--extra-files", pattern)
    assert "l/a/up: is a link to a folder that contains it (--extra-files)" in errors[0]
    assert all(error.endswith("; remove the link or --exclude it [link-loop]") for error in errors)
    assert packed(run, "--extra-files", pattern, "--exclude", "up*") == {
        "a/t.txt" if pattern.endswith("a") else "t.txt"
    }


def test_a_link_to_itself_is_refused_by_name(folder: Path, run: Command) -> None:
    (folder / "self").symlink_to("self")
    [error] = refused(run, "--extra-files", "d")
    assert error.startswith("d/self: ")
    assert error.endswith("[link-loop]")
    [alone] = refused(run, "--serialized-file", "d/self")
    assert alone.endswith("[link-loop]")
    assert packed(run, "--extra-files", "d", "--exclude", "self") == {"a.txt"}


@pytest.mark.parametrize("flag", ["--extra-files", "--serialized-file", "--handler", "--include", "--model-path"])
def test_a_dangling_link_is_refused_by_name(folder: Path, run: Command, flag: str) -> None:
    Path("gone.py").symlink_to("no/where.py")
    [error, *_] = refused(run, flag, "gone.py")
    assert error == (
        f"gone.py: is a link to no/where.py, which does not exist ({flag}); fix or remove the link [link-dangling]"
    )


def test_a_dangling_link_in_a_folder_is_refused_by_name(folder: Path, run: Command) -> None:
    (folder / "gone.txt").symlink_to("nowhere")
    (folder / "also gone").symlink_to("/no-such-root/x")
    errors = refused(run, "--extra-files", "d")
    assert [error.partition(":")[0] for error in errors] == ["d/also gone", "d/gone.txt"]
    assert all("link-dangling" in error for error in errors)
    assert packed(run, "--extra-files", "d", "--exclude", "*gone*") == {"a.txt"}
    [error] = refused(run, "-f", "--extra-files", "d/*.txt")
    assert error.startswith("d/gone.txt: is a link to nowhere")


def _make_special(kind: str, path: Path) -> None:
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(path))
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device"])
@pytest.mark.parametrize("flag", ["--extra-files", "--serialized-file", "--include"])
def test_a_special_file_is_refused_by_name_and_never_opened(folder: Path, run: Command, flag: str, kind: str) -> None:
    _make_special(kind, Path("special"))
    [error] = refused(run, flag, "special")
    assert error == (
        f"special: is {kind}, not a file ({flag}); save its content to a file and name that [file-special]"
    )


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device"])
@pytest.mark.parametrize("flag", ["--extra-files", "--model-path"])
def test_a_special_file_in_a_folder_is_refused_by_name(folder: Path, run: Command, flag: str, kind: str) -> None:
    _make_special(kind, folder / "special")
    [error] = refused(run, flag, "d")
    assert error.startswith(f"d/special: is {kind}, not a file ({flag})")
    assert packed(run, flag, "d", "--exclude", "special") == {"a.txt"}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_name_that_is_not_utf_8_is_refused(folder: Path, run: Command, archive_format: str) -> None:
    try:
        with open(os.fsencode(folder) + b"/caf\xe9.txt", "w"):  # noqa: PTH123 - the name is bytes
            pass
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    [error] = refused(run, "--extra-files", "d", "--archive-format", archive_format)
    assert error == (
        r"d/caf\udce9.txt: the name is not UTF-8, which servers cannot unpack (--extra-files); rename it [path-invalid]"
    )


@pytest.mark.parametrize(
    ("name", "shown", "message"),
    [
        *((name, repr(name)[1:-1], "has a control character") for name in ("a\nb", "a\x1b[31m", "a\x7f", "a\u2028b")),
        ("a\\b", r"a\b", "has a backslash"),
        ("C:x", "C:x", "begins like a Windows drive"),
    ],
)
def test_a_name_that_breaks_archives_is_refused(folder, run: Command, name: str, shown: str, message: str) -> None:
    (folder / name).write_text("x")
    for words in (["--extra-files", "d"], ["--serialized-file", f"d/{name}"]):
        [error] = refused(run, *words)
        assert error.startswith(f"d/{shown}: the name {message}")
        assert error.endswith("[path-invalid]")


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """The folder ``closed`` beside ``d``, which a test closes."""
    make("closed/h.py", "closed/sub/x.txt", "d/h.py")
    yield Path("closed")
    Path("closed").chmod(0o755)
    Path("closed/sub").chmod(0o755)


def _unprivileged(folder: Path, *words: str) -> list[str]:
    """Return the lines of a build that fails, by a user for whom the modes of files count."""
    folder.chmod(0o777)
    ended = as_nobody([*MODEL, *words], folder)
    assert ended.status == 1, ended.err
    assert "internal error" not in ended.err
    return ended.lines


def test_an_unreadable_file_is_refused_by_name(closed: Path, work: Path) -> None:
    make("d/secret.pt")
    Path("d/secret.pt").chmod(0)
    closed.chmod(0)
    lines = _unprivileged(work, "--extra-files", "d,closed", "--serialized-file", "d/secret.pt", "--dry-run")
    assert any("d/secret.pt: is not readable (--extra-files)" in line for line in lines)
    assert any("d/secret.pt: is not readable (--serialized-file)" in line for line in lines)
    assert any("closed: Permission denied (--extra-files)" in line for line in lines)


def test_a_closed_sub_folder_is_refused_by_its_own_name(closed: Path, work: Path) -> None:
    Path("closed/sub").chmod(0)
    [line] = _unprivileged(work, "--include", "closed", "--dry-run")
    assert line.startswith("torch-model-archiver: error: closed/sub: Permission denied (--include); give yourself")


def test_a_link_into_a_closed_folder_is_refused_by_name(closed: Path, work: Path) -> None:
    Path("d/link").symlink_to("../closed/sub/x.txt")
    closed.chmod(0)
    lines = _unprivileged(work, "--extra-files", "d", "--serialized-file", "closed/h.py", "--dry-run")
    assert [line.split()[2] for line in lines] == ["d/link:", "closed/h.py:"]
    assert all("Permission denied" in line for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        ["--extra-files", "closed/*"],
        ["--extra-files", "d/*"],
        ["--handler", "closed/h.py", "--include", "d/h.py"],
        ["--model-path", "closed/sub", "--archive-format", "no-archive"],
        ["--include", "closed/h.py"],
    ],
)
def test_a_closed_folder_is_an_error_and_not_an_internal_one(closed: Path, work: Path, words: list[str]) -> None:
    make("m/own.txt")
    Path("d/link").symlink_to("../closed/sub")
    closed.chmod(0)
    lines = _unprivileged(work, *words, "--dry-run", "--strict")
    assert lines[0].startswith("torch-model-archiver: error: ")
