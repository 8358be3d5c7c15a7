"""Weights that the handler would not load."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import output
from tests.conftest import Command
from tests.torch_files import FILES, OTHER, STATE, np, old_save_of, saved, torch

pytestmark = pytest.mark.filterwarnings("ignore")

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)
"""
OWN = "def handle(data, context):\n    return data\n"
DERIVED = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Own(BaseHandler):\n    "
MODEL = ("--model-file", "net.py")


ONNX = FILES["onnx"]
WEIGHTS = {
    **FILES,
    **OTHER,
    "text": b"not a protobuf",
    "onnx in another order": ONNX[2:] + ONNX[:2],
    "numbers": saved({"epoch": np.float64(1), **STATE}),
    "settings": saved({"settings": argparse.Namespace(rate=1), **STATE}),
    "functions": old_save_of(b"\x80\x02" + b"".join(b"cos\nf%d\n0" % number for number in range(5)) + b"}."),
    "long name": old_save_of(b"\x80\x02cos\n" + b"x" * 900 + b"\n0}."),
    "foreign": old_save_of(b"\x80\x02ctensorlib.rows\nRows\n0}."),
    "many foreign": old_save_of(b"\x80\x02" + b"".join(b"cpackage%d\nX\n0" % number for number in range(30)) + b"}."),
}
NOT_LOADED = "which the server does not load"
AGAIN = "copy or download it again, or save the weights again"
DAMAGED = {
    "empty": f"this is an empty file, {NOT_LOADED}; {AGAIN}",
    "html": f"this is an HTML page, {NOT_LOADED}; download the file itself",
    "git lfs": f"this is a Git LFS pointer, {NOT_LOADED}; run git lfs pull",
    "truncated": f"this is a truncated file, {NOT_LOADED}; {AGAIN}",
}
SAVE_STATE = "save its state_dict() with torch.save"
SCRIPT = "save TorchScript as .pt (torch.jit.script(model).save(...))"
ADD_CLASS = "add the model class with --model-file"
CLASS_OR_SCRIPT = f"{ADD_CLASS}, or {SCRIPT}"
SCRIPT_OR_CLASS = f"{SCRIPT}, or {ADD_CLASS} and {SAVE_STATE}"
REJECTED = "which torch 2.6 rejects and older versions execute"
PLAIN = "save only tensors, numbers and strings, as in a state_dict"
NAMESPACE = f"the pickle imports argparse.Namespace, {REJECTED}"


@pytest.fixture
def pack(work: Path, run: Command) -> Callable[..., list[str]]:
    """Package weights of a kind, and return what is reported of them, errors first."""

    def call(kind: str | None, *words: object, name: str = "net.pt", handler: str = "base_handler") -> list[str]:
        if kind is not None:
            Path(name).write_bytes(WEIGHTS[kind])
            words = ("--serialized-file", name, *words)
        done = run("--model-name", "m", "--handler", handler, "-f", *words)
        assert output("m").exists() == (done.status == 0) == (not done.errors)
        return [*done.errors, *done.warnings]

    (work / "net.py").write_text(NET)
    (work / "own.py").write_text(OWN)
    return call


WITHOUT_MODEL_FILE = {
    "state-dict": ("a file from torch.save", CLASS_OR_SCRIPT),
    "old-state-dict": ("a file from torch.save", CLASS_OR_SCRIPT),
    "numbers": ("a file from torch.save", CLASS_OR_SCRIPT),
    "whole": ("a whole pickled model", SCRIPT_OR_CLASS),
    "old-whole": ("a whole pickled model", SCRIPT_OR_CLASS),
    "exported": ("an exported program (torch.export)", SCRIPT_OR_CLASS),
    "pickle": ("a plain pickle", SCRIPT_OR_CLASS),
    "onnx": ("an ONNX model", "give it the suffix .onnx"),
    "library": ("a shared library", "give it the suffix .so"),
}


