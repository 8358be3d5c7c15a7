"""A real TorchServe does with config files, label files and vocabularies what the checks say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from model_archiver.cli import main
from tests.test_checks_config import ERRORS, INVALID

from .archives import GREETING, torch_archive, write_tree
from .server import ServerError
from .test_weights import NET, TEXT_NET, VOCABULARY, make_net

if TYPE_CHECKING:
    from pathlib import Path

    from .torchserve import TorchServe

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.servers


def configured(folder: Path, text: str | bytes) -> tuple[object, ...]:
    write_tree(folder, {"greeting.py": GREETING})
    return ("--handler", folder / "greeting.py", *config_file(folder, text))


def config_file(folder: Path, text: str | bytes) -> tuple[object, ...]:
    (folder / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return ("--config-file", folder / "config.yaml")


def labelled(folder: Path, text: str) -> tuple[object, ...]:
    """Return the flags of a model of base_handler with names of classes."""
    torch.save(make_net(folder / "net.py", NET).state_dict(), folder / "net.pt")
    labels = write_tree(folder, {"index_to_name.json": text}) / "index_to_name.json"
    files = ("--model-file", folder / "net.py", "--serialized-file", folder / "net.pt", "--extra-files", labels)
    return ("--handler", "base_handler", *files)


def compiled(folder: Path, text: str) -> tuple[object, ...]:
    return (*labelled(folder, "{}"), *config_file(folder, text))


WRONG_PT2 = [text for text, line in ERRORS if "[config-value]" in line]
# No worker starts with these, or the registration ends before one can.
REJECTED = {
    **{f"invalid-{number}": (configured, text, "config-invalid") for number, (text, _) in enumerate(INVALID)},
    **{f"pt2-{number}": (compiled, text, "config-value") for number, text in enumerate(WRONG_PT2)},
    "no-torchrun": (configured, "parallelType: pp\nparallelLevel: 1\n", "config-combination"),
    "labels-not-json": (labelled, "{'0': 'cat'}", "labels-invalid"),
    "labels-list": (labelled, '["cat", "dog"]', "labels-invalid"),
    "labels-mark": (labelled, '\ufeff{"0": "cat"}', "labels-invalid"),
    "labels-number": (labelled, '{"0": 7}', "labels-invalid"),
    "labels-empty-list": (labelled, '{"0": []}', "labels-invalid"),
}

# The server has its own values for these, and a model that answers.
IGNORED = {
    "misspelt": ("batch_size: 4\n", "config-unknown-key", "batchSize", 1),
    "string-for-number": ("batchSize: '4'\n", "config-value", "batchSize", 1),
    "more-than-an-integer": ("batchSize: 2147483648\n", "config-value", "batchSize", 1),
    "none": ("batchSize: 0\n", "config-value", "batchSize", 1),
    "negative": ("maxBatchDelay: -1\n", "config-value", "maxBatchDelay", 100),
    "no-response": ("responseTimeout: 0\n", "config-value", "responseTimeout", 120),
    "cuda": ("deviceType: cuda\n", "config-value", "deviceType", "cpu"),
    "no-such-type": ("parallelType: none\nparallelLevel: 2\n", "config-value", "parallelLevel", 0),
    "no-maximum": ("minWorkers: 2\n", "config-combination", "minWorkers", 1),
    "no-minimum": ("maxWorkers: 2\n", "config-combination", "maxWorkers", 1),
    "less-than-minimum": ("minWorkers: 3\nmaxWorkers: 2\n", "config-combination", "minWorkers", 1),
    "type-alone": ("parallelType: tp\n", "config-combination", "parallelType", ""),
    "level-alone": ("parallelLevel: 2\n", "config-combination", "parallelLevel", 0),
    "torchrun-alone": ("torchrun:\n  nproc-per-node: 2\n", "config-combination", "parallelLevel", 0),
    "too-deep": ("batchSize: 4\nx: " + "[" * 60 + "]" * 60, "config-invalid", "batchSize", 1),
    "too-many-aliases": ("batchSize: 4\na: &a [1]\nb: [" + "*a, " * 51 + "]", "config-invalid", "batchSize", 1),
}

SERVED = {
    "plain": ("minWorkers: 1\nmaxWorkers: 1\nbatchSize: 4\nmaxBatchDelay: 10\n", "batchSize", 4),
    "json": ('{"batchSize": 4}', "batchSize", 4),
    "numbers": ("batchSize: 010\nmaxBatchDelay: 0x10\nresponseTimeout: 1_000\n", "batchSize", 8),
    "minutes": ("responseTimeout: 1:30\n", "responseTimeout", 90),
    "mark": ("\ufeffbatchSize: 4\r\n", "batchSize", 4),
    "merged": ("base: &base\n  batchSize: 4\n<<: *base\n", "batchSize", 4),
    "twice": ("batchSize: 2\nbatchSize: 4\n", "batchSize", 4),
    "recursive": ("a: &a [*a]\nbatchSize: 4\n", "batchSize", 4),
    "upper-case": ("deviceType: CPU\nparallelType: CUSTOM\nparallelLevel: 1\n", "parallelType", "custom"),
    "yes": ("useJobTicket: yes\n", "useJobTicket", True),
    "free": ("handler:\n  1: one\n  batch_size: 7\nmodel_path: x\nbatchSize: 4\n", "batchSize", 4),
    "sequences": ("sequenceBatching: true\nsequenceMaxIdleMSec: 1000\n", "batchSize", 1),
}

SERVED_BY_BASE_HANDLER = {
    "strings": (labelled, '{"0": "cat", "1": "dog"}'),
    "lists": (labelled, '{"0": ["n01", "cat"], "1": [1, "dog"]}'),
    "object-types": (labelled, '{"object_type_names": ["cat", "dog"], "x": 1}'),
    "pt2-backend": (compiled, "pt2: eager\n"),
    "pt2-off": (compiled, "pt2: {compile: {enable: false}}\n"),
    "pt2-export": (compiled, "pt2: {export: {}}\n"),
}


@pytest.mark.parametrize("row", REJECTED)
def test_a_file_with_which_no_worker_starts(torchserve: TorchServe, tmp_path: Path, capfd, row: str):
    make, text, code = REJECTED[row]
    flags = make(tmp_path, text)
    assert verdict(capfd, *flags) == [code]

    with pytest.raises(ServerError), torchserve.serving(unchecked(tmp_path, f"bad-{row}", flags), f"bad-{row}"):
        pass


def test_sequences_without_an_end_are_never_answered(torchserve: TorchServe, tmp_path: Path, capfd):
    flags = configured(tmp_path, "sequenceBatching: true\n")
    assert verdict(capfd, *flags) == ["config-combination"]

    with torchserve.serving(unchecked(tmp_path, "endless", flags), "endless"), pytest.raises(ServerError, match="500"):
        torchserve.predict("endless")


@pytest.mark.parametrize("row", IGNORED)
def test_a_setting_that_the_server_ignores(torchserve: TorchServe, tmp_path: Path, capfd, row: str):
    text, code, key, value = IGNORED[row]
    flags = configured(tmp_path, text)
    assert verdict(capfd, *flags) == [code]
    name = f"ignored-{row}"

    with torchserve.serving(unchecked(tmp_path, name, flags), name, initial_workers=None):
        assert torchserve.predict(name) == b"hello"
        assert torchserve.describe(name)[key] == value


@pytest.mark.parametrize("row", SERVED)
def test_a_config_file_that_serves(torchserve: TorchServe, tmp_path: Path, row: str):
    text, key, value = SERVED[row]
    name = f"served-{row}"
    archive = torch_archive(tmp_path / "out", name, *configured(tmp_path, text), "--strict")

    with torchserve.serving(archive, name, initial_workers=None):
        assert torchserve.predict(name) == b"hello"
        assert torchserve.describe(name)[key] == value


@pytest.mark.parametrize("row", SERVED_BY_BASE_HANDLER)
def test_a_file_with_which_base_handler_serves(json_torchserve: TorchServe, tmp_path: Path, row: str):
    make, text = SERVED_BY_BASE_HANDLER[row]
    archive = torch_archive(tmp_path / "out", f"base-{row}", *make(tmp_path, text), "--strict")

    with json_torchserve.serving(archive, f"base-{row}") as ask:
        assert len(ask({"instances": [[0.5, -1.0, 2.0]]})["predictions"]) == 1


def test_a_text_classifier_without_its_vocabulary(torchserve: TorchServe, tmp_path: Path, capfd):
    net, weights = tmp_path / "text_net.py", tmp_path / "text.pt"
    torch.save(make_net(net, TEXT_NET, "TextNet").state_dict(), weights)
    flags = ("--model-file", net, "--serialized-file", weights, "--handler", "text_classifier")
    assert verdict(capfd, *flags) == ["vocabulary-missing"]
    with pytest.raises(ServerError), torchserve.serving(unchecked(tmp_path, "wordless", flags), "wordless"):
        pass

    torch.save(VOCABULARY, tmp_path / "source_vocab.pt")
    labels = write_tree(tmp_path, {"index_to_name.json": '{"0": "praise", "1": "blame"}'}) / "index_to_name.json"
    words = ("--extra-files", f"{tmp_path / 'source_vocab.pt'},{labels}")
    with torchserve.serving(torch_archive(tmp_path / "out", "words", *flags, *words, "--strict"), "words"):
        assert b"praise" in torchserve.predict("words", b"good tea", "text/plain")


def unchecked(folder: Path, name: str, flags: tuple[object, ...]) -> Path:
    return torch_archive(folder / "out", name, *flags, "--no-checks")


def verdict(capfd: pytest.CaptureFixture[str], *flags: object) -> list[str]:
    capfd.readouterr()
    main([str(flag) for flag in ("--model-name", "m", *flags, "--dry-run")])
    return re.findall(r" \[([a-z-]+)\]$", capfd.readouterr().err, re.MULTILINE)
