"""Names of other modules of which it is known what a call of them gives."""

from __future__ import annotations

import builtins

TELLS_TYPING = frozenset({"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"})

LEAVES = frozenset({"sys.exit", "os._exit", "os.abort"})
"""What ends the module's run."""

_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_TYPINGS = tuple(
    f"{module}.{name}" for module in ("typing", "typing_extensions") for name in ("NamedTuple", "TypedDict")
)
MAKES_CLASS = frozenset({"collections.namedtuple", *_TYPINGS, *(f"enum.{name}" for name in _ENUMS)})
"""Functions whose result is a class that counts as defined where they are called."""

KEEPS_CLASS = frozenset(
    {
        "attr.attrs",
        "attr.define",
        "attr.frozen",
        "attr.mutable",
        "attr.s",
        "attrs.define",
        "attrs.frozen",
        "attrs.mutable",
        "dataclasses.dataclass",
        "enum.unique",
        "functools.total_ordering",
        "typing.final",
        "typing.runtime_checkable",
    }
)
"""Decorators that give back a class of the same module."""

KEEPS_METACLASS = frozenset({"abc.ABCMeta", "enum.EnumMeta", "enum.EnumType"})

PLAIN_LIBRARIES = frozenset(
    {"abc", "builtins", "collections", "enum", "lightning", "mms", "pytorch_lightning", "timm", "torch"}
    | {"torchvision", "transformers", "ts", "typing", "typing_extensions"}
)
"""Packages whose classes leave the methods of those that derive from them as they are written."""

BARREN = frozenset(
    {
        "abc.ABC",
        "enum.Enum",
        "enum.IntEnum",
        "enum.StrEnum",
        "typing.Generic",
        "typing.NamedTuple",
        "typing.Protocol",
        "typing.TypedDict",
    }
)
"""Bases that bring nothing that a server asks for."""

_MAKERS_OF_TYPING = frozenset({"NamedTuple", "TypedDict"})
_SAFE_MODULES_WORDS = """
abc argparse asyncio base64 binascii bisect boto3 botocore concurrent configparser contextlib copy csv cv2 datetime
decimal fractions functools gc glob gzip hashlib heapq importlib io itertools joblib json librosa logging math
matplotlib mxnet multiprocessing ndarray numpy onnx onnxruntime operator orjson os pandas pathlib pickle PIL platform
queue random re requests scipy shutil signal sklearn socket soundfile spacy statistics string struct subprocess sys
tempfile textwrap threading time timeit tokenizers torch torchaudio torchtext torchvision traceback transformers ts
typing typing_extensions unicodedata urllib uuid warnings yaml zipfile zlib
"""
_SAFE_MODULES = frozenset(_SAFE_MODULES_WORDS.split())

_PLAIN_BUILTINS_WORDS = """
abs all any ascii bin bool bytearray bytes callable chr complex dict dir divmod enumerate float format frozenset hash
hex id input int isinstance issubclass iter len list map max memoryview min object oct open ord pow print range repr
reversed round set slice sorted str sum tuple zip
"""
PLAIN_BUILTINS = frozenset(_PLAIN_BUILTINS_WORDS.split())
"""Built-in functions that make no class, unless they are handed one."""

BUILTINS = frozenset(dir(builtins))


def gives_no_class(origin: str) -> bool:
    """Whether a call of what was imported under this name gives no class of the calling module.

    Args:
        origin: its dotted name. The call must not be handed such a class.
    """
    package, _, rest = origin.partition(".")
    if package in ("typing", "typing_extensions"):
        return rest not in _MAKERS_OF_TYPING
    return package in _SAFE_MODULES