@pytest.mark.parametrize("kind", WITHOUT_MODEL_FILE)
@pytest.mark.parametrize("handler", ["base_handler", "image_classifier", "densenet_handler"])
def test_other_than_torchscript_without_a_model_file(pack, kind: str, handler: str) -> None:
    what, hint = WITHOUT_MODEL_FILE[kind]
    message = f"net.pt: this is {what}, but without a model file the server loads only TorchScript"
    assert pack(kind, handler=handler) == [f"{message}; {hint} [weights-without-model-file]"]
    with pytest.raises((RuntimeError, ValueError)):
        torch.jit.load("net.pt")


WITH_MODEL_FILE = {
    **{kind: (what, SAVE_STATE) for kind, (what, hint) in WITHOUT_MODEL_FILE.items() if hint == SCRIPT_OR_CLASS},
    "torchscript": ("TorchScript", f"remove --model-file, or {SAVE_STATE}"),
    "onnx": ("an ONNX model", f"remove --model-file, or {SAVE_STATE}"),
    "library": ("a shared library", f"remove --model-file, or {SAVE_STATE}"),
}


@pytest.mark.parametrize("kind", WITH_MODEL_FILE)
@pytest.mark.parametrize("handler", ["base_handler", "image_classifier", "densenet_handler"])
def test_other_than_a_state_dict_with_a_model_file(pack, kind: str, handler: str) -> None:
    what, hint = WITH_MODEL_FILE[kind]
    message = f"net.pt: this is {what}, but with a model file the server loads only a state_dict"
    assert pack(kind, *MODEL, handler=handler) == [f"{message}; {hint} [weights-with-model-file]"]
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        torch.load("net.pt")


@pytest.mark.parametrize(
    ("kind", "words", "options"),
    [
        ("torchscript", (), {}),
        ("torchscript", (), {"name": "net.pth", "handler": "densenet_handler"}),
        ("state-dict", MODEL, {}),
        ("old-state-dict", MODEL, {"name": "net.pth"}),
        ("state-dict", MODEL, {"name": "net.bin"}),
        ("state-dict", MODEL, {"name": "net"}),
        ("safetensors", MODEL, {"name": "net.safetensors"}),  # torch 2.13 passes them to their own package
        ("onnx", (), {"name": "net.onnx"}),
        ("raw", (), {}),
        ("raw", MODEL, {}),
        ("empty", (), {"name": "dummy.pt", "handler": "own.py"}),
        ("empty", (), {"name": "placeholder.bin", "handler": "own.py"}),
        *((kind, (), {"name": "net.xyz", "handler": "own.py"}) for kind in WEIGHTS if kind not in DAMAGED),
        *((None, words, {"handler": "own.py"}) for words in ((), MODEL)),
        *((None, (), {"handler": name}) for name in ("vllm_handler", "trt_llm_handler", "dali_image_classifier")),
    ],
)
def test_nothing_is_reported_of_what_may_serve(pack, kind: str | None, words: tuple[str, ...], options) -> None:
    assert pack(kind, *words, "--strict", **options) == []


def test_mms_may_load_anything(work: Path, run_mms: Command) -> None:
    (work / "model").mkdir()
    (work / "model/net.pt").write_bytes(b"")
    (work / "model/service.py").write_text(OWN)
    done = run_mms("--model-name", "m", "--model-path", "model", "--handler", "service:handle", "--strict")
    assert (done.status, done.errors, done.warnings) == (0, [], [])


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("torchscript", "net.pth", "give it the suffix .pt"),
        ("torchscript", "net.PT", "give it the suffix .pt"),
        ("torchscript", "pt", "give it the suffix .pt"),
        ("onnx", "net.bin", "give it the suffix .onnx"),
        ("state-dict", "net.bin", CLASS_OR_SCRIPT),
        ("exported", "net.pt2", SCRIPT_OR_CLASS),
        ("safetensors", "n.safetensors", SCRIPT_OR_CLASS),
        ("raw", "net.mar.zip", SCRIPT_OR_CLASS),
    ],
)
def test_a_suffix_that_nothing_loads(pack, kind: str, name: str, hint: str) -> None:
    message = f"{name}: without a model file, the server loads only .pt, .onnx and .so files"
    assert pack(kind, name=name) == [f"{message}; {hint} [weights-suffix]"]


