"""A real TorchServe serves what ``torch-model-archiver`` packages."""

from __future__ import annotations

import hashlib
import json
import random
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .archives import DIGITS, DIGITS_FLAGS, FORMATS, HASHING_HANDLER, SAMPLE, torch_archive, write_tree

if TYPE_CHECKING:
    from .torchserve import TorchServe

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.servers

# Answers with the text of every file of the model's folder.
LISTING_HANDLER = """\
from pathlib import Path


def handle(data, context):
    if data is None:
        return None
    root = Path(context.system_properties["model_dir"])
    files = [path for path in root.rglob("*") if path.is_file()]
    return [{path.relative_to(root).as_posix(): path.read_text("utf-8", "replace") for path in files}]
"""

IMPORTING_HANDLER = """\
from greetings.words import hello


def handle(data, context):
    return [hello()]
"""

FUNCTIONS = """\
def handle(data, context):
    return ["handle"]


def second(data, context):
    return ["second"]
"""

CLASS = """\
class Service:
    def initialize(self, context):
        self.answer = "Service"

    def handle(self, data, context):
        return [self.answer]
"""

HANDLER_FILES = {
    "functions.py": FUNCTIONS,
    "with-dash.py": FUNCTIONS,
    "service.py": CLASS,
    "package/__init__.py": "",
    "package/module.py": FUNCTIONS,
    "package/service.py": CLASS,
    "folder/inside.py": FUNCTIONS,
}

# The handler on the command line and who answers; those of IN_FOLDER are modules of --model-path.
IN_FOLDER = {
    "package.module": "handle",
    "package.module:second": "second",
    "package.service": "Service",
    "folder/inside.py:second": "second",
}
HANDLERS = {
    "functions": "handle",
    "functions.py": "handle",
    "functions.py:second": "second",
    "with-dash.py:second": "second",
    "service.py": "Service",
    **IN_FOLDER,
}

MEGABYTE = 1 << 20


