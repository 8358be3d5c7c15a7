"""Weights that the handler would not load."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import manifest, output
from tests.conftest import Command

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)
"""


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)


def script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net()).save(path)


def export(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Net(), (torch.zeros(1, 3),)), path)


def safetensors(path: Path) -> None:
    header = json.dumps({"rows": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))


def saver(value: Any, **options: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(value, path, **options)


def writer(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content)


def old_save(pickled: bytes) -> bytes:
    """What older versions of torch write, without any storage."""
    head = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    return b"".join([*head, pickled, pickle.dumps([], protocol=2)])


def cut(path: Path) -> None:
    torch.save(Net().state_dict(), path)
    os.truncate(path, path.stat().st_size - 30)


STATE = Net().state_dict()
WEIGHTS: dict[str, Callable[[Path], Any]] = {
    "torchscript": script,
    "state-dict": saver(STATE),
    "old-state-dict": saver(STATE, _use_new_zipfile_serialization=False),
    "whole": saver(Net()),
    "old-whole": saver(Net(), _use_new_zipfile_serialization=False),
    "exported": export,
    "pickle": writer(pickle.dumps({name: tensor.numpy() for name, tensor in STATE.items()})),
    "safetensors": safetensors,
    "onnx": writer(b"\x08\x09\x12\x07pytorch\x1a\x062.13.0:\x10graph"),
    "library": writer(b"\x7fELF" + bytes(60)),
    "numbers": saver({"epoch": np.float64(1), **STATE}),
    "settings": saver({"settings": argparse.Namespace(rate=1), **STATE}),
    "protocol-4": saver(STATE, pickle_protocol=4),
    "framed": writer(old_save(b"\x80\x02\x95\x02" + bytes(7) + b"}.")),
    "raw": writer(bytes(range(256)) * 8),
    "empty": writer(b""),
    "html": writer(b"<!doctype html><title>Sign in</title>"),
    "git lfs": writer(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "cut": cut,
}
ONLY_TORCHSCRIPT = "and without a model file only TorchScript can be loaded"
ONLY_STATE = "and with a model file only a state_dict can be loaded"
SAVE_STATE = "save its state_dict() with torch.save"
SCRIPT = "save TorchScript (torch.jit.script(model).save(...))"
REFUSED = (
    "which torch.load refuses from 2.6 on and runs before; save only tensors, numbers and texts, as in a state_dict"
)


@pytest.fixture
def pack(work: Path, run: Command) -> Callable[..., list[str]]:
    """Package weights of a kind; what is said of them, errors first. A warning refuses nothing."""

    def call(kind: str | None, *words: object, name: str = "net.pt", handler: str = "base_handler") -> list[str]:
        if kind is not None:
            WEIGHTS[kind](Path(name))
            words = ("--serialized-file", name, *words)
        done = run("--model-name", "m", "--handler", handler, "-f", *words)
        assert (done.status == 0) == (not done.errors)
        if done.status == 0:
            assert manifest(output("m"))["model"].get("serializedFile") == (Path(name).name if kind else None)
        return [*done.errors, *done.warnings]

    (work / "net.py").write_text(NET)
    return call


@pytest.mark.parametrize(
    ("kind", "what", "hint"),
    [
        ("state-dict", "was saved by torch.save", f"add the model's class with --model-file, or {SCRIPT}"),
        ("old-state-dict", "was saved by torch.save", f"add the model's class with --model-file, or {SCRIPT}"),
        ("numbers", "was saved by torch.save", f"add the model's class with --model-file, or {SCRIPT}"),
        *(
            (kind, what, f"{SCRIPT}, or add the model's class with --model-file and {SAVE_STATE}")
            for kind, what in (
                ("whole", f"is a whole pickled model ({__name__}.Net)"),
                ("old-whole", f"is a whole pickled model ({__name__}.Net)"),
                ("exported", "is an exported program (torch.export)"),
                ("pickle", "is a plain pickle"),
                ("safetensors", "is a safetensors file"),
            )
        ),
        ("onnx", "is an ONNX model", "name it .onnx"),
        ("library", "is a shared library", "name it .so"),
    ],
)
@pytest.mark.parametrize("handler", ["base_handler", "image_classifier", "densenet_handler"])
def test_no_torchscript_and_no_model_file(pack, kind: str, what: str, hint: str, handler: str) -> None:
    line = f"net.pt: {what}, {ONLY_TORCHSCRIPT}; {hint} [weights-without-model-file]"
    assert pack(kind, handler=handler) == [line]
    with pytest.raises((RuntimeError, ValueError)):
        torch.jit.load("net.pt")


@pytest.mark.parametrize(
    ("kind", "what", "hint"),
    [
        ("torchscript", "is TorchScript", f"leave out --model-file, or {SAVE_STATE}"),
        ("whole", f"is a whole pickled model ({__name__}.Net)", SAVE_STATE),
        ("old-whole", f"is a whole pickled model ({__name__}.Net)", SAVE_STATE),
        ("exported", "is an exported program (torch.export)", SAVE_STATE),
        ("pickle", "is a plain pickle", SAVE_STATE),
        ("safetensors", "is a safetensors file", SAVE_STATE),
        ("onnx", "is an ONNX model", f"leave out --model-file, or {SAVE_STATE}"),
        ("library", "is a shared library", f"leave out --model-file, or {SAVE_STATE}"),
    ],
)
@pytest.mark.parametrize("handler", ["base_handler", "image_classifier", "densenet_handler"])
@pytest.mark.filterwarnings("ignore")
def test_no_state_dict_and_a_model_file(pack, kind: str, what: str, hint: str, handler: str) -> None:
    line = f"net.pt: {what}, {ONLY_STATE}; {hint} [weights-with-model-file]"
    assert pack(kind, "--model-file", "net.py", handler=handler) == [line]
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        torch.load("net.pt")


@pytest.mark.parametrize(
    ("kind", "words", "name"),
    [
        ("torchscript", (), "net.pt"),
        ("state-dict", ("--model-file", "net.py"), "net.pt"),
        ("old-state-dict", ("--model-file", "net.py"), "net.pth"),
        ("state-dict", ("--model-file", "net.py"), "net.bin"),
        ("state-dict", ("--model-file", "net.py"), "net"),
        ("safetensors", ("--model-file", "net.py"), "net.safetensors"),  # torch 2.13 gives them to their own package
        ("onnx", (), "net.onnx"),
        ("raw", (), "net.pt"),
        ("raw", ("--model-file", "net.py"), "net.pt"),
    ],
)
def test_nothing_is_said_of_what_may_serve(pack, kind: str, words: tuple[str, ...], name: str) -> None:
    assert pack(kind, *words, "--strict", name=name) == []


def test_what_is_in_the_message_of_torch_load_is_no_mistake(pack) -> None:
    assert pack("state-dict", "--model-file", "net.py", "--strict") == []
    net = Net()
    assert net.load_state_dict(torch.load("net.pt"))
    assert pack("torchscript", "--strict") == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.load("net.pt")


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("torchscript", "net.pth", "name it .pt"),
        ("torchscript", "net.PT", "name it .pt"),
        ("torchscript", "pt", "name it .pt"),
        ("onnx", "net.bin", "name it .onnx"),
        ("state-dict", "net.bin", f"add the model's class with --model-file, or {SCRIPT} as .pt"),
        ("exported", "net.pt2", f"{SCRIPT} as .pt, or write a handler that loads it with torch.export.load"),
        (
            "safetensors",
            "n.safetensors",
            "add the model's class with --model-file, or name it .pt if it is TorchScript",
        ),
        ("raw", "net.mar.zip", "add the model's class with --model-file, or name it .pt if it is TorchScript"),
    ],
)
def test_a_suffix_that_nothing_loads(pack, kind: str, name: str, hint: str) -> None:
    message = f"{name}: without a model file, only .pt, .onnx and .so can be loaded"
    assert pack(kind, name=name) == [f"{message}; {hint} [weights-suffix]"]


