"""What docs/building-many.md tells people to type is typed here, and prints what is shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archives import members
from tests.examples import commands_of
from tests.test_models_file import serve, store
from tests.test_readme import ROOT, typed

__all__ = ["serve", "store"]

PAGE = (ROOT / "docs/building-many.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def lines(printed: str) -> list[str]:
    """Return the lines in any order, without sizes and numbers of cores."""
    return sorted(re.sub(r"\d+\.\d KiB|; small ones .*", "#", line) for line in printed.splitlines())


@pytest.fixture
def examples(work: Path) -> Path:
    shutil.copytree(ROOT / "examples", "examples")
    return work


def test_the_commands_print_what_is_shown(examples: Path) -> None:
    for command, shown in commands_of("".join(blocks("console"))):
        done = typed(f"{command} 2>&1", examples)
        assert lines(done.stdout) == lines(shown)
        assert done.returncode == ("error: " in shown)


def test_the_files_of_other_tools_build(serve: Path, store: Path) -> None:
    Path("fasterrcnn-258fb6c6.pth").write_bytes(b"weights")
    torchserve, kserve = blocks("sh")[0].splitlines()
    for command in (f"{torchserve} --no-checks", kserve):
        done = typed(command, serve)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in Path("model_store").iterdir()} == {"fastrcnn.mar", "mnist.mar"}
    assert members(Path("model-store/densenet.mar")) == {"net_handler.py", "net.pt", "a.txt", "b.txt"}
    assert "minWorkers" in Path("config/config.properties").read_text()


def test_the_python_example_runs(examples: Path) -> None:
    [script] = blocks("python")
    Path("many.py").write_text(script)
    done = subprocess.run([sys.executable, "many.py"], check=True, capture_output=True, text=True)
    assert len(re.findall(r"^finished (?:first|second)$", done.stdout, re.MULTILINE)) == 2
    assert re.findall(r"^(\w+) sha256:", done.stdout, re.MULTILINE) == ["first", "second"]


def test_the_command_for_dask_builds_on_a_cluster(examples: Path) -> None:
    from tests.test_dask import Cluster  # noqa: PLC0415 - skips a test that imports it without the extra

    cluster = Cluster(examples)
    try:
        cluster.add()
        typed(commands_of(blocks("console")[0])[0][0], examples)
        done = typed(blocks("sh")[1].replace("127.0.0.1:8786", cluster.address), examples)
    finally:
        cluster.stop()
    assert done.returncode == 0, done.stderr
    assert {path.name for path in Path("store").iterdir()} == {"digits.mar", "digits-tgz.tar.gz"}
