"""Objects in the weights that ``load_state_dict`` of the model's class does not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import output
from tests.conftest import Command
from tests.torch_files import old_saved, saved, torch

pytestmark = pytest.mark.filterwarnings("ignore")

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Linear(3, 2)
        self.fc = nn.Linear(2, 2)

    def forward(self, rows):
        return self.fc(self.conv(rows))
"""
DERIVED = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Own(BaseHandler):\n    "


def _net(text: str = NET) -> Any:
    space: dict[str, Any] = {"__name__": "net"}
    exec(text, space)
    return space["Net"]()


STATE = _net().state_dict()


def behind(prefix: str) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in STATE.items()}


OPTIMIZER = torch.optim.Adam(_net().parameters())
OPTIMIZER.zero_grad()
AVERAGED = torch.optim.swa_utils.AveragedModel(_net()).state_dict()
HOLDS, ONLY = "this holds", "but the server loads a state_dict"
SAVE = "save its state_dict() with torch.save"


def begins(prefix: str) -> str:
    message = f"all keys begin with '{prefix}', such as {prefix}conv.weight, but those of the model do not"
    return f"{message}; remove '{prefix}' from the keys and save them again"


def checkpoint(keys: str, hint: str) -> str:
    return f"{HOLDS} a checkpoint with the keys {keys}, {ONLY}; {hint}"


WRONG = {
    "DataParallel": (torch.nn.DataParallel(_net()).state_dict(), begins("module.")),
    "torch.compile": (torch.compile(_net()).state_dict(), begins("_orig_mod.")),
    "both": (behind("module._orig_mod."), begins("module._orig_mod.")),
    "averaged": (AVERAGED, begins("module.")),
    "Lightning": (behind("net."), begins("net.")),
    "two prefixes": (behind("module.net."), begins("module.net.")),
    "a checkpoint": (
        {"epoch": 3, "state_dict": STATE, "optimizer": OPTIMIZER.state_dict()},
        checkpoint("epoch, state_dict, optimizer", "save only its entry 'state_dict'"),
    ),
    "a checkpoint of another name": (
        {"net": STATE, "loss": 0.5},
        checkpoint("net, loss", "save only its entry 'net'"),
    ),
    "a checkpoint with several models": (
        {"ema": STATE, "model": STATE, "args": {}, "a": 1, "b": 2, "c": 3},
        checkpoint("ema, model, args, a, b and 1 more", "save only its entry 'model'"),
    ),
    "a checkpoint of DataParallel": (
        {"model_state_dict": behind("module."), "step": 1},
        checkpoint("model_state_dict, step", "save only its entry 'model_state_dict'"),
    ),
    "numbers beside the tensors": (
        {"epoch": 1, **STATE},
        checkpoint("epoch, conv.weight, conv.bias, fc.weight, fc.bias", SAVE),
    ),
    "an optimizer": (OPTIMIZER.state_dict(), checkpoint("state, param_groups", SAVE)),
    "a list": ([STATE], f"{HOLDS} a list, {ONLY}; {SAVE}"),
    "a list of tensors": (list(STATE.values()), f"{HOLDS} a list, {ONLY}; {SAVE}"),
    "a tuple": ((STATE, 1), f"{HOLDS} a tuple, {ONLY}; {SAVE}"),
    "a tensor": (torch.zeros(3), f"{HOLDS} a tensor, {ONLY}; {SAVE}"),
    "a parameter": (torch.nn.Parameter(torch.zeros(3)), f"{HOLDS} a tensor, {ONLY}; {SAVE}"),
}


@pytest.fixture
def pack(work: Path, run: Command) -> Callable[..., list[str]]:
    """Package a value as weights of a model file, and return what is reported of it."""

    def call(value: Any, *words: object, net: str = NET, save: Callable[[Any], bytes] = saved) -> list[str]:
        (work / "net.pt").write_bytes(save(value))
        (work / "net.py").write_text(net)
        done = run("--model-name", "m", "-f", "--serialized-file", "net.pt", "--model-file", "net.py", *words)
        assert (done.errors, done.status) == ([], 0)
        return done.warnings

    return call


