"""Weights and model files on TorchServe, with handlers that load them as its own do."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from .trial import Trial, Trials

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


def _holding(net_class: type) -> types.ModuleType:
    module = types.ModuleType("net")
    module.Net = net_class
    return module


BASE = "--handler base_handler"
EAGER = f"{BASE} --model-file net.py --serialized-file net.pt"
LABELLED = f"{BASE} --serialized-file net.pt --extra-files index_to_name.json"
TEXT = "--handler text_classifier --model-file net.py --serialized-file net.pt --extra-files index_to_name.json"

REFUSED: Trials = {
    "a model file and TorchScript": Trial(
        EAGER, {"net.py": NET, "net.pt": torchscript}, "weights-with-model-file", "TorchScript archive"
    ),
    "a model file and a whole module": Trial(
        EAGER, {"net.py": NET, "net.pt": whole}, "weights-with-model-file", "Weights only load failed"
    ),
    **{
        f"{suffix} without a model file": Trial(
            f"{BASE} --serialized-file net{suffix}",
            {f"net{suffix}": state_dict},
            "weights-suffix",
            "No model weights could be loaded",
        )
        for suffix in (".pth", ".bin", ".safetensors", ".pt2", ".so")
    },
    "parameters without a model file": Trial(
        f"{BASE} --serialized-file net.pt", {"net.pt": state_dict}, "weights-without-model-file", "constants.pkl"
    ),
    "a whole module without a model file": Trial(
        f"{BASE} --serialized-file net.pt", {"net.pt": whole}, "weights-without-model-file", "constants.pkl"
    ),
    "parameters and a handler that derives from BaseHandler": Trial(
        "--handler h.py --serialized-file net.pt",
        {"h.py": HANDLER, "net.pt": state_dict},
        "weights-without-model-file",
        "constants.pkl",
    ),
    "another suffix and a handler that calls BaseHandler's initialize": Trial(
        "--handler h.py --serialized-file net.pth",
        {"h.py": CALLING, "net.pth": torchscript},
        "weights-suffix",
        "No model weights could be loaded",
    ),
    "neither weights nor model file": Trial(
        BASE, {}, "weights-missing", "'NoneType' object has no attribute 'endswith'"
    ),
    "a model file with a dot in its name": Trial(
        f"{BASE} --model-file net.v2.py --serialized-file net.pt",
        {"net.v2.py": NET, "net.pt": state_dict},
        "model-file-name",
        "No module named 'net'",
    ),
    "a model file called time.py": Trial(
        f"{BASE} --model-file time.py --serialized-file net.pt",
        {"time.py": NET, "net.pt": state_dict},
        "handler-shadows",
        "structseq() missing required argument",
    ),
    "two classes in the model file": Trial(
        EAGER,
        {"net.py": TWO_NETS, "net.pt": state_dict},
        "model-file-class",
        "Expected only one class as model definition. [<class 'net.Block'>, <class 'net.Net'>]",
    ),
    "no class in the model file": Trial(
        EAGER,
        {"net.py": NO_NET, "net.pt": state_dict},
        "model-file-class",
        "Expected only one class as model definition. []",
    ),
    "a class that wants arguments": Trial(
        EAGER,
        {"net.py": NEEDING, "net.pt": state_dict},
        "model-file-class",
        "missing 1 required positional argument: 'rows'",
    ),
    "a list of labels": Trial(
        LABELLED,
        {"net.pt": torchscript, "index_to_name.json": '["cat", "dog"]'},
        "labels-invalid",
        "index->name JSON mapping should be in",
    ),
    "labels that are numbers": Trial(
        LABELLED,
        {"net.pt": torchscript, "index_to_name.json": '{"0": "cat", "1": 2}'},
        "labels-invalid",
        "labels in index->name mapping must be either str or List[str]",
    ),
    "labels that are no JSON": Trial(
        LABELLED, {"net.pt": torchscript, "index_to_name.json": '{"0": "cat",}'}, "labels-invalid", "JSONDecodeError"
    ),
    "text_classifier without a vocabulary": Trial(
        TEXT,
        {"net.py": NET, "net.pt": state_dict, "index_to_name.json": '{"0": "good"}'},
        "vocabulary-missing",
        "Missing the source_vocab file",
    ),
    "empty weights": Trial(f"{BASE} --serialized-file net.pt", {"net.pt": b""}, "weights-unreadable", "Error"),
    "weights that are cut short": Trial(
        f"{BASE} --serialized-file net.pt", {"net.pt": cut_short}, "weights-unreadable", "PytorchStreamReader failed"
    ),
    "a web page for weights": Trial(
        f"{BASE} --serialized-file net.pt", {"net.pt": HTML}, "weights-unreadable", "PytorchStreamReader failed"
    ),
    "a pointer of Git LFS for weights": Trial(
        f"{BASE} --serialized-file net.pt", {"net.pt": POINTER}, "weights-unreadable", "PytorchStreamReader failed"
    ),
    "empty weights beside a model file": Trial(EAGER, {"net.py": NET, "net.pt": b""}, "weights-unreadable", "EOFError"),
    "a web page beside a model file": Trial(
        EAGER, {"net.py": NET, "net.pt": HTML}, "weights-unreadable", "UnpicklingError"
    ),
}

SERVED: Trials = {
    "a model file and parameters": Trial(EAGER, {"net.py": NET, "net.pt": state_dict}),
    **{
        f"a model file and parameters, {suffix}": Trial(
            f"{BASE} --model-file net.py --serialized-file net{suffix}", {"net.py": NET, f"net{suffix}": state_dict}
        )
        for suffix in (".pth", ".bin")
    },
    "a model file with a dash in its name": Trial(
        f"{BASE} --model-file net-v2.py --serialized-file net.pt", {"net-v2.py": NET, "net.pt": state_dict}
    ),
    "TorchScript": Trial(f"{BASE} --serialized-file net.pt", {"net.pt": torchscript}),
    "TorchScript and no handler": Trial("--serialized-file net.pt", {"net.pt": torchscript}),
    "TorchScript and a handler that calls BaseHandler's initialize": Trial(
        "--handler h.py --serialized-file net.pt", {"h.py": CALLING, "net.pt": torchscript}
    ),
    "parameters and a handler that loads them": Trial(
        "--handler h.py --serialized-file net.pth --extra-files net.py",
        {"h.py": LOADING, "net.pth": state_dict, "net.py": NET},
    ),
    "no weights and a handler that needs none": Trial("--handler h.py", {"h.py": WITHOUT_WEIGHTS}),
    "no weights but a model file": Trial(
        f"{BASE} --model-file net.py", {"net.py": NET}, "weights-missing", level="warning"
    ),
    **{
        f"labels: {text}": Trial(LABELLED, {"net.pt": torchscript, "index_to_name.json": text})
        for text in (
            json.dumps({"0": "cat", "1": "dog"}),
            json.dumps({"0": ["n02123045", "cat"], "1": "dog"}),
            json.dumps({"object_type_names": ["cat", "dog"]}),
        )
    },
}