def test_densenet_does_not_look_at_the_suffix(pack) -> None:
    assert pack("torchscript", "--strict", name="net.pth", handler="densenet_handler") == []


@pytest.mark.parametrize(
    ("config", "is_loaded"),
    [
        (None, False),
        ("minWorkers: 1", False),
        ("pt2: inductor", False),
        ("pt2: {export: true}", False),
        ("pt2: {export: {aot_compile: false}}", False),
        ("pt2: {export: {aot_compile: 'true'}}", False),
        ("pt2: {export: {aot_compile: true}}", True),
        ("pt2: {export: {aot_compile: 1}}", True),
        ("pt2:\n  export:\n    aot_compile: true\n", True),
        ("pt2: {export: {aot_compile: *none}}", True),  # which is another check's to tell
    ],
)
def test_a_library_needs_a_word_in_the_config_file(pack, config: str | None, is_loaded: bool) -> None:
    words = []
    if config is not None:
        Path("model-config.yaml").write_text(config)
        words = ["--config-file", "model-config.yaml"]
    message = "net.so: is loaded only where the config file has pt2: {export: {aot_compile: true}}"
    expected = [] if is_loaded else [f"{message}; say so there (--config-file) [weights-suffix]"]
    assert [line for line in pack("library", *words, name="net.so") if "[weights-" in line] == expected


