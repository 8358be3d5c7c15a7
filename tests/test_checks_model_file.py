"""``model-file-name`` and ``model-file-class``: what TorchServe makes of a model file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Command

NET = "import torch\n\n\nclass Net(torch.nn.Module):\n    def __init__(self{}):\n        super().__init__()\n"
ONE = "the model file must define one class, but it defines"
VALID = f"this file is not valid Python {sys.version_info.major}.{sys.version_info.minor}"


def errors(run: Command, name: str, text: str, *more: object) -> list[str]:
    """Return the errors of a build with a model file."""
    Path(name).write_text(text)
    return run("--model-name", "m", "--model-file", name, "--serialized-file", name, *more).errors


NEEDS = ":5: the server calls Net(), but __init__ needs arguments; give each parameter a default"


CLASSES = {
    "one": (NET.format(""), ""),
    "defaults": (NET.format(", size=3, *layers, bias=True, **options"), ""),
    "an argument": (NET.format(", size, classes=3"), NEEDS),
    "a keyword": (NET.format(", *, size"), NEEDS),
    "none": ("from torch.nn import Module\n", f": {ONE} none; define the model's class in it"),
    "none for certain": ("from torch.nn import Module\nfrom mine import make\nNet = make()\n", ""),
    "two and an alias": (
        "class Block:\n    pass\n\n\nclass Net:\n    pass\n\n\nModel = Net\n",
        f": {ONE} 3 classes: Block (line 1), Net (line 5), Model (line 9); "
        "keep only the model's class, and move the others to a module that it imports",
    ),
    "perhaps two": ("import sys\nif sys.argv:\n    class Block:\n        pass\n\n\nclass Net:\n    pass\n", ""),
    "one in a loop": ("for width in range(3):\n    class Net:\n        pass\n", ""),
    "unknown base": (NET.format(", size").replace("torch", "mine"), ""),
    "own new": ("class Net:\n    def __new__(cls): ...\n\n    def __init__(self, size): ...\n", ""),
    "bad syntax": (
        "class Net:\npass\n",
        f":2: {VALID}: expected an indented block after class definition on line 1; fix this line",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("handler", ["base_handler", "densenet_handler"])
def test_the_class_that_the_server_takes(work: Path, run: Command, handler: str, text: str, expected: str) -> None:
    found = [error for error in errors(run, "net.py", text, "--handler", handler) if "[weights" not in error]
    assert found == ([f"net.py{expected} [model-file-class]"] if expected else [])


@pytest.mark.parametrize("handler", ["vllm_handler", "h.py"])
def test_a_handler_that_does_not_load_it_may_take_any_file(work: Path, run: Command, handler: str) -> None:
    Path("h.py").write_text("def handle(data, context):\n    return data\n")
    assert errors(run, "net.onnx", "", "--handler", handler) == []


DOT = (
    "the model file must be a Python file without another dot in its name: the server imports 'net'; "
    "rename it, or name the .py file that defines the model's class"
)
NAMES = {
    "net-v2.py": ("", ""),
    "net.v2.py": ("", DOT),
    "net.v2.py and net.pt": ("net.pt", DOT),
    "net.txt": ("", DOT),
    **{f"net.v2.py and {other}": (other, "") for other in ("net.py", "net/layers.py", "net.so", "deep/net.py")},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_that_the_server_imports(work: Path, run: Command, name: str) -> None:
    other, expected = NAMES[name]
    path = Path("extra", other or "x.txt")
    path.parent.mkdir(parents=True)
    path.write_text("class Net:\n    pass\n")
    name = name.partition(" ")[0]
    found = [error for error in errors(run, name, NET.format(""), "--extra-files", "extra") if "[weights" not in error]
    assert found == ([f"{name}: {expected} [model-file-name]"] if expected else [])
