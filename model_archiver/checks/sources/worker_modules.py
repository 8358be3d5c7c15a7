"""The names of modules that a server's worker cannot do without, or that Python always has.

The archive's folders come before Python's own on a worker's path, so that a file there takes a module's place. Each
name below was tried against the workers: with a file of that name beside the handler none starts. That was on Python
3.8 to 3.13, and for what torch alone needs on 3.11. What only some versions need is not here, nor what nothing breaks
without (`csv`, `gzip`, `psutil`).
"""

from __future__ import annotations

from typing import Literal


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVERY_WORKER = _names(
    """
    argparse collections contextlib copyreg dis encodings enum functools gettext importlib json keyword locale
    logging multiprocessing opcode operator pickle platform re reprlib select selectors shutil signal socket string
    struct subprocess threading token types uuid warnings weakref
    """
)
"""What both servers' own modules import, and what those need in turn."""

_BY_TS = _names("asyncio concurrent datetime heapq pathlib queue traceback typing")
"""What TorchServe's modules import besides."""

_BY_TORCH = _names("ast bisect copy ctypes dataclasses email http inspect linecache numbers random unittest urllib")
"""What torch imports, and so does every worker of TorchServe: its ts/protocol/otf_message_handler.py needs torch."""

ON_SOME = _names(
    """
    base64 binascii cmath contextvars fnmatch glob math mmap pprint quopri ssl tempfile textwrap timeit tokenize zlib
    """
)
"""What TorchServe's workers need besides, with torch 2.13 on Python 3.11; elsewhere they may do without."""

COMPILED_IN = _names(
    """
    abc atexit builtins codecs errno gc genericpath io itertools marshal os posix posixpath stat sys time zipimport
    __main__
    """
)
"""What is imported before the path is looked at, or is a part of the interpreter: no file takes its place."""

WHOLE_COPY = {
    "ts": "arg_parser.py",
    "mms": "arg_parser.py",
    "torch": "nn/__init__.py",
    "numpy": "linalg/__init__.py",
    "packaging": "version.py",
    "yaml": "nodes.py",
}
"""Packages that some people pack along, as pip installs them, each with a file that shows that it is the real one."""


def modules_of_worker(server: Literal["torchserve", "mms"]) -> frozenset[str]:
    """The modules of Python's that a worker imports before any handler."""
    return _EVERY_WORKER | _BY_TS | _BY_TORCH if server == "torchserve" else _EVERY_WORKER
