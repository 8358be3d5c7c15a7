"""What ``torch.load`` takes where it loads weights only, as it does by default from torch 2.6 on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_archiver.checks.weights_files.pickle_globals import Pickle

_NUMBERS = "Byte|Char|Short|Int|Long|Half|BFloat16|Float|Double"

_TAKEN = re.compile(
    rf"""
    collections\.(OrderedDict|Counter) | builtins\.(set|bytearray|complex) | _codecs\.encode
    | torch\.(Size|Tensor|device|nn\.parameter\.Parameter|serialization\._get_layout)
    | torch\.storage\.(Typed|Untyped)Storage
    | torch\.(cuda\.)?({_NUMBERS}|Bool|ComplexFloat|ComplexDouble)Storage
    | torch\.(cuda\.)?({_NUMBERS}|Bool)Tensor
    | torch\.(cuda\.)?sparse\.({_NUMBERS})Tensor
    | torch\.(QInt8|QInt32|QUInt8|QUInt4x2|QUInt2x4)Storage
    | torch\.(bool|u?int([1-7]|8|16|32|64)|b?float16|float32|float64|complex(32|64|128))
    | torch\.(float8_(e4m3fn|e4m3fnuz|e5m2|e5m2fnuz|e8m0fnu)|float4_e2m1fn_x2)
    | torch\.(qint8|qint32|quint8|quint4x2|quint2x4|bits(1x8|2x4|4x2|8|16))
    | torch\.per_(tensor|channel)_(affine|symmetric) | torch\.per_channel_affine_float_qparams
    | torch\._utils\._rebuild_(tensor|tensor_v[23]|qtensor|sparse_tensor|nested_tensor|parameter|parameter_with_state)
    | torch\._utils\._rebuild_(meta_tensor_no_storage|wrapper_subclass|device_tensor_from_(numpy|cpu_tensor))
    | torch\._tensor\._rebuild_from_type_v2
    """,
    re.VERBOSE,
)
"""The globals that it takes (``torch._weights_only_unpickler``, of torch 2.6 to 2.13 all together)."""

_TAKEN_WHERE_IMPORTED = ("torch.nested.", "torch.distributed.", "torch._dynamo.")
"""The modules of torch's own that have it take their classes, once something imports them."""

_OPCODES = frozenset(b"\x80.cR\x81bQ" + b"(t\x85\x86\x87)]}\x8faesu" + b"N\x88\x89JKMGXU\x8a" + b"hjqr")
"""The opcodes that it knows: most of what pickle's protocol 2 writes, and little of what later ones do."""


def refused_globals(pickle: Pickle) -> tuple[str, ...]:
    """The globals of a pickle that it refuses, whatever the program has imported."""
    return tuple(
        name for name in pickle.globals if not _TAKEN.fullmatch(name) and not name.startswith(_TAKEN_WHERE_IMPORTED)
    )


def is_spoken(pickle: Pickle) -> bool:
    """Whether it knows all opcodes of a pickle."""
    return pickle.opcodes <= _OPCODES