@pytest.mark.parametrize("handler", ["base_handler", "text_classifier", "densenet_handler", "object_detector"])
def test_no_weights_and_no_model_file(pack, handler: str) -> None:
    line = f"--handler {handler}: loads weights, and there are none; give them with --serialized-file [weights-missing]"
    assert line in pack(None, handler=handler)


@pytest.mark.parametrize("handler", ["vllm_handler", "trt_llm_handler", "dali_image_classifier", "own.py"])
def test_handlers_that_need_no_weights(pack, handler: str) -> None:
    Path("own.py").write_text("def handle(data, context):\n    return data\n")
    assert pack(None, "--strict", handler=handler) == []
    assert pack(None, "--strict", "--model-file", "net.py", handler=handler) == []


def test_densenet_needs_weights_with_a_model_file_too(pack) -> None:
    message = "--handler densenet_handler: loads weights, and there are none; give them with --serialized-file"
    assert pack(None, "--model-file", "net.py", handler="densenet_handler") == [f"{message} [weights-missing]"]


@pytest.mark.parametrize(
    ("body", "is_random"),
    [
        ("self.linear = torch.nn.Linear(3, 2)", True),
        ("self.linear = torch.nn.Linear(3, 2)\n        self.apply(self._init_weights)", True),
        ("self.scale = 2", False),
        ("self.net = torch.hub.load('pytorch/vision', 'resnet18')", False),
        ("self.net = AutoModel.from_pretrained('bert')", False),
        ("self.net = resnet18(weights='DEFAULT')", False),
        ("self.load_state_dict(torch.load('net.pt'))", False),
        ("self.rows = json.load(open('rows.json'))", False),
        *(
            (f"self.part = {part}", False)
            for part in (
                *("nn.AvgPool2d(2)", "nn.Sequential(nn.ReLU(), nn.Flatten())", "torch.device('cpu')"),
                *("transforms.Compose([transforms.ToTensor()])", "pipeline('sentiment-analysis')", "YOLO('y.pt')"),
                *("torchvision.models.resnet18(True)", "timm.create_model('resnet18', True)"),
            )
        ),
        ("self.body, self.head = timm.create_model('resnet18', True), nn.Linear(3, 2)", False),
        ("self.layers = nn.ModuleList([nn.Linear(3, 2) for _ in range(2)])", True),
        ("self.scale = nn.Parameter(torch.randn(1))", True),
        ("self.scale = nn.Parameter(torch.ones(1))", False),
        ("self.linear = torch.nn.Linear(3, 2)\n        self.linear.weight.data.fill_(1 / 9)", False),
        ("self._build()\n\n    def _build(self):\n        self.linear = torch.nn.Linear(3, 2)", True),
    ],
)
def test_a_model_file_without_weights(pack, body: str, is_random: bool) -> None:
    Path("net.py").write_text(NET.replace("self.linear = torch.nn.Linear(3, 2)", body))
    message = "net.py: there are no weights for this model, and random ones will be served"
    expected = [f"{message}; give them with --serialized-file [weights-missing]"] if is_random else []
    assert pack(None, "--model-file", "net.py") == expected


