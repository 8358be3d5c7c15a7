"""Handlers and names on TorchServe."""

from __future__ import annotations

from .trial import Trial, Trials

FUNCTION = 'def handle(data, context):\n    return ["served"]\n'
NAMED = 'def predict(data, context):\n    return ["served"]\n'
JSON_FUNCTION = 'def handle(data, context):\n    return [{"answer": "served"}]\n'
ASYNC = 'async def handle(data, context):\n    return ["served"]\n'

CLASS = """\
class Service:
    def initialize(self, context):
        self.answer = "served"

    def handle(self, data, context):
        return [self.answer]
"""
HELPER_CLASS = "\n\nclass Helper:\n    pass\n"
WITHOUT_INITIALIZE = 'class Service:\n    def handle(self, data, context):\n        return ["served"]\n'
WITHOUT_HANDLE = "class Service:\n    def initialize(self, context):\n        pass\n"
INHERITING = "from service_base import Service\n\n\nclass Mine(Service):\n    pass\n"
SYNTAX = "def handle(data, context)\n    return data\n"

REFUSED: Trials = {
    "a module below a folder without a function": Trial(
        "--model-path d --handler handlers/my.py",
        {"d/handlers/my.py": FUNCTION},
        "handler-unreachable",
        "No module named 'ts.torch_handler.handlers/my'",
    ),
    "a module with a dot in its name": Trial(
        "--handler my.handler.py",
        {"my.handler.py": FUNCTION},
        "handler-unreachable",
        "No module named 'ts.torch_handler.my'",
    ),
    "a module behind another of its folder's name": Trial(
        "--model-path d --handler k.mod",
        {"d/k.py": FUNCTION, "d/k/mod.py": FUNCTION},
        "handler-unreachable",
        "No module named 'ts.torch_handler.k'",
    ),
    "a folder called as a module of Python's": Trial(
        "--model-path d --handler code.inference",
        {"d/code/inference.py": FUNCTION},
        "handler-unreachable",
        "No module named 'ts.torch_handler.code'",
    ),
    "a class after the colon": Trial(
        "--handler h.py:Service",
        {"h.py": CLASS},
        "handler-entry",
        "Service() takes no arguments",
    ),
    "arguments that are parsed at import": Trial(
        "--handler h.py",
        {"h.py": f"import argparse\n\nargs = argparse.ArgumentParser().parse_args()\n\n\n{FUNCTION}"},
        "handler-parses-arguments",
        "model_service_worker.py: error: unrecognized arguments",
    ),
    "a name that nothing defines": Trial(
        "--handler h.py",
        {"h.py": f"x = y\n\n\n{FUNCTION}"},
        "handler-undefined-name",
        "name 'y' is not defined",
        "warning",
    ),
    "neither the function nor a class": Trial(
        "--handler h.py:predict",
        {"h.py": FUNCTION},
        "handler-entry",
        "Expected only one class in custom service code or a function entry point []",
    ),
    "no function handle": Trial(
        "--handler h.py",
        {"h.py": NAMED},
        "handler-entry",
        "Expected only one class in custom service code or a function entry point []",
    ),
    "no function and two classes": Trial(
        "--handler h.py",
        {"h.py": CLASS + HELPER_CLASS},
        "handler-entry",
        "Expected only one class in custom service code or a function entry point [<class 'h.Helper'>",
    ),
    "an async function": Trial("--handler h.py", {"h.py": ASYNC}, "handler-entry", "Invalid model predict output"),
    "a class without initialize": Trial(
        "--handler h.py",
        {"h.py": WITHOUT_INITIALIZE},
        "handler-class",
        "'Service' object has no attribute 'initialize'",
    ),
    "a class without handle": Trial(
        "--handler h.py", {"h.py": WITHOUT_HANDLE}, "handler-class", "Expect handle method in class"
    ),
    "a syntax error": Trial("--handler h.py", {"h.py": SYNTAX}, "handler-syntax", "SyntaxError: expected ':'"),
    "a handler called json.py": Trial(
        "--handler json.py", {"json.py": FUNCTION}, "handler-shadows", "module 'json' has no attribute 'JSONEncoder'"
    ),
    "a handler called logging.py": Trial(
        "--handler logging.py", {"logging.py": FUNCTION}, "handler-shadows", "module 'logging' has no attribute"
    ),
    "a handler called torch.py that answers with JSON": Trial(
        "--handler torch.py",
        {"torch.py": JSON_FUNCTION},
        "handler-shadows",
        "module 'torch' has no attribute 'Tensor'",
        "warning",
    ),
    "a handler called torch.py that imports torch": Trial(
        "--handler torch.py",
        {"torch.py": f"import torch.nn\n\n\n{FUNCTION}"},
        "handler-shadows",
        "'torch' is not a package",
    ),
    "a handler called time.py": Trial(
        "--handler time.py",
        {"time.py": FUNCTION},
        "handler-shadows",
        "structseq() missing required argument",
    ),
    "an extra file called json.py": Trial(
        "--handler h.py --extra-files json.py",
        {"h.py": FUNCTION, "json.py": ""},
        "handler-shadows",
        "module 'json' has no attribute 'JSONEncoder'",
    ),
    "an extra file called uuid.py": Trial(
        "--handler h.py --extra-files uuid.py",
        {"h.py": FUNCTION, "uuid.py": ""},
        "handler-shadows",
        "module 'uuid' has no attribute 'uuid4'",
    ),
    "a package called types": Trial(
        "--handler h.py --include types",
        {"h.py": FUNCTION, "types/__init__.py": ""},
        "handler-shadows",
        "cannot import name 'MappingProxyType' from 'types'",
    ),
    "a package called ts": Trial(
        "--handler h.py --include ts",
        {"h.py": FUNCTION, "ts/__init__.py": "", "ts/series.py": ""},
        "handler-shadows",
        "No module named 'ts.arg_parser'",
    ),
    "an empty package called yaml": Trial(
        "--handler h.py --include yaml",
        {"h.py": FUNCTION, "yaml/__init__.py": ""},
        "handler-shadows",
        "module 'yaml' has no attribute",
        "warning",
    ),
    "types.py in the package that is the handler": Trial(
        "--model-path d --handler pkg:handle",
        {"d/pkg/__init__.py": FUNCTION, "d/pkg/types.py": ""},
        "handler-shadows",
        "cannot import name 'MappingProxyType' from 'types'",
    ),
    "python2": Trial(
        "--handler h.py --runtime python2",
        {"h.py": FUNCTION},
        "runtime-unserved",
        "Runtime is not defined or invalid",
        "warning",
    ),
}

