"""Load models as a server's worker does, each in a process of its own; run by the Python of the server.

The first argument is ``ts`` or ``mms``; further ones are packages to stand in for, which are not installed. Reads jobs
from standard input, ``{"folder", "path", "handler", "data"}`` a line of JSON, and answers each with
``{"loads", "answers", "why"}``.
"""

import importlib
import json
import os
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

DEVNULL = os.open(os.devnull, os.O_WRONLY)


class StandIns:
    """Finds modules of packages that are not installed; each has every attribute that it is asked for."""

    def __init__(self, packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in self.packages else None

    def create_module(self, spec):
        module = ModuleType(spec.name)
        module.__version__ = "1.0"
        module.__getattr__ = self.attribute
        return module

    def exec_module(self, module):
        pass

    @staticmethod
    def attribute(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


def load(server, folder, handler):
    loader = importlib.import_module(f"{server}.model_loader")
    if server == "ts":
        return loader.TsModelLoader().load("m", folder, handler, None, 1, None)
    return loader.ModelLoaderFactory.get_model_loader(folder).load("m", folder, handler, None, 1)


def outcome(server, job):
    """Whether it loads and then answers one request with a list of one answer."""
    result = {"loads": False, "answers": False, "why": ""}
    try:
        os.chdir(job["folder"])
        sys.path[:0] = job["path"]
        service = load(server, job["folder"], job["handler"])
        result["loads"] = True
        service.context.metrics = SimpleNamespace(add_time=lambda *arguments: None)
        service.context.request_processor = [SimpleNamespace(get_request_property=lambda key: None)]
        if job["data"] is not None:
            answer = service._entry_point(job["data"], service.context)
            result["answers"] = isinstance(answer, list) and len(answer) == len(job["data"])
            result["why"] = "" if result["answers"] else repr(answer)
    except BaseException:  # noqa: BLE001 - a handler may raise anything, SystemExit too
        result["why"] = traceback.format_exc()
    return result


def in_a_child(server, job):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(DEVNULL, 1)
        os.dup2(DEVNULL, 2)
        with os.fdopen(writing, "w") as pipe:
            json.dump(outcome(server, job), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text or json.dumps({"loads": False, "answers": False, "why": "the process ended"})


def main():
    server, *packages = sys.argv[1:]
    sys.meta_path.append(StandIns(packages))
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    importlib.import_module("ts.torch_handler.base_handler" if server == "ts" else "mms.model_loader")
    for line in sys.stdin:
        print(in_a_child(server, json.loads(line)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