@pytest.mark.parametrize(
    ("text", "is_random"),
    [
        (
            "import torch\n\n\nclass Twice(torch.nn.Module):\n    def forward(self, rows):\n        return 2 * rows\n",
            False,
        ),
        ("class Twice:\n    pass\n", False),
        ("from backbones import Resnet\n\n\nclass Net(Resnet):\n    pass\n", False),
    ],
)
def test_what_a_model_is_made_of(pack, text: str, is_random: bool) -> None:
    Path("net.py").write_text(text)
    assert bool([line for line in pack(None, "--model-file", "net.py") if "[weights-missing]" in line]) == is_random


PROBLEMS = {
    "empty": "is empty; save the weights again",
    "html": "is an HTML page, not the weights; download the file itself",
    "git lfs": "is a Git LFS pointer, not the weights; run git lfs pull",
    "cut": "is cut short; copy or download it again, or save the weights again",
}


@pytest.mark.parametrize("words", [(), ("--model-file", "net.py")])
@pytest.mark.parametrize("name", ["net.pt", "net.bin"])
@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_file_that_nothing_can_read(pack, run: Command, kind: str, name: str, words: tuple[str, ...]) -> None:
    line = f"{name}: {PROBLEMS[kind]} [weights-unreadable]"
    assert pack(kind, *words, name=name) == [line]
    Path("own.py").write_text("def handle(data, context):\n    return data\n")
    assert pack(kind, *words, name=name, handler="own.py") == [line]
    done = run("--model-name", "m", "-f", "--handler", "own.py", "--serialized-file", name, *words)
    assert (done.errors, done.warnings) == ([], [line])


@pytest.mark.parametrize("name", ["dummy.pt", "dummy_file.pth", "empty.bin", "placeholder.pt"])
def test_an_empty_file_that_stands_for_none(pack, name: str) -> None:
    Path("own.py").write_text("def handle(data, context):\n    return data\n")
    assert pack("empty", "--strict", name=name, handler="own.py") == []
    assert pack("empty", name=name) == [f"{name}: {PROBLEMS['empty']} [weights-unreadable]"]


@pytest.mark.parametrize("kind", [kind for kind in WEIGHTS if kind not in PROBLEMS])
def test_a_handler_of_ones_own_may_load_anything(pack, kind: str) -> None:
    Path("own.py").write_text("import joblib\n\n\ndef handle(data, context):\n    return data\n")
    assert pack(kind, "--strict", name="net.xyz", handler="own.py") == []


def test_mms_may_load_anything(work: Path, run_mms: Command) -> None:
    folder = work / "model"
    folder.mkdir()
    (folder / "net.pt").write_bytes(b"")
    (folder / "service.py").write_text("def handle(data, context):\n    return data\n")
    done = run_mms("--model-name", "m", "--model-path", "model", "--handler", "service:handle", "--strict")
    assert (done.status, done.errors, done.warnings) == (0, [], [])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("numbers", f"names numpy._core.multiarray.scalar, numpy.dtype, {REFUSED}"),
        ("settings", f"names argparse.Namespace, {REFUSED}"),
        *(
            (
                kind,
                "has pickle opcodes that torch.load refuses from 2.6 on; save it with torch.save, without a "
                "pickle_protocol",
            )
            for kind in ("protocol-4", "framed")
        ),
    ],
)
def test_globals_that_torch_refuses(pack, kind: str, message: str) -> None:
    assert pack(kind, "--model-file", "net.py") == [f"net.pt: {message} [weights-unsafe]"]
    with pytest.raises(pickle.UnpicklingError):
        torch.load("net.pt")