@pytest.mark.serves("eager model, custom handler")
def test_an_eager_model_with_a_handler_of_its_own(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    name = f"digits-{archive_format}"
    archive = torch_archive(tmp_path / "out", name, *DIGITS_FLAGS, archive_format=archive_format)

    with torchserve.serving(archive, name) as ask:
        answer = ask(SAMPLE)

    expected = digit_probabilities()
    assert answer["digit"] == max(expected, key=expected.get)
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("packing", [*FORMATS, "default --deflate always"])
def test_large_files_arrive_as_they_are(torchserve: TorchServe, tmp_path: Path, packing: str):
    dense = random.Random(0).randbytes(2 * MEGABYTE)
    contents = {
        "dense.bin": dense * 5,
        "sparse.bin": bytes(20 * MEGABYTE + 1),
        "mixed.bin": b"".join(dense[at : at + 999] + bytes(3000) for at in range(0, len(dense), 999)),
        "empty.bin": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    write_tree(tmp_path, {"hashing.py": HASHING_HANDLER})
    archive_format, *flags = packing.split()
    flags += ["--handler", tmp_path / "hashing.py", "--extra-files", tmp_path / "*.bin"]
    archive = torch_archive(tmp_path / "out", "large", *flags, archive_format=archive_format)

    with torchserve.serving(archive, "large") as ask:
        assert ask({}) == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


@pytest.mark.serves("extra files, with trees")
def test_a_handler_sees_the_tree_of_extra_files(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    assets = {"vocab.txt": "a b c", "labels/en.txt": "cat", "labels/more/de.txt": "Katze"}
    write_tree(tmp_path, {"listing.py": LISTING_HANDLER, "single.txt": "one file"})
    folder = write_tree(tmp_path / "assets", assets)
    flags = ("--handler", tmp_path / "listing.py", "--extra-files", f"{folder},{tmp_path / 'single.txt'}")
    archive = torch_archive(tmp_path / "out", "extra-tree", *flags, archive_format=archive_format)

    assert listing(torchserve, archive, "extra-tree").items() >= {**assets, "single.txt": "one file"}.items()


@pytest.mark.serves("file names with spaces and letters of any script")
def test_member_names_may_have_spaces_and_letters_of_any_script(torchserve, tmp_path: Path, archive_format: str):
    files = {"with blank.txt": "1", "größe.txt": "2", "数字/ein blatt 🌿.txt": "3", "comma, 'quote'.txt": "4"}
    write_tree(tmp_path / "the handler", {"liste_für_alle.py": LISTING_HANDLER})
    handler = ("--handler", tmp_path / "the handler" / "liste_für_alle.py")
    extra = ("--extra-files", write_tree(tmp_path / "beilagen für 数字", files))
    archive = torch_archive(tmp_path / "out put ü", "unicode", *handler, *extra, archive_format=archive_format)

    assert listing(torchserve, archive, "unicode").items() >= files.items()


@pytest.mark.serves("an `--include`d package that the handler imports")
def test_an_included_package_can_be_imported(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    write_tree(
        tmp_path,
        {
            "polite.py": IMPORTING_HANDLER,
            "greetings/__init__.py": "",
            "greetings/words/__init__.py": "from .german import hello\n",
            "greetings/words/german.py": "def hello():\n    return 'Guten Tag'\n",
        },
    )
    flags = ("--handler", tmp_path / "polite.py", "--include", tmp_path / "greetings")
    archive = torch_archive(tmp_path / "out", "including", *flags, archive_format=archive_format)

    with torchserve.serving(archive, "including"):
        assert torchserve.predict("including") == b"Guten Tag"


@pytest.mark.serves("every form of `--handler`")
@pytest.mark.parametrize("form", HANDLERS)
def test_every_form_of_a_handler(torchserve: TorchServe, tmp_path: Path, form: str, archive_format: str):
    folder = write_tree(tmp_path / "folder", HANDLER_FILES)
    packing = ("--model-path", folder) if form in IN_FOLDER else ()
    handler = form if form in IN_FOLDER else folder / form
    archive = torch_archive(tmp_path / "out", "form", "--handler", handler, *packing, archive_format=archive_format)

    with torchserve.serving(archive, "form"):
        assert torchserve.predict("form").decode() == HANDLERS[form]


@pytest.mark.serves("`--model-path`, handler in a package of it")
def test_a_model_folder_serves_with_a_handler_of_its_own(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    files = {"service/entry.py": LISTING_HANDLER, "service/__init__.py": "", "weights/part 1.bin": "0101"}
    folder = write_tree(tmp_path / "folder", files)
    archive = torch_archive(
        tmp_path / "out", "folder", "--model-path", folder, "--handler", "service.entry", archive_format=archive_format
    )

    assert listing(torchserve, archive, "folder").items() >= files.items()


@pytest.mark.serves("config file, its values in the server's description")
def test_a_config_file_sets_workers_and_batches(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    settings = {"minWorkers": 2, "maxWorkers": 3, "batchSize": 4, "maxBatchDelay": 30, "responseTimeout": 77}
    config = "".join(f"{key}: {value}\n" for key, value in settings.items())
    write_tree(tmp_path, {"listing.py": LISTING_HANDLER, "model-config.yaml": config})
    flags = ("--handler", tmp_path / "listing.py", "--config-file", tmp_path / "model-config.yaml")
    archive = torch_archive(tmp_path / "out", "configured", *flags, archive_format=archive_format)

    with torchserve.serving(archive, "configured", initial_workers=None):
        described = torchserve.describe("configured")

    assert {key: described[key] for key in settings} == settings
    assert len(described["workers"]) == settings["minWorkers"]


def digit_probabilities() -> dict[str, float]:
    """Return what the example's network, run in this process, says of the sample."""
    net = runpy.run_path(str(DIGITS / "model.py"))["DigitsNet"]()
    net.load_state_dict(torch.load(DIGITS / "digits.pt"))
    image = torch.tensor(SAMPLE["image"], dtype=torch.float32)
    with torch.inference_mode():
        probabilities = net.eval()(image[None]).softmax(dim=1)[0].tolist()
    names = json.loads((DIGITS / "index_to_name.json").read_bytes())
    return {names[str(digit)]: probability for digit, probability in enumerate(probabilities)}


def listing(server: TorchServe, archive: Path, name: str) -> dict[str, str]:
    """Return the text of every file that the handler of *archive* finds beside it."""
    with server.serving(archive, name) as ask:
        return ask({})