@pytest.mark.parametrize("save", [saved, old_saved])
@pytest.mark.parametrize(("value", "report"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("handler", ["base_handler", "densenet_handler", "own.py"])
def test_what_cannot_fit_is_a_warning(pack, run: Command, value: Any, report: str, save, handler: str) -> None:
    Path("own.py").write_text(f"{DERIVED}def preprocess(self, data):\n        return data\n")
    lines = [f"net.pt: {report} [weights-keys]"]
    assert pack(value, "--handler", handler, save=save) == lines
    assert run("verify", output("m"), "--strict").errors == lines
    with pytest.raises((RuntimeError, TypeError)):
        _net().load_state_dict(torch.load("net.pt"))


HOLDING = NET.replace("self.conv =", "self.net = nn.Module()\n        self.net.conv =")
OWN_LOADING = "\n    def load_state_dict(self, state, strict=True):\n        super().load_state_dict(state['model'])\n"
HOOK = "\n        self._register_load_state_dict_pre_hook(print)\n"
FITTING = {
    "a state_dict": (STATE, NET),
    "an empty one": ({}, NET),
    "of a model with that attribute": (behind("module."), NET.replace("fc", "module")),
    "of a model with that name in a string": (
        behind("module."),
        f"{NET}\n    def wrap(self):\n        self.add_module('module', self)\n",
    ),
    "of a model that holds another": (behind("net."), HOLDING),
    "of unknown layers": (behind("encoder."), NET.replace(".conv", ".stem").replace(".fc", ".head")),
    "of layers with computed names": (
        behind("net."),
        NET.replace("self.fc =", "self.add_module('n' + 'et', self.conv)\n        self.fc ="),
    ),
    "of numbered layers": (
        {"0.weight": torch.zeros(1), "0.bias": torch.zeros(1)},
        NET.replace("nn.Module)", "nn.Sequential)"),
    ),
    "with a state that is no tensor": ({**STATE, "_extra_state": {"scale": 1}, "fc.quant.kind": 3}, NET),
    "of a class that loads in its own way": ({"model": STATE, "epoch": 3}, NET + OWN_LOADING),
    "of a class with a hook": (behind("module."), NET.replace("\n    def forward", f"{HOOK}\n    def forward")),
    "of a class with an unknown base": (
        {"model": STATE, "epoch": 3},
        NET.replace("nn.Module)", "Base)").replace(
            "from torch import nn", "from torch import nn\nfrom zoo import Base"
        ),
    ),
    "where torch.load is another": ([STATE], "import torch\n\ntorch.load = print\n" + NET),
}


@pytest.mark.parametrize(("value", "net"), FITTING.values(), ids=FITTING.keys())
def test_what_may_fit_is_not_reported(pack, value: Any, net: str) -> None:
    assert pack(value, "--strict", net=net) == []


@pytest.mark.parametrize(
    "body",
    [
        "def _load_pickled_model(self, *words):\n        return None",
        "def initialize(self, context):\n        self.model = None",
    ],
)
def test_a_handler_may_load_in_its_own_way(pack, body: str) -> None:
    Path("own.py").write_text(f"{DERIVED}{body}\n")
    for value in ([STATE], {"state_dict": STATE, "epoch": 1}, behind("module.")):
        assert pack(value, "--handler", "own.py", "--strict") == []


def test_a_quantized_model_fits(pack) -> None:
    torch.backends.quantized.engine = torch.backends.quantized.supported_engines[-1]
    quantized = torch.ao.quantization.quantize_dynamic(_net(), {torch.nn.Linear}, dtype=torch.qint8)
    assert not [line for line in pack(quantized.state_dict()) if "[weights-keys]" in line]
