"""Handlers on Multi Model Server."""

from __future__ import annotations

from .handlers import ASYNC, CLASS, FUNCTION, HELPER_CLASS, NAMED, SYNTAX, WITHOUT_HANDLE, WITHOUT_INITIALIZE
from .trial import Trial, Trials

FOLDER = "--model-path d --handler"

REFUSED: Trials = {
    "a module below a folder without a function": Trial(
        f"{FOLDER} sub/h", {"d/sub/h.py": FUNCTION}, "handler-unreachable", "No module named 'h'"
    ),
    "a file below a folder without a function": Trial(
        f"{FOLDER} sub/h.py", {"d/sub/h.py": FUNCTION}, "handler-unreachable", "No module named 'h'"
    ),
    "a module with a dot in its name": Trial(
        f"{FOLDER} my.handler.py", {"d/my.handler.py": FUNCTION}, "handler-unreachable", "No module named 'my'"
    ),
    "a folder called as a module of Python's": Trial(
        f"{FOLDER} code.inference", {"d/code/inference.py": FUNCTION}, "handler-unreachable", "'code' is not a package"
    ),
    "no function and two classes": Trial(
        f"{FOLDER} h",
        {"d/h.py": CLASS + HELPER_CLASS},
        "handler-entry",
        "Expected only one class in custom service code or a function entry point [<class 'h.Helper'>",
    ),
    "neither the function nor a class": Trial(
        f"{FOLDER} h:predict",
        {"d/h.py": FUNCTION},
        "handler-entry",
        "Expected only one class in custom service code or a function entry point []",
    ),
    "a class after the colon": Trial(
        f"{FOLDER} h:Service", {"d/h.py": CLASS}, "handler-entry", "Service() takes no arguments"
    ),
    "an async function": Trial(f"{FOLDER} h", {"d/h.py": ASYNC}, "handler-entry", "Invalid model predict output"),
    "a class without initialize": Trial(
        f"{FOLDER} h",
        {"d/h.py": WITHOUT_INITIALIZE},
        "handler-class",
        "'Service' object has no attribute 'initialize'",
    ),
    "a class without handle": Trial(
        f"{FOLDER} h", {"d/h.py": WITHOUT_HANDLE}, "handler-class", "'Service' object has no attribute 'handle'"
    ),
    "a syntax error": Trial(f"{FOLDER} h", {"d/h.py": SYNTAX}, "handler-syntax", "SyntaxError: expected ':'"),
    "a handler called time": Trial(
        f"{FOLDER} time",
        {"d/time.py": FUNCTION},
        "handler-shadows",
        "structseq() missing required argument",
    ),
    **{
        f"a file called {name}.py": Trial(
            f"{FOLDER} h",
            {"d/h.py": FUNCTION, f"d/{name}.py": ""},
            "handler-shadows",
            "Failed to save model",
            slow=True,
        )
        for name in ("json", "logging", "mms")
    },
    **{
        f"a file called {name}.py, which is missed later": Trial(
            f"{FOLDER} h", {"d/h.py": FUNCTION, f"d/{name}.py": ""}, "handler-shadows", says
        )
        for name, says in {
            "multiprocessing": "module 'multiprocessing' has no attribute 'Process'",
            "subprocess": "cannot import name '_args_from_interpreter_flags' from 'subprocess'",
            "uuid": "module 'uuid' has no attribute 'uuid4'",
        }.items()
    },
    "types.py in the package that is the handler": Trial(
        f"{FOLDER} pkg",
        {"d/pkg/__init__.py": FUNCTION, "d/pkg/types.py": ""},
        "handler-shadows",
        "Failed to save model",
        slow=True,
    ),
}

SERVED: Trials = {
    "a function": Trial(f"{FOLDER} h", {"d/h.py": FUNCTION}),
    "a named function": Trial(f"{FOLDER} h.py:predict", {"d/h.py": NAMED}),
    "the only class, for whatever stands after the colon": Trial(f"{FOLDER} h:anything", {"d/h.py": CLASS}),
    "a dotted module": Trial(f"{FOLDER} pkg.mod", {"d/pkg/mod.py": FUNCTION}),
    "below a folder, with a function": Trial(f"{FOLDER} handlers/my:predict", {"d/handlers/my.py": NAMED}),
    "a package called as a module of Python's": Trial(
        f"{FOLDER} code.inference", {"d/code/__init__.py": "", "d/code/inference.py": FUNCTION}
    ),
    "files that hide what nobody misses": Trial(
        f"{FOLDER} h",
        {"d/h.py": FUNCTION}
        | {f"d/{name}.py": "" for name in ("csv", "torch", "numpy", "yaml", "ts", "random", "queue", "copy")},
    ),
    **{
        f"a handler called {name}": Trial(f"{FOLDER} {name}", {f"d/{name}.py": FUNCTION})
        for name in ("code", "service", "torch")
    },
}
