"""Models that fail in many ways.

``broken.txt`` has the errors that `test` prints of each: its name, and a line each. After a change of the messages,
``python -m tests.servers.broken`` writes that file again.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver.cli import main, mms_main
from tests.trials.trial import Trial
from tests.trials.weights import EAGER, MODEL, NET, SAVED, state_dict, torchscript, whole

from . import environments
from .conftest import ENVIRONMENTS
from .verdicts import MMS, checkpoint, of_another_size, prefixed

if TYPE_CHECKING:
    from tests.trials.trial import Content

torch = pytest.importorskip("torch")

LINES = Path(__file__).with_suffix(".txt")


ANSWER = "\n\ndef handle(data, context):\n    return ['x' for _ in data or ()]\n"


@dataclass(frozen=True)
class Broken:
    """A model that fails.

    Attributes:
        files: their content, or what writes it.
        flags: of the command that packages it.
        options: of `test`.
        requests: how many are sent, ``request1.json`` and so on.
        body: of each request.
    """

    files: dict[str, Content]
    flags: str = "--handler handler.py --include data"
    options: str = ""
    requests: int = 1
    body: str = '{"instances": [[0.5, -1.0, 2.0]]}'


def handler(source: str, **files: str) -> Broken:
    """Return a model that is only a handler; the files are packed below ``data/``."""
    packed = {f"data/{name}": content for name, content in {"other.txt": "", **files}.items()}
    return Broken({"handler.py": source, **packed})


def importing(source: str, **files: str) -> Broken:
    """Return a handler that does this while it is imported, and that could answer."""
    return handler(f"{source}{ANSWER}", **files)


def loading(source: str, **files: str) -> Broken:
    """Return a handler with an ``initialize``, which begins in line 8."""
    begin = "import os\n\nimport torch\n\n\nclass Handler:\n    def initialize(self, context):\n"
    end = "\n    def handle(self, data, context):\n        return ['x'] * len(data)\n"
    body = "".join(f"        {line}\n" for line in source.splitlines())
    return handler(f"{begin}{body}{end}", **files)


def answering(source: str, head: str = "", **files: str) -> Broken:
    """Return a handler that loads; what it does with a request begins in line 6."""
    begin = f"import os\n{head}\n\ndef handle(data, context):\n    if data is None: return None\n"
    return handler(f"{begin}{''.join(f'    {line}' + chr(10) for line in source.splitlines())}", **files)


def many(broken: Broken, requests: int) -> Broken:
    return Broken(broken.files, broken.flags, f"{broken.options} --batch-size {requests}", requests)


def with_options(broken: Broken, options: str) -> Broken:
    return Broken(broken.files, broken.flags, options)


def with_short_answers(broken: Broken) -> Broken:
    """Limit the time of an answer, and not that of the load, which is long on a slow machine."""
    return Broken({**broken.files, "c.yaml": "responseTimeout: 4\n"}, f"{broken.flags} --config-file c.yaml")


LOADED = "class Handler:\n    def initialize(self, context):\n        {}\n\n    def handle(self, data, context): ...\n"

IMPORTS = {
    "a library that is missing": importing("import nosuch\n"),
    "a library that the requirements name": Broken(
        {"handler.py": f"import skimage.io\n{ANSWER}", "r.txt": "scikit-image>=0.20\n"},
        flags="--handler handler.py -r r.txt",
    ),
    "a module that is not at the root": importing("import own\n", **{"own.py": ""}),
    "a name that a module does not have": Broken(
        {"handler.py": f"from own import missing\n{ANSWER}", "own.py": ""},
        flags="--handler handler.py --extra-files own.py",
    ),
    "a syntax error": handler("\ndef handle(data, context)\n"),
    "an unknown name at import": importing("\nx = y\n"),
    "a folder on sys.path that is not packed": importing("import sys\nsys.path.append('../src')\nimport own\n"),
    "a folder on sys.path of another machine": importing(
        "import sys\nsys.path.insert(0, '/home/me/src')\nimport own\n"
    ),
    "a folder on sys.path, next to the handler": importing(
        "import os, sys\nHERE = os.path.dirname(os.path.abspath(__file__))\n"
        "sys.path += [os.path.join(HERE, 'third_party', 'yolo')]\nfrom models.yolo import Model\n"
    ),
    "a folder on sys.path, in a module": Broken(
        {
            "handler.py": f"import helpers\n{ANSWER}",
            "helpers.py": "import sys\nfrom pathlib import Path\n"
            "sys.path.append(str(Path(__file__).resolve().parent / 'libs'))\nimport own\n",
        },
        flags="--handler handler.py --include helpers.py",
    ),
    "a folder on sys.path that is there": importing("import sys\nsys.path.append('data')\nimport nosuch\n"),
    "a folder on sys.path that a variable names": importing(
        "import os, sys\nsys.path.append(os.environ.get('LIBS', 'libs'))\nimport nosuch\n"
    ),
    "a module that is packed, and a folder on sys.path that is not": importing(
        "import sys\nsys.path.append('src')\nimport own\n", **{"own.py": ""}
    ),
    "a handler that is not installed": Broken({}, flags="--handler toolkit.serving.handler"),
    "a relative import": importing("from .a import b\n"),
    "arguments that are parsed": importing("import argparse\nargparse.ArgumentParser().parse_args()\n"),
    "arguments that a module parses": Broken(
        {
            "handler.py": f"import options\n{ANSWER}",
            "options.py": "import argparse\nargs = argparse.ArgumentParser().parse_args()\n",
        },
        flags="--handler handler.py --include options.py",
    ),
    "sys.exit": importing("import sys\nsys.exit(3)\n"),
    "arguments that are required": importing(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--weights', required=True)\np.parse_args()\n"
    ),
    "a package that is not at the root": Broken(
        {"handler.py": f"import pkg\n{ANSWER}", "src/pkg/__init__.py": ""},
        flags="--handler handler.py --include src",
    ),
    "a module that is not a package": Broken(
        {"handler.py": f"from helpers.sub import x\n{ANSWER}", "helpers.py": ""},
        flags="--handler handler.py --include helpers.py",
    ),
    "a library that the requirements do not name": Broken(
        {"handler.py": f"import my\n{ANSWER}", "r.txt": "mypy==1.0\n"}, flags="--handler handler.py -r r.txt"
    ),
    "an exception that was handled": importing(
        "import logging, os\ntry:\n    import fancy\n"
        "except ImportError:\n    logging.exception('optional')\nos._exit(4)\n"
    ),
    "sys.exit with -1": importing("import sys\nprint('bye')\nsys.exit(-1)\n"),
    "sys.exit with a text": importing("import sys\nsys.exit('no GPU')\n"),
    "os._exit": importing("import os\nprint('bye')\nos._exit(7)\n"),
    "a crash": importing("import ctypes\nctypes.string_at(0)\n"),
    "no entry": handler("x = 1\n"),
    "a module that shadows one of the worker": Broken(
        {"handler.py": "def handle(data, context):\n    return data\n", "logging.py": ""},
        flags="--handler handler.py --extra-files logging.py",
    ),
}

LOADS = {
    "a RuntimeError": loading("raise RuntimeError('boom')"),
    "a text of several lines": loading("raise ValueError('one\\ntwo')"),
    "an exception from another": loading(
        "try:\n    1 / 0\nexcept ArithmeticError as e:\n    raise ValueError('no') from e"
    ),
    "a class that was pickled in a script, without torch": loading(
        "import pickle\npickle.loads(b'c__main__\\nNet\\n.')",
    ),
    "JSON of its own": loading("import json\njson.loads({'a': 1})"),
    "a folder that is not packed": loading("open('words/english.txt')"),
    "a file of a folder that another file has the name of": loading(
        "open('tokenizer/config.json')", **{"config.json": "{}"}
    ),
    "a file of a folder in the archive's": loading(
        "folder = context.system_properties['model_dir']\nopen(os.path.join(folder, 'words', 'english.txt'))"
    ),
    "a file of a folder whose contents are packed": Broken(
        {"handler.py": LOADED.format("open('words/english.txt')"), "words/english.txt": ""},
        flags="--handler handler.py --extra-files words",
    ),
    "a folder that is listed": loading("os.listdir('words')"),
    "TorchScript that is not packed": loading("torch.jit.load('nets/net.pt')"),
    "weights that are not packed": loading("torch.load('net.pt')"),
    "safetensors that are not packed": loading("from safetensors.torch import load_file\nload_file('net.safetensors')"),
    "ONNX that is not packed": loading("import onnxruntime\nonnxruntime.InferenceSession('nets/net.onnx')"),
    "an image that is packed elsewhere": loading("from PIL import Image\nImage.open('logo.png')", **{"logo.png": ""}),
    "a text that is no path": loading("raise FileNotFoundError('No config \\'prod\\' in section \\'main\\'')"),
    "a MemoryError": loading("raise MemoryError"),
    "a tensor larger than memory": loading("torch.zeros(1 << 48)"),
    "keys with a prefix": Broken(MODEL | {"net.pt": prefixed}, flags=EAGER),
    "keys without a prefix": loading(
        "m = torch.nn.Module()\nm.net = torch.nn.Linear(2, 2)\n"
        "m.load_state_dict({'weight': torch.zeros(2, 2), 'bias': torch.zeros(2)})"
    ),
    "a checkpoint": Broken(MODEL | {"net.pt": checkpoint}, flags=EAGER),
    "weights of another size": Broken(MODEL | {"net.pt": of_another_size}, flags=EAGER),
    "weights that are a whole module": Broken(MODEL | {"net.pt": whole}, flags=EAGER),
    "weights without their class": Broken({"net.pt": state_dict}, flags=SAVED),
    "two classes in the model file": Broken(
        MODEL | {"net.py": f"{NET}\n\nclass Block(torch.nn.Module):\n    pass\n"}, flags=EAGER
    ),
    "a class that was pickled in a script": loading(
        "import pickle, types, sys\n"
        "main = sys.modules['__main__']\nmain.Net = type('Net', (), {'__module__': '__main__'})\n"
        "data = pickle.dumps(main.Net())\ndel main.Net\npickle.loads(data)"
    ),
    "a file that is elsewhere": loading("open('names.json')", **{"names.json": "{}"}),
    "a file that is not packed": loading("open('names.json')"),
    "a path of another machine": loading("open('/home/me/model/names.json')"),
    "a path of another machine, packed elsewhere": loading("open('/home/me/model/names.json')", **{"names.json": "{}"}),
    "a path above the archive": loading("open('../names.json')"),
    "a GPU that is not there": loading("torch.nn.Linear(2, 2).to('cuda')"),
    "a sleep while it loads": with_options(loading("import time\ntime.sleep(999)"), "--timeout 4"),
    "an envelope that does not exist": with_options(loading("pass"), "--envelope nosuch"),
}

ANSWERS = {
    "an unknown name": answering("return [y]"),
    "JSON that is parsed twice": answering("return [json.loads(data[0]['body'])]", head="import json"),
    "a tensor of a dict": answering("return torch.tensor([row['body'] for row in data])", head="import torch"),
    "a dict": answering("return {'label': 'cat'}"),
    "a text": answering("return 'cat'"),
    "a tuple": answering("return 'cat', 0.9"),
    "a tensor": answering("return torch.zeros(1, 2)", head="import torch"),
    "an array": answering("return numpy.zeros((1, 2))", head="import numpy"),
    "a generator": answering("return (row for row in data)"),
    "no answers": answering("return []"),
    "nothing": answering("pass"),
    "too many": answering("return [1, 2, 3]"),
    "one for both": many(answering("return [1]"), 2),
    "a number of numpy": answering("return [{'p': numpy.float32(1)}]", head="import numpy"),
    "a coroutine": handler("async def handle(data, context):\n    return ['x']\n"),
    "a script whose input has another size": answering(
        "return add(torch.zeros(5), torch.zeros(13)).tolist()",
        head="import torch\n\n@torch.jit.script\ndef add(a, b):\n    return a + b\n",
    ),
    "a reason that is not ASCII": with_short_answers(
        answering("context.set_response_status(400, 'trop tôt', 0)\nreturn ['x']")
    ),
    "a header that is a number": answering("context.set_response_header(0, 'a', 1)\nreturn ['x']"),
    "a status that is a string": answering("context.set_response_status('404', 'x', 0)\nreturn ['x']"),
    "a status of an error": answering("context.set_response_status(422, 'Too dark', 0)\nreturn ['dark']"),
    "an exception of the server's": answering(
        "raise PredictionException('too dark', 422)", head="from ts.utils.util import PredictionException"
    ),
    "bytes that are encoded": answering("return [data[0]['body'].encode()]"),
    "a large answer": answering("return ['x' * 7_000_000]"),
    "a stream without an end": answering(
        "while True:\n    send(['x' * 1_000_000], context.request_ids, 'next', 200, context)",
        head="from ts.handler_utils.utils import send_intermediate_predict_response as send",
    ),
    "sys.exit in a request": answering("import sys\nprint('bye')\nsys.exit(3)"),
    "a kill in a request": answering("os.kill(os.getpid(), 9)"),
    "a sleep": with_short_answers(answering("import time\ntime.sleep(999)")),
    "a request without instances": Broken(
        {"net.pt": torchscript}, flags=SAVED, options="--envelope json", body='{"rows": [[1]]}'
    ),
    "kserve with a batch": many(Broken({"net.pt": torchscript}, flags=SAVED, options="--envelope kserve"), 2),
}

BROKEN = {**IMPORTS, **LOADS, **ANSWERS}


def on_mms(source: str, body: str = "{}") -> Broken:
    return Broken({"d/s.py": source}, "--model-path d --handler s", body=body)


def answering_on_mms(source: str, body: str = "{}") -> Broken:
    return on_mms(f"import os\n\ndef handle(data, context):\n    if data is None: return None\n    {source}\n", body)


BROKEN_ON_MMS = {
    "an import": on_mms(f"import nosuch\n{ANSWER}"),
    "an exit": on_mms(f"import os\nos._exit(3)\n{ANSWER}"),
    "arguments that are parsed": on_mms(f"import argparse\nargs = argparse.ArgumentParser().parse_args()\n{ANSWER}"),
    "no entry": on_mms("x = 1\n"),
    "a dict": answering_on_mms("return {}"),
    "an exception": answering_on_mms("return 1 / 0"),
    "JSON that cannot be parsed": answering_on_mms("return ['x']", body="{"),
    "an exit in a request": answering_on_mms("os._exit(3)"),
    "a kill in a request": answering_on_mms("os.kill(os.getpid(), 9)"),
}


def says(broken: Broken, folder: Path, python: Path, *, mms: bool = False) -> tuple[int, list[str]]:
    """Package a model in the current folder and test it; return the exit status and the errors that are printed."""
    command = mms_main if mms else main
    words = Trial(broken.flags, broken.files).write(folder)
    assert command(["--model-name", "m", "--no-checks", "--force", "--quiet", *words]) == 0
    words = ["test", "m.mar", "--quiet", "--python", str(python), *broken.options.split()]
    for number in range(1, broken.requests + 1):
        Path(f"request{number}.json").write_text(broken.body)
        words += ["--input", f"request{number}.json"]
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        status = command(words)
    lines = printed.getvalue().replace(str(python.parents[1]), "SERVER")
    return status, re.findall(r"^[\w-]+: error: (.*)", lines, re.MULTILINE)


def expected() -> dict[str, list[str]]:
    """Return the lines of each model, as the file beside this one has them."""
    blocks = LINES.read_text(encoding="utf-8").split("\n\n")
    return {name: lines for name, *lines in (block.strip().splitlines() for block in blocks)}


def write() -> None:
    """Write the file again, of what is printed now; read what changed before you keep it."""
    blocks = []
    for name, broken in {**BROKEN, **{f"{MMS}: {name}": broken for name, broken in BROKEN_ON_MMS.items()}}.items():
        mms = name.startswith(f"{MMS}: ")
        python = (environments.MMS if mms else environments.TORCHSERVE).python(ENVIRONMENTS)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            _, lines = says(broken, Path(folder), python, mms=mms)
        blocks.append("\n".join([name, *lines]))
    LINES.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