def test_many_globals_are_counted(pack) -> None:
    pickled = b"\x80\x02" + b"".join(b"cos\nf%d\n0" % i for i in range(5)) + b"}."
    Path("net.pth").write_bytes(old_save(pickled))
    WEIGHTS["given"] = lambda path: None
    lines = pack("given", "--model-file", "net.py", name="net.pth")
    assert lines == [f"net.pth: names os.f0, os.f1, os.f2 and 2 more, {REFUSED} [weights-unsafe]"]


ALLOWING = [
    "import torch\n\ntorch.serialization.add_safe_globals([dict])\n",
    "from torch.serialization import safe_globals\n",
    "import functools\nimport torch\n\ntorch.load = functools.partial(torch.load, weights_only=False)\n",
    "import os\n\nos.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'\n",
]


@pytest.mark.parametrize("text", ALLOWING)
@pytest.mark.parametrize("kind", ["numbers", "settings", "whole", "torchscript"])
def test_what_torch_takes_may_be_said_in_the_archive(pack, text: str, kind: str) -> None:
    Path("net.py").write_text(text + NET)
    assert pack(kind, "--model-file", "net.py", "--strict") == []
    Path("net.py").write_text("import helper\n" + NET)
    Path("helper.py").write_text(text)
    assert pack(kind, "--model-file", "net.py", "--extra-files", "helper.py", "--strict") == []


def foreign(path: Path) -> None:
    path.write_bytes(old_save(b"\x80\x02]ctensorlib.rows\nRows\na."))


def test_a_library_may_allow_its_own_classes_when_it_is_imported(pack) -> None:
    WEIGHTS["foreign"] = foreign
    assert pack("foreign", "--model-file", "net.py") == [
        f"net.pt: names tensorlib.rows.Rows, {REFUSED} [weights-unsafe]"
    ]
    Path("net.py").write_text("import tensorlib\n" + NET)
    assert pack("foreign", "--model-file", "net.py", "--strict") == []
    Path("tensorlib.py").write_text("")
    lines = pack("foreign", "--model-file", "net.py", "--extra-files", "tensorlib.py")
    assert lines == [f"net.pt: names tensorlib.rows.Rows, {REFUSED} [weights-unsafe]"]


@pytest.mark.parametrize("text", ["tensorlibs = 1\n", "x = 'my_tensorlib'\n", "tensorlibé = 1\n"])
def test_a_part_of_a_word_is_no_mention(pack, text: str) -> None:
    WEIGHTS["foreign"] = foreign
    Path("net.py").write_text(text + NET, encoding="utf-8")
    lines = pack("foreign", "--model-file", "net.py")
    assert lines == [f"net.pt: names tensorlib.rows.Rows, {REFUSED} [weights-unsafe]"]


WORDS = "which torch.load refuses from 2.6 on and runs before; save only words and numbers, as in a dict"


@pytest.mark.parametrize(
    ("kind", "handler", "line"),
    [
        ("settings", "text_classifier", f"source_vocab.pt: names argparse.Namespace, {WORDS} [weights-unsafe]"),
        ("foreign", "own.py", f"source_vocab.pt: names tensorlib.rows.Rows, {WORDS} [weights-unsafe]"),
        ("state-dict", "text_classifier", None),
        ("raw", "text_classifier", None),
        ("settings", "base_handler", None),
    ],
)
def test_a_vocabulary_is_loaded_by_torch_too(pack, kind: str, handler: str, line: str | None) -> None:
    WEIGHTS["foreign"] = foreign
    WEIGHTS[kind](Path("source_vocab.pt"))
    Path("own.py").write_text(
        "from ts.torch_handler.text_handler import TextHandler\n\n\nclass Own(TextHandler):\n    pass\n"
    )
    words = ("--model-file", "net.py", "--extra-files", "source_vocab.pt")
    assert pack("state-dict", *words, handler=handler) == ([line] if line else [])