SLASHED_VERSION = Trial(
    "--handler h.py --version a/b", {"h.py": FUNCTION}, "version-unservable", "Model version: a does not exist"
)

SERVED: Trials = {
    "a function": Trial("--handler h.py", {"h.py": FUNCTION}),
    "a named function": Trial("--handler h.py:predict", {"h.py": NAMED}),
    "a function beside classes": Trial("--handler h.py", {"h.py": FUNCTION + "\n\n" + CLASS + HELPER_CLASS}),
    "the only class": Trial("--handler h.py", {"h.py": CLASS}),
    "the only class, for whatever stands after the colon": Trial("--handler h.py:anything", {"h.py": CLASS}),
    "a class that inherits all": Trial(
        "--handler h.py --extra-files service_base.py", {"h.py": INHERITING, "service_base.py": CLASS}
    ),
    "a dotted module": Trial("--model-path d --handler pkg.mod", {"d/pkg/mod.py": FUNCTION}),
    "a dotted module and a function": Trial("--model-path d --handler pkg.mod:predict", {"d/pkg/mod.py": NAMED}),
    "a package": Trial("--model-path d --handler pkg:handle", {"d/pkg/__init__.py": FUNCTION}),
    "below a folder, with a function": Trial(
        "--model-path d --handler handlers/my.py:predict", {"d/handlers/my.py": NAMED}
    ),
    "below a folder, a class": Trial("--model-path d --handler handlers/my.py:handle", {"d/handlers/my.py": CLASS}),
    "a package below a folder, with a function": Trial(
        "--model-path d --handler handlers/my:handle", {"d/handlers/my/__init__.py": FUNCTION}
    ),
    "a package called as a module of Python's": Trial(
        "--model-path d --handler code.inference", {"d/code/__init__.py": "", "d/code/inference.py": FUNCTION}
    ),
    "in a folder called json": Trial("--model-path d --handler json/h.py:handle", {"d/json/h.py": FUNCTION}),
    "a name with a dash": Trial("--handler with-dash.py", {"with-dash.py": FUNCTION}),
    "a name with a blank": Trial("--handler 'with blank.py'", {"with blank.py": FUNCTION}),
    **{
        f"a handler called {name}": Trial(f"--handler {name}", {name: FUNCTION})
        for name in ("code.py", "service.py", "base_handler.py", "csv.py", "psutil.py", "tqdm.py")
    },
    "files that hide what nobody misses": Trial(
        "--handler h.py --extra-files csv.py,gzip.py,hashlib.py,psutil.py,os.py,time.py,mms.py",
        {"h.py": FUNCTION}
        | dict.fromkeys(("csv.py", "gzip.py", "hashlib.py", "psutil.py", "os.py", "time.py", "mms.py"), ""),
    ),
    "folders that are no packages": Trial(
        "--handler h.py --extra-files d",
        {"h.py": FUNCTION} | {f"d/{name}/x.txt": "" for name in ("json", "logging", "torch", "ts", "numpy", "yaml")},
    ),
}
