"""A real TorchServe loads weights of every kind, and answers as torch does in this process."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .archives import torch_archive, write_tree

if TYPE_CHECKING:
    from .torchserve import TorchServe

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.servers

NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows).softmax(dim=1)
"""

ONNX_HANDLER = """\
from ts.torch_handler.base_handler import BaseHandler


class OnnxHandler(BaseHandler):
    def inference(self, data):
        return self.model.run(None, {"rows": data.numpy()})[0]
"""

SAFETENSORS_HANDLER = """\
from pathlib import Path

import torch
from safetensors.torch import load_file
from net import Net
from ts.torch_handler.base_handler import BaseHandler


class SafetensorsHandler(BaseHandler):
    def initialize(self, context):
        weights = context.manifest["model"]["serializedFile"]
        self.device = torch.device("cpu")
        self.model = Net().eval()
        self.model.load_state_dict(load_file(Path(context.system_properties["model_dir"], weights)))
        self.initialized = True
"""

TEXT_NET = """\
import torch


class TextNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(8, 4)
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, tokens, offsets):
        return self.linear(self.embedding(tokens, offsets))
"""

VOCABULARY = {"good": 1, "bad": 2, "tea": 3, "good tea": 4, "bad tea": 5}
ROWS = [[0.5, -1.0, 2.0], [0.0, 0.25, -3.5]]


@pytest.mark.serves("eager model, built-in `base_handler`")
@pytest.mark.parametrize("names", [("net.py", "net.pt"), ("mein netz.py", "größe 数字.pt")])
def test_an_eager_model_with_a_built_in_handler(json_torchserve: TorchServe, tmp_path: Path, names, archive_format):
    model_file, weights = (tmp_path / name for name in names)
    net = make_net(model_file)
    torch.save(net.state_dict(), weights)
    flags = ("--model-file", model_file, "--serialized-file", weights, "--handler", "base_handler")
    answers_as(net, json_torchserve, torch_archive(tmp_path / "out", "eager", *flags, archive_format=archive_format))


@pytest.mark.serves("TorchScript, no model file")
@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("handler", [("--handler", "base_handler"), ()], ids=["base_handler", "no --handler"])
def test_torchscript_without_a_model_file(json_torchserve: TorchServe, tmp_path: Path, handler, archive_format):
    net = make_net(tmp_path / "net.py")
    torch.jit.script(net).save(tmp_path / "scripted.pt")
    flags = ("--serialized-file", tmp_path / "scripted.pt", *handler)
    answers_as(net, json_torchserve, torch_archive(tmp_path / "out", "scripted", *flags, archive_format=archive_format))


@pytest.mark.serves("ONNX, custom handler")
def test_onnx_with_a_handler_that_runs_the_session(json_torchserve: TorchServe, tmp_path: Path, archive_format):
    net = make_net(tmp_path / "net.py")
    write_onnx(net, tmp_path / "net.onnx")
    write_tree(tmp_path, {"onnx_handler.py": ONNX_HANDLER})
    flags = ("--serialized-file", tmp_path / "net.onnx", "--handler", tmp_path / "onnx_handler.py")
    answers_as(net, json_torchserve, torch_archive(tmp_path / "out", "onnx-net", *flags, archive_format=archive_format))


@pytest.mark.serves("safetensors, custom handler")
def test_safetensors_with_a_handler_that_loads_them(json_torchserve: TorchServe, tmp_path: Path, archive_format):
    save_file = pytest.importorskip("safetensors.torch").save_file
    net = make_net(tmp_path / "net.py")
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    write_tree(tmp_path, {"loading.py": SAFETENSORS_HANDLER})
    files = ("--serialized-file", tmp_path / "net.safetensors", "--include", tmp_path / "net.py")
    flags = (*files, "--handler", tmp_path / "loading.py")
    answers_as(net, json_torchserve, torch_archive(tmp_path / "out", "safe-net", *flags, archive_format=archive_format))


@pytest.mark.serves("text, built-in `text_classifier`")
def test_text_with_the_built_in_handler(torchserve: TorchServe, tmp_path: Path, archive_format):
    model_file, weights, vocabulary = (tmp_path / name for name in ("text_net.py", "text.pt", "source_vocab.pt"))
    net = make_net(model_file, TEXT_NET, "TextNet")
    torch.save(net.state_dict(), weights)
    torch.save(VOCABULARY, vocabulary)
    write_tree(tmp_path, {"index_to_name.json": '{"0": "praise", "1": "blame"}'})
    files = ("--model-file", model_file, "--serialized-file", weights)
    more = ("--handler", "text_classifier", "--extra-files", f"{vocabulary},{tmp_path / 'index_to_name.json'}")
    archive = torch_archive(tmp_path / "out", "text", *files, *more, archive_format=archive_format)

    with torchserve.serving(archive, "text"):
        answer = json.loads(torchserve.predict("text", "<b>Bad</b> téa!".encode(), "text/plain"))

    tokens = torch.tensor([VOCABULARY[token] for token in ("bad", "tea", "bad tea")])
    with torch.inference_mode():
        praise, blame = net(tokens, torch.tensor([0])).softmax(dim=1)[0].tolist()
    assert answer == pytest.approx({"praise": praise, "blame": blame})


def make_net(model_file: Path, source: str = NET, name: str = "Net") -> torch.nn.Module:
    """Write *model_file* and return a network of the class in it."""
    model_file.write_text(source, encoding="utf-8")
    torch.manual_seed(0)
    return runpy.run_path(str(model_file), run_name="net")[name]().eval()


def write_onnx(net: torch.nn.Module, path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("Gemm", ["rows", "weight", "bias"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    sizes = {"rows": 3, "probabilities": 2}
    inputs, outputs = (
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", sizes[name]])] for name in sizes
    )
    weights = [numpy_helper.from_array(getattr(net.linear, name).detach().numpy(), name) for name in ("weight", "bias")]
    graph = helper.make_graph(nodes, "net", inputs, outputs, initializer=weights)
    # Versions that every onnxruntime of the last years knows.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def answers_as(net: torch.nn.Module, server: TorchServe, archive: Path) -> None:
    """See that a server answers ROWS as the network does in this process."""
    with torch.inference_mode():
        expected = [pytest.approx(row) for row in net(torch.tensor(ROWS)).tolist()]
    with server.serving(archive, archive.name.partition(".")[0]) as ask:
        assert ask({"instances": ROWS})["predictions"] == expected
