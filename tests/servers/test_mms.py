"""A real Multi Model Server (MMS), and a real TorchServe, serve what ``model-archiver`` packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .archives import mms_archive, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .mms import MultiModelServer

pytestmark = pytest.mark.servers

FUNCTIONS = """\
from pathlib import Path


def handle(data, context):
    return answer("handle", data, context)


def named(data, context):
    return answer("named", data, context)


def answer(function, data, context):
    if data is None:
        return None
    greeting = Path(context.system_properties["model_dir"], "texts", "greeting.txt").read_text()
    return [f"{greeting} from {__name__}.{function}"] * len(data)
"""

CLASS = """\
from pathlib import Path


class Service:
    def initialize(self, context):
        self.root = Path(context.system_properties["model_dir"])

    def handle(self, data, context):
        greeting = (self.root / "texts" / "greeting.txt").read_text()
        return [f"{greeting} from {__name__}.Service"] * len(data)
"""

FOLDER = {
    "functions.py": FUNCTIONS,
    "with-dash.py": FUNCTIONS,
    "package/__init__.py": "",
    "package/module.py": FUNCTIONS,
    "folder/inside.py": FUNCTIONS,
    "service.py": CLASS,
    "package/service.py": CLASS,
    "texts/greeting.txt": "hello",
}

# The handler on the command line and who answers.
HANDLERS = {
    "functions:named": "functions.named",
    "functions": "functions.handle",
    "functions.py": "functions.handle",
    "functions.py:named": "functions.named",
    "with-dash:named": "with-dash.named",
    "package.module:named": "package.module.named",
    "package.module": "package.module.handle",
    "folder/inside.py:named": "inside.named",
    "folder/inside:named": "inside.named",
    "service": "service.Service",
    "service.py": "service.Service",
    "package.service": "package.service.Service",
}


@pytest.mark.serves("every form of `--handler`", on="MMS")
@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("archive_format", ["default", "no-archive"])
def test_mms_serves_every_form_of_handler(mms: MultiModelServer, tmp_path: Path, handler: str, archive_format: str):
    archive = package(tmp_path, "handlers", handler, archive_format=archive_format)

    with mms.serving(archive, "handlers"):
        assert mms.predict("handlers") == answer_of(handler)


@pytest.mark.serves("archive of `model-archiver`")
@pytest.mark.parametrize(
    ("handler", "archive_format"),
    [*((handler, "default") for handler in HANDLERS), ("package.module:named", "no-archive")],
)
def test_torchserve_serves_the_same_archives(torchserve, tmp_path: Path, handler: str, archive_format: str):
    archive = package(tmp_path, "mms-archive", handler, archive_format=archive_format)

    with torchserve.serving(archive, "mms-archive"):
        assert torchserve.predict("mms-archive") == answer_of(handler)


@pytest.mark.serves("`--runtime python` and `python3`", on="MMS")
@pytest.mark.parametrize("runtime", ["python", "python3"])
def test_mms_finds_the_interpreter_of_each_runtime(mms: MultiModelServer, tmp_path: Path, runtime: str):
    archive = package(tmp_path, "runtime", "functions", "--runtime", runtime)

    with mms.serving(archive, "runtime"):
        assert mms.predict("runtime") == answer_of("functions")


@pytest.mark.serves("packaged in place, as SageMaker's MMS containers do", on="MMS")
def test_a_folder_packaged_in_place_is_loaded_when_mms_starts(new_mms: Callable[..., MultiModelServer]):
    server = new_mms(load_models="model=model")
    folder = write_tree(server.store / "model", FOLDER)
    packaging = ("--model-path", folder, "--handler", "functions:named")
    assert mms_archive(server.store, "model", *packaging, archive_format="no-archive") == folder

    with server:
        server.wait_until_ready("model")
        assert server.predict("model") == answer_of("functions:named")


def package(tmp_path: Path, name: str, handler: str, *flags: str, archive_format: str = "default") -> Path:
    packing = ("--model-path", write_tree(tmp_path / "folder to pack", FOLDER), "--handler", handler)
    return mms_archive(tmp_path / "out", name, *packing, *flags, archive_format=archive_format)


def answer_of(handler: str) -> bytes:
    return f"hello from {HANDLERS[handler]}".encode()