@pytest.mark.parametrize(
    ("handler", "words"),
    [*((name, ()) for name in ("base_handler", "text_classifier", "object_detector")), ("densenet_handler", MODEL)],
)
def test_no_weights_and_a_handler_that_loads_them(pack, handler: str, words: tuple[str, ...]) -> None:
    message = f"--handler {handler}: this handler loads weights, but the archive has none"
    assert f"{message}; add them with --serialized-file [weights-missing]" in pack(None, *words, handler=handler)


@pytest.mark.parametrize(("kind", "report"), DAMAGED.items())
@pytest.mark.parametrize("words", [(), MODEL])
@pytest.mark.parametrize("name", ["net.pt", "net.bin", "dummy.pt"])
def test_a_file_that_nothing_can_read(pack, run: Command, kind: str, report: str, name: str, words) -> None:
    assert pack(kind, *words, name=name) == [f"{name}: {report} [weights-unreadable]"]
    expected = [] if (kind, name) == ("empty", "dummy.pt") else [f"{name}: {report} [weights-unreadable]"]
    done = run("--model-name", "m", "-f", "--handler", "own.py", "--serialized-file", name, *words)
    assert (done.errors, done.warnings) == ([], expected)


UNPACK = "unpack it and give what is in it"
FOREIGN = {
    **dict.fromkeys(("zip", "zip of a folder", "mar"), ("a zip file", UNPACK)),
    **dict.fromkeys(("tar.gz", "gzip"), ("a gzip file", UNPACK)),
    "tar": ("a tar archive without compression", UNPACK),
    "bzip2": ("a bzip2 file", UNPACK),
    "hdf5": ("an HDF5 file", ""),
    "gguf": ("a GGUF file", ""),
    "xml": ("an XML document", "download the file itself"),
    **dict.fromkeys(("npy", "npz"), ("a NumPy file", "")),
    "safetensors": ("a safetensors file", ""),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    ("name", "words", "handler"),
    [
        ("net.pt", (), "base_handler"),
        ("net.bin", (), "image_classifier"),
        ("net.pth", MODEL, "base_handler"),
        ("net.pt", MODEL, "densenet_handler"),
    ],
)
def test_a_file_that_is_something_else_is_one_error(pack, kind: str, name: str, words, handler: str) -> None:
    what, hint = FOREIGN[kind]
    hint = hint or (SAVE_STATE if words else SCRIPT_OR_CLASS)
    lines = pack(kind, *words, name=name, handler=handler)
    assert lines == [f"{name}: this is {what}, {NOT_LOADED}; {hint} [weights-unreadable]"]
    for load in (torch.load, torch.jit.load):
        with pytest.raises((RuntimeError, ValueError, pickle.UnpicklingError)):
            load(name)


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_else_a_handler_may_load_is_not_reported(pack, kind: str) -> None:
    assert pack(kind, "--strict", handler="own.py") == []
    Path("own.py").write_text(f"{DERIVED}{NO_STATE}\n")
    assert pack(kind, *MODEL, "--strict", handler="own.py") == []
    Path("net.py").write_text("import torch\n\ntorch.load = print\n" + NET)
    assert pack(kind, *MODEL, "--strict") == []


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("state-dict", f"this is a file from torch.save, {NOT_LOADED}; export the model to ONNX"),
        ("torchscript", f"this is TorchScript, {NOT_LOADED}; export the model to ONNX"),
        ("safetensors", f"this is a safetensors file, {NOT_LOADED}; export the model to ONNX"),
        ("tar.gz", f"this is a gzip file, {NOT_LOADED}; {UNPACK}"),
        *(
            (kind, f"this is a file of an unknown kind, {NOT_LOADED}; export the model to ONNX")
            for kind in ("text", "raw")
        ),
        ("html", DAMAGED["html"]),
    ],
)
def test_a_file_of_this_name_that_is_no_onnx_model(pack, kind: str, report: str) -> None:
    assert pack(kind, name="net.onnx") == [f"net.onnx: {report} [weights-unreadable]"]


@pytest.mark.parametrize("kind", ["onnx", "onnx in another order", "real onnx"])
def test_an_onnx_model_is_one_whatever_made_it(pack, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["x2"])], "g", [value], [value])
    real = onnx.helper.make_model(graph, functions=[], doc_string="by hand").SerializeToString()
    monkeypatch.setitem(WEIGHTS, "real onnx", real)
    assert pack(kind, "--strict", name="net.onnx") == []


