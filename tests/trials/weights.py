"""Weights and model files on TorchServe, with handlers that load them as its own do."""

from __future__ import annotations

import sys
import tarfile
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .trial import Content, Trial, Trials

NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)
"""
TWO_NETS = f"{NET}\n\nclass Block(torch.nn.Module):\n    pass\n"
NO_NET = "import torch\n\n\ndef net():\n    return torch.nn.Linear(3, 2)\n"
NEEDING = NET.replace("__init__(self):", "__init__(self, rows):")

HANDLER = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n    pass\n"
CALLING = """\
from ts.torch_handler.base_handler import BaseHandler


class Mine(BaseHandler):
    def initialize(self, context):
        super().initialize(context)
        self.labels = ["cat", "dog"]
"""
LOADING = """\
import os

import torch
from net import Net
from ts.torch_handler.base_handler import BaseHandler


class Mine(BaseHandler):
    def initialize(self, context):
        weights = context.manifest["model"]["serializedFile"]
        self.model = Net()
        self.model.load_state_dict(torch.load(os.path.join(context.system_properties["model_dir"], weights)))

    def handle(self, data, context):
        return ["served"]
"""
WITHOUT_WEIGHTS = 'def handle(data, context):\n    return ["served"]\n'

HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 102502400\n"


def net() -> Any:
    """A network of the class in NET, which pickles as ``net.Net``."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = types.ModuleType("net")
    exec(NET, module.__dict__)
    return module.Net().eval()


def state_dict(path: Path) -> None:
    """Save the network's parameters."""
    parameters = net().state_dict()
    pytest.importorskip("torch").save(parameters, path)


def whole(path: Path) -> None:
    """Save the network itself."""
    network = net()
    sys.modules["net"] = sys.modules[type(network).__module__] = _holding(type(network))
    try:
        pytest.importorskip("torch").save(network, path)
    finally:
        del sys.modules["net"]


def torchscript(path: Path) -> None:
    """Save the network as TorchScript."""
    torch = pytest.importorskip("torch")
    torch.jit.trace(net(), torch.zeros(1, 3)).save(str(path))


def cut_short(path: Path) -> None:
    """Save TorchScript, and lose the last half of it."""
    torchscript(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zipped(path: Path) -> None:
    """Save the network's parameters, and put the file into a zip."""
    state_dict(path.with_suffix(".bin"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".bin"), "net.bin")


def tarred(path: Path) -> None:
    """Save the network's parameters, and put the file into a tar."""
    state_dict(path.with_suffix(".bin"))
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_suffix(".bin"), "net.bin")


def array(path: Path) -> None:
    """Save one parameter with NumPy."""
    with path.open("wb") as file:
        pytest.importorskip("numpy").save(file, net().linear.bias.detach().numpy())


def prefixed(path: Path) -> None:
    """Save the parameters as DataParallel names them."""
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.DataParallel(net()).state_dict(), path)


def checkpoint(path: Path) -> None:
    """Save the parameters in a checkpoint."""
    pytest.importorskip("torch").save({"epoch": 3, "state_dict": net().state_dict()}, path)


def parameters(path: Path) -> None:
    """Save a list of the parameters."""
    pytest.importorskip("torch").save([parameter.detach() for parameter in net().parameters()], path)


def _holding(net_class: type) -> types.ModuleType:
    module = types.ModuleType("net")
    module.Net = net_class
    return module


BASE = "--handler base_handler"
SAVED = f"{BASE} --serialized-file net.pt"
EAGER = f"{SAVED} --model-file net.py"
DERIVED = "--handler h.py --serialized-file"
LABELLED = f"{SAVED} --extra-files index_to_name.json"
TEXT = f"{EAGER} --extra-files index_to_name.json".replace(BASE, "--handler text_classifier")
MODEL: dict[str, Content] = {"net.py": NET, "net.pt": state_dict}
NOT_ZIP = "PytorchStreamReader failed"
NO_LOADER = "No model weights could be loaded"
ONE_CLASS = "Expected only one class as model definition."


def _labels(text: str) -> dict[str, Content]:
    return {"net.pt": torchscript, "index_to_name.json": text}


