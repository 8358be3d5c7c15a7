"""A file system that can share blocks between files: there, a folder costs no space."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import contents
from tests.conftest import Command

MIB = 1 << 20


@pytest.fixture
def sharing_disk(work: Path) -> Iterator[Path]:
    """A small XFS, whose files can share blocks, mounted from a file."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    image, folder = work / "image", work / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(400 * MIB)
    try:
        subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no XFS can be made and mounted here: {error}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_folder_shares_the_blocks_of_its_sources_and_fits_where_a_copy_would_not(
    sharing_disk: Path, run: Command
) -> None:
    weights = sharing_disk / "weights.pt"
    weights.write_bytes(os.urandom(MIB) * 200)
    words = ["--model-name", "m", "--serialized-file", weights, "--export-path", sharing_disk]
    assert "[disk-full]" in run(*words, "--archive-format", "zip-store").errors[0]
    before = os.statvfs(sharing_disk).f_bavail
    result = run(*words, "--archive-format", "no-archive")
    assert result.status == 0, result.err
    used = (before - os.statvfs(sharing_disk).f_bavail) * os.statvfs(sharing_disk).f_frsize
    assert used < 10 * MIB
    assert contents(sharing_disk / "m")["weights.pt"] == weights.read_bytes()
    assert sorted(path.name for path in sharing_disk.iterdir()) == ["m", "weights.pt"]