OWN = """\
import os

import torch


class Own:
    def initialize(self, context):
        self.manifest = context.manifest
        folder = context.system_properties["model_dir"]
        serialized = self.manifest["model"]["serializedFile"]
        self.path = os.path.join(folder, serialized)
        {load}

    def handle(self, data, context):
        return data
"""


@pytest.mark.parametrize(
    ("load", "is_plain"),
    [
        ("self.model = torch.load(self.path)", True),
        ("self.model = torch.load(self.path, map_location='cpu')", True),
        ("self.model.load_state_dict(torch.load(f'{self.path}'))", True),
        ("path = self.path\n        with torch.no_grad():\n            self.model = torch.load(path)", True),
        ("self.model = torch.load(os.path.join(folder, 'net.pt'))", True),
        ("self.model = torch.load(self.path, weights_only=False)", False),
        ("self.model = torch.load(self.path, 'cpu', pickle)", False),
        ("self.model = torch.load(self.path, **self.options)", False),
        ("self.model = torch.load(self.path, pickle_module=dill)", False),
        ("self.model = torch.jit.load(self.path)", False),
        ("self.model = pickle.load(self.path)", False),
        ("self.model = YOLO(self.path)\n        self.rows = torch.load('rows.pt')", False),
        ("self.path = 'rows.pt'\n        self.rows = torch.load(self.path)", False),
        ("if self.is_old:\n            self.model = torch.load(self.path)", False),
        ("try:\n            self.model = torch.load(self.path)\n        except Exception:\n            pass", False),
        ("torch.serialization.add_safe_globals([dict])\n        self.model = torch.load(self.path)", False),
    ],
)
def test_a_handler_of_ones_own_that_calls_torch_load(pack, load: str, is_plain: bool) -> None:
    Path("own.py").write_text(OWN.format(load=load))
    line = f"net.pt: names argparse.Namespace, {REFUSED} [weights-unsafe]"
    assert pack("settings", handler="own.py") == ([line] if is_plain else [])
    assert pack("state-dict", "--strict", handler="own.py") == []


FOLLOWING = """\
import torch
from ts.torch_handler.base_handler import BaseHandler


class Own(BaseHandler):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "kind", "words", "code"),
    [
        ("pass", "state-dict", (), "weights-without-model-file"),
        (
            "def initialize(self, context):\n        super().initialize(context)",
            "state-dict",
            (),
            "weights-without-model-file",
        ),
        ("def _load_torchscript_model(self, path):\n        return torch.load(path)", "state-dict", (), None),
        ("def initialize(self, context):\n        self.model = None", "state-dict", (), None),
        ("pass", "whole", ("--model-file", "net.py"), "weights-with-model-file"),
        (
            "def _load_pickled_model(self, *words):\n        return torch.load(words[2])",
            "whole",
            ("--model-file", "net.py"),
            None,
        ),
        ("pass", None, (), "weights-missing"),
        ("pass", None, ("--model-file", "net.py"), "weights-missing"),
        ("def _load_pickled_model(self, *words):\n        return None", None, ("--model-file", "net.py"), None),
        ("def initialize(self, context):\n        self.model = None", None, (), None),
        ("pass", "library", (), "weights-suffix"),
        ("def _use_torch_export_aot_compile(self):\n        return True", "library", (), None),
        ("pass", "empty", (), "error weights-unreadable"),
        ("def _load_torchscript_model(self, path):\n        return None", "empty", (), "weights-unreadable"),
    ],
)
def test_handlers_that_derive_from_the_servers_own(pack, body: str, kind: str | None, words, code: str | None) -> None:
    Path("own.py").write_text(FOLLOWING.format(body=body))
    lines = pack(kind, *words, name="net.so" if kind == "library" else "net.pt", handler="own.py")
    assert [line.rpartition("[")[2].rstrip("]") for line in lines] == ([code.split()[-1]] if code else [])
    if code == "error weights-unreadable":
        assert not output("m").exists()