_REFUSED: dict[str, dict[str, tuple[str, dict[str, Content], str]]] = {
    "weights-with-model-file": {
        "TorchScript": (EAGER, MODEL | {"net.pt": torchscript}, "TorchScript archive"),
        "a whole module": (EAGER, MODEL | {"net.pt": whole}, "Weights only load failed"),
    },
    "weights-without-model-file": {
        "parameters": (SAVED, {"net.pt": state_dict}, "constants.pkl"),
        "a whole module": (SAVED, {"net.pt": whole}, "constants.pkl"),
        "a derived handler": (f"{DERIVED} net.pt", {"h.py": HANDLER, "net.pt": state_dict}, "constants.pkl"),
    },
    "weights-suffix": {
        **{
            suffix: (f"{BASE} --serialized-file net{suffix}", {f"net{suffix}": state_dict}, NO_LOADER)
            for suffix in (".pth", ".bin", ".safetensors", ".pt2")
        },
        "a derived handler": (f"{DERIVED} net.pth", {"h.py": CALLING, "net.pth": torchscript}, NO_LOADER),
    },
    "weights-missing": {
        "neither weights nor model file": (BASE, {}, "'NoneType' object has no attribute 'endswith'"),
    },
    "weights-unreadable": {
        "empty": (SAVED, {"net.pt": b""}, "Error"),
        "truncated": (SAVED, {"net.pt": cut_short}, NOT_ZIP),
        "a web page": (SAVED, {"net.pt": HTML}, NOT_ZIP),
        "a Git LFS pointer": (SAVED, {"net.pt": POINTER}, NOT_ZIP),
        "empty, with a model file": (EAGER, MODEL | {"net.pt": b""}, "EOFError"),
        "a web page, with a model file": (EAGER, MODEL | {"net.pt": HTML}, "UnpicklingError"),
        "a zip of the weights": (SAVED, {"net.pt": zipped}, "file in archive is not in a subdirectory"),
        "a tar of the weights, with a model file": (EAGER, MODEL | {"net.pt": tarred}, "legacy .tar format"),
        "an array, with a model file": (EAGER, MODEL | {"net.pt": array}, "UnpicklingError"),
        "no ONNX": (SAVED.replace(".pt", ".onnx"), {"net.onnx": "not a protobuf"}, "INVALID_PROTOBUF"),
        "parameters named .onnx": (SAVED.replace(".pt", ".onnx"), {"net.onnx": state_dict}, "INVALID_PROTOBUF"),
    },
    "weights-keys": {
        "a prefix": (EAGER, MODEL | {"net.pt": prefixed}, "Missing key(s) in state_dict"),
        "a checkpoint": (EAGER, MODEL | {"net.pt": checkpoint}, "Missing key(s) in state_dict"),
        "a list": (EAGER, MODEL | {"net.pt": parameters}, "Expected state_dict to be dict-like"),
    },
    "model-file-name": {
        "a dot": (
            EAGER.replace("net.py", "net.v2.py"),
            {"net.v2.py": NET, "net.pt": state_dict},
            "No module named 'net'",
        ),
    },
    "handler-shadows": {
        "a model file called time.py": (
            EAGER.replace("net.py", "time.py"),
            {"time.py": NET, "net.pt": state_dict},
            "structseq() missing required argument",
        ),
    },
    "model-file-class": {
        "two": (EAGER, MODEL | {"net.py": TWO_NETS}, f"{ONE_CLASS} [<class 'net.Block'>, <class 'net.Net'>]"),
        "none": (EAGER, MODEL | {"net.py": NO_NET}, f"{ONE_CLASS} []"),
        "arguments": (EAGER, MODEL | {"net.py": NEEDING}, "missing 1 required positional argument: 'rows'"),
    },
    "labels-invalid": {
        "a list": (LABELLED, _labels('["cat", "dog"]'), "index->name JSON mapping should be in"),
        "numbers": (LABELLED, _labels('{"0": "cat", "1": 2}'), "labels in index->name mapping must be either str or"),
        "no JSON": (LABELLED, _labels('{"0": "cat",}'), "JSONDecodeError"),
    },
    "vocabulary-missing": {
        "text_classifier": (TEXT, MODEL | {"index_to_name.json": '{"0": "good"}'}, "Missing the source_vocab file"),
    },
}
REFUSED: Trials = {
    f"{code}: {name}": Trial(flags, files, code, says, "warning" if code == "weights-keys" else "error")
    for code, cases in _REFUSED.items()
    for name, (flags, files, says) in cases.items()
}

SERVED: Trials = {
    **{
        f"a model file and parameters, {suffix}": Trial(
            f"{BASE} --model-file net.py --serialized-file net{suffix}", {"net.py": NET, f"net{suffix}": state_dict}
        )
        for suffix in (".pt", ".pth", ".bin")
    },
    "a model file with a dash in its name": Trial(
        EAGER.replace("net.py", "net-v2.py"), {"net-v2.py": NET, "net.pt": state_dict}
    ),
    "TorchScript": Trial(SAVED, {"net.pt": torchscript}),
    "TorchScript and no handler": Trial("--serialized-file net.pt", {"net.pt": torchscript}),
    "TorchScript and a derived handler": Trial(f"{DERIVED} net.pt", {"h.py": CALLING, "net.pt": torchscript}),
    "parameters and a handler that loads them": Trial(
        f"{DERIVED} net.pth --extra-files net.py", {"h.py": LOADING, "net.pth": state_dict, "net.py": NET}
    ),
    "no weights and a handler that needs none": Trial("--handler h.py", {"h.py": WITHOUT_WEIGHTS}),
    "no weights but a model file": Trial(f"{BASE} --model-file net.py", {"net.py": NET}),
    **{
        f"labels: {text}": Trial(LABELLED, _labels(text))
        for text in (
            '{"0": "cat", "1": "dog"}',
            '{"0": ["n02123045", "cat"], "1": "dog"}',
            '{"object_type_names": ["cat", "dog"]}',
        )
    },
}
