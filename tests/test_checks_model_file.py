"""``model-file-name`` and ``model-file-class``: what the server makes of a model file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Command

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
NET = "import torch\n\n\nclass Net(torch.nn.Module):\n    def __init__(self{}):\n        super().__init__()\n"


def errors(run: Command, name: str, text: str, *more: object) -> list[str]:
    Path(name).write_text(text)
    return run("--model-name", "m", "--model-file", name, *more).errors


def wants(arguments: str) -> str:
    return (
        f"net.py:5: class Net wants arguments: __init__(self, {arguments}); "
        "give each a default; the server makes it without any [model-file-class]"
    )


CLASSES = {
    "one": (NET.format(""), []),
    "defaults": (NET.format(", size=3, *layers, bias=True, **options"), []),
    "an-argument": (NET.format(", size, classes=3"), [wants("size, classes=...")]),
    "a-keyword": (NET.format(", *, size"), [wants("*, size")]),
    "annotated": (
        NET.format(", size: int, /, *rest: int, deep: bool, **more: str"),
        [wants("size, /, *rest, deep, **more")],
    ),
    "none": (
        "from torch.nn import Module\n",
        ["net.py: defines no class; an imported one does not count; define the model's class in it [model-file-class]"],
    ),
    "none-for-certain": ("from torch.nn import Module\nfrom mine import make\nNet = make()\n", []),
    "two-and-an-alias": (
        "class Block:\n    pass\n\n\nclass Net:\n    pass\n\n\nModel = Net\n",
        [
            "net.py: defines 3 classes, and the server takes a single one: Block (line 1), Net (line 5), "
            "Model (line 9); keep the model there and move the others to a module that it imports [model-file-class]"
        ],
    ),
    "perhaps-two": ("import sys\nif sys.argv:\n    class Block:\n        pass\n\n\nclass Net:\n    pass\n", []),
    "one-in-a-loop": ("for width in range(3):\n    class Net:\n        pass\n", []),
    "unknown-base": (NET.format(", size").replace("torch", "mine"), []),
    "own-new": (
        "class Net:\n    def __new__(cls):\n        return object()\n\n    def __init__(self, size):\n        pass\n",
        [],
    ),
    "bad-syntax": (
        "class Net:\npass\n",
        [
            f"net.py:2: does not parse with {PYTHON}: expected an indented block after class definition on line 1; "
            "mend this line [model-file-class]"
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CLASSES.values(), ids=CLASSES)
def test_the_class_that_the_server_takes(work: Path, run: Command, text: str, expected: list[str]) -> None:
    assert errors(run, "net.py", text) == expected


def test_a_densenet_handler_loads_it_in_the_same_way(model: Path, run: Command) -> None:
    words = ["--handler", "densenet_handler", "--serialized-file", "model.pt"]
    [error] = [error for error in errors(run, "net.py", "X = 1\n", *words) if "weights" not in error]
    assert error.startswith("net.py: defines no class")


@pytest.mark.parametrize("handler", ["vllm_handler", "h.py"])
def test_a_handler_that_does_not_load_it_may_take_any_file(work: Path, run: Command, handler: str) -> None:
    Path("h.py").write_text("def handle(data, context):\n    return data\n")
    assert errors(run, "net.onnx", "", "--handler", handler) == []


NAMES = {
    "net-v2.py": [],
    "net.v2.py": [
        "net.v2.py: the server imports the model file's name up to its first dot, 'net'; rename it to net_v2.py "
        "[model-file-name]"
    ],
    "net.txt": [
        "net.txt: is no Python file, and the server imports the model file; name a .py file that defines the model "
        "[model-file-name]"
    ],
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=NAMES)
def test_the_name_that_the_server_imports(work: Path, run: Command, name: str, expected: list[str]) -> None:
    assert errors(run, name, NET.format("")) == expected


@pytest.mark.parametrize("other", ["net.py", "net/layers.py", "net.so", "deep/net.py"])
def test_a_name_that_may_be_found_is_let_through(work: Path, run: Command, other: str) -> None:
    (Path("extra") / other).parent.mkdir(parents=True)
    (Path("extra") / other).write_text("class Net:\n    pass\n")
    assert errors(run, "net.v2.py", NET.format(""), "--extra-files", "extra") == []
