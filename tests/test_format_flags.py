"""The flags that choose the form of the output: ``--archive-format``, ``--deflate`` and ``--link``."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.archives import FORMATS, contents, output
from tests.conftest import Command
from tests.packing import refused

WORDS = ("--model-name", "m", "--model-file", "long.py", "--serialized-file", "noise.pt")


@pytest.fixture
def mixed(work: Path) -> Path:
    """A file that deflates well, and one that does not deflate at all."""
    (work / "long.py").write_text("class Net:\n    pass\n" + "# a line that repeats\n" * 500)
    (work / "noise.pt").write_bytes(os.urandom(20_000))
    return work


def _deflated() -> set[str]:
    with zipfile.ZipFile("m.mar") as archive:
        infos = [info for info in archive.infolist() if not info.filename.startswith("MAR-INF/")]
        return {info.filename for info in infos if info.compress_type == zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("deflate", ["auto", "always", "never"])
def test_every_format_holds_the_same_files_however_they_are_packed(mixed, run: Command, archive_format, deflate):
    assert run(*WORDS, "--archive-format", archive_format, "--deflate", deflate).status == 0
    packed = contents(output("m", archive_format))
    assert {packed[name] == Path(name).read_bytes() for name in ("long.py", "noise.pt")} == {True}


@pytest.mark.parametrize(
    ("words", "deflated"),
    [
        ([], {"long.py"}),
        (["--deflate", "auto"], {"long.py"}),
        (["--deflate", "always"], {"long.py", "noise.pt"}),
        (["--deflate=never"], set()),
        (["--archive-format", "zip-store"], set()),
        (["--archive-format", "zip-store", "--deflate", "always"], set()),
    ],
)
def test_deflate_says_which_files_are_deflated(mixed, run: Command, words, deflated) -> None:
    assert run(*WORDS, *words).status == 0
    assert _deflated() == deflated


def test_an_empty_format_is_the_default_one(mixed, run: Command) -> None:
    assert run(*WORDS, "--archive-format", "").status == 0
    assert output("m").is_file()


@pytest.mark.parametrize("link", [True, False])
def test_link_shares_the_bytes_with_the_sources(mixed, run: Command, link: bool) -> None:
    Path("by_link.pt").symlink_to("noise.pt")
    words = ["--include", "by_link.pt", "--archive-format", "no-archive", *["--link"] * link]
    assert run(*WORDS, *words).status == 0
    assert Path("m/long.py").samefile("long.py") is link
    for name in ("noise.pt", "by_link.pt"):
        assert Path("m", name).samefile("noise.pt") is link
        assert not Path("m", name).is_symlink()


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
def test_link_needs_a_folder(mixed, run: Command, archive_format: str) -> None:
    [error] = refused(run, *WORDS[2:], "--link", "--archive-format", archive_format)
    assert "link-impossible" in error