UNSAFE = {
    "numbers": f"the pickle imports numpy._core.multiarray.scalar, numpy.dtype, {REJECTED}; {PLAIN}",
    "settings": f"{NAMESPACE}; {PLAIN}",
    "functions": f"the pickle imports os.f0, os.f1, os.f2 and 2 more, {REJECTED}; {PLAIN}",
    "long name": f"the pickle imports os.{'x' * 77}..., {REJECTED}; {PLAIN}",
    "foreign": f"the pickle imports tensorlib.rows.Rows, {REJECTED}; {PLAIN}",
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_a_pickle_that_torch_rejects(pack, kind: str) -> None:
    assert pack(kind, *MODEL) == [f"net.pt: {UNSAFE[kind]} [weights-unsafe]"]
    with pytest.raises(pickle.UnpicklingError):
        torch.load("net.pt")


ALLOWING = [
    "import torch\n\ntorch.serialization.add_safe_globals([dict])\n",
    "from torch.serialization import safe_globals\n",
    "import functools\nimport torch\n\ntorch.load = functools.partial(torch.load, weights_only=False)\n",
    "import os\n\nos.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'\n",
    "import torch\n\nsetattr(torch, 'load', None)\n",
    "import ultralytics\n",
]


@pytest.mark.parametrize("text", ALLOWING)
@pytest.mark.parametrize("kind", ["numbers", "settings", "whole", "torchscript"])
def test_the_archive_may_change_what_torch_takes(pack, text: str, kind: str) -> None:
    Path("net.py").write_text(text + NET)
    assert pack(kind, *MODEL, "--strict") == []
    Path("net.py").write_text("import helper\n" + NET)
    Path("helper.py").write_text(text)
    assert pack(kind, *MODEL, "--extra-files", "helper.py", "--strict") == []


def test_a_package_may_allow_its_own_classes_when_it_is_imported(pack) -> None:
    assert pack("many foreign", *MODEL, "--strict") == []
    Path("net.py").write_text("import tensorlib\n" + NET)
    assert pack("foreign", *MODEL, "--strict") == []
    Path("tensorlib.py").write_text("")
    lines = pack("foreign", *MODEL, "--extra-files", "tensorlib.py")
    assert lines == [f"net.pt: {UNSAFE['foreign']} [weights-unsafe]"]


NO_SCRIPT = "def _load_torchscript_model(self, path):\n        return None"
NO_STATE = "def _load_pickled_model(self, *words):\n        return None"
OWN_INITIALIZE = "def initialize(self, context):\n        self.model = None"


@pytest.mark.parametrize(
    ("body", "kind", "words", "level", "code"),
    [
        ("pass", "state-dict", (), "error", "weights-without-model-file"),
        ("def initialize(self, c):\n        super().initialize(c)", "whole", MODEL, "error", "weights-with-model-file"),
        ("pass", "settings", MODEL, "warning", "weights-unsafe"),
        ("pass", None, (), "error", "weights-missing"),
        *(("pass", kind, words, "", "") for kind, words in ((None, MODEL), ("library", ()))),
        ("pass", "empty", (), "error", "weights-unreadable"),
        (NO_SCRIPT, "empty", (), "warning", "weights-unreadable"),
        (NO_SCRIPT, "state-dict", (), "", ""),
        *((NO_STATE, kind, MODEL, "", "") for kind in ("whole", "settings", None)),
        *((OWN_INITIALIZE, kind, (), "", "") for kind in ("state-dict", None)),
        (OWN_INITIALIZE, "settings", MODEL, "", ""),
        ("def preprocess(self, data):\n        import torch\n\n        return torch.load(data)", None, MODEL, "", ""),
    ],
)
def test_handlers_that_derive_from_the_servers_own(pack, run: Command, body: str, kind, words, level, code) -> None:
    Path("own.py").write_text(f"{DERIVED}{body}\n")
    lines = pack(kind, *words, name="net.so" if kind == "library" else "net.pt", handler="own.py")
    assert [line.rpartition("[")[2].rstrip("]") for line in lines] == ([code] if code else [])
    assert output("m").exists() == (level != "error")
