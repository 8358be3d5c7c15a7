"""What a weights file is, by a few of its bytes, and what its pickle would import and build."""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime as dt
import io
import pathlib
import pickle
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from model_archiver.checks import weights_file
from model_archiver.checks.weights_file import WeightsFile, read_pickle, read_weights, rejected_globals
from model_archiver.core.problems import NotSampledError
from model_archiver.writing.mar import ZipEntry, central_header, end_of_directory, local_header
from tests.torch_files import FILES, STATE, Net, np, old_saved, safetensors, saved, torch

pytestmark = pytest.mark.filterwarnings("ignore")

GIB = 1 << 30


class OwnDict(collections.OrderedDict):
    pass


class OwnTensor(torch.Tensor):
    pass


class File:
    """A file that counts the bytes read of it, and may be far larger than what it holds: the rest is zeros."""

    def __init__(self, parts: dict[int, bytes], size: int = 0) -> None:
        self.size = size or max(start + len(content) for start, content in parts.items())
        self.bytes_read = 0
        self._parts = parts
        self._position = 0

    def open(self):
        self._position = 0
        return contextlib.nullcontext(self)

    def seek(self, offset: int) -> None:
        if not 0 <= offset < 1 << 63:
            raise OSError("Invalid argument")
        self._position = offset

    def read(self, count: int) -> bytes:
        count = max(0, min(count, self.size - self._position))
        found = bytearray(count)
        for start, content in self._parts.items():
            low, high = max(start, self._position), min(start + len(content), self._position + count)
            if low < high:
                found[low - self._position : high - self._position] = content[low - start : high - start]
        self._position += count
        self.bytes_read += count
        return bytes(found)


def found_in(content: bytes) -> WeightsFile:
    found = read_weights(File({0: content}))
    assert found is not None
    return found


def zipped(pickled: bytes, *, offset: int = 0, gap: int = 0) -> File:
    """Return a zip of one pickle with a gap behind it, whose directory may say that the pickle lies elsewhere."""
    size = len(pickled)
    entry = ZipEntry("m/data.pkl", False, 0, size, size, zlib.crc32(pickled), offset, False)
    content, directory = local_header(entry.replace(offset=0)) + pickled, central_header(entry)
    start = len(content) + gap
    return File({0: content, start: directory + end_of_directory(1, start, len(directory))})


SAVED, OLD_STATE = FILES["state-dict"], FILES["old-state-dict"]
LONG_STATE = old_saved({f"rows.{number}": torch.zeros(1) for number in range(5000)})
LIST = pickle.dumps(["word"] * 100_000)
PICKLED_STATE = zipfile.ZipFile(io.BytesIO(SAVED)).read("archive/data.pkl")
JOBLIB = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\nq\x00)\x81q\x01}q\x02b" + b"B" * 64
ONNX = FILES["onnx"]
KINDS = {
    **{(kind, ""): [FILES[kind]] for kind in ("torchscript", "exported", "safetensors", "library")},
    ("onnx", ""): [ONNX, ONNX[2:] + ONNX[:2], ONNX + b"\x42\x00" * 20_000],
    ("saved", ""): [SAVED, SAVED + b"\n", OLD_STATE, LONG_STATE, FILES["whole"], FILES["old-whole"]],
    ("pickle", ""): [FILES["pickle"], pickle.dumps({"a": np.zeros(3)}, protocol=2), pickle.dumps([1, 2, 3]) + b"more"],
    ("unknown", ""): [
        *(FILES["raw"], b"weights" * 1000, b"{}", b"\x80", b"\x80\x02", b"<htmlx>", FILES["git lfs"] + bytes(2000)),
        *(JOBLIB, struct.pack("<Q", 1 << 40) + b'{"a":1}', b"\x08\0\x12", b"\x08\x01" * 20_000),
    ],
    ("unknown", "empty"): [b""],
    ("unknown", "html"): [FILES["html"], b"\xef\xbb\xbf<html lang='en'>"],
    ("unknown", "git lfs"): [FILES["git lfs"]],
    ("saved", "truncated"): [OLD_STATE[:200], LONG_STATE[: len(LONG_STATE) // 2]],
    ("unknown", "truncated"): [
        *(SAVED[:-100], SAVED[:100], SAVED[:64] + SAVED[-22:], FILES["torchscript"][:-1000], LIST[:-1], LIST[:100_000]),
        *(safetensors()[:-1], safetensors()[:40], safetensors(end=25)),
    ],
}


@pytest.mark.parametrize("expected", KINDS)
def test_kind_and_damage(expected: tuple[str, str]) -> None:
    found = [found_in(content) for content in KINDS[expected]]
    assert [(file.kind, file.damage) for file in found] == [expected] * len(found)


def test_changed_bytes_raise_nothing() -> None:
    chance = random.Random(1)
    for content in (SAVED[:1200] + SAVED[-900:], OLD_STATE[:900], safetensors()):
        for _ in range(400):
            changed = bytearray(content)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(content))] = chance.randrange(256)
            found = found_in(bytes(changed))
            assert found.pickle is None or found.pickle.is_whole


def test_bytes_that_an_archive_did_not_keep_are_not_judged() -> None:
    class Sampled(File):
        def read(self, count: int) -> bytes:
            if self._position > 0:
                raise NotSampledError
            return super().read(count)

    assert read_weights(Sampled({0: SAVED})) is None


RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)
ZEROS = torch.zeros(2)
TAKEN = [
    *(STATE, ZEROS, [ZEROS], RECURSIVE, torch.Size([1, 2]), collections.Counter("abc"), bytearray(b"abc")),
    *({"model": STATE, "optimizer": torch.optim.Adam(Net().parameters()).state_dict()}, torch.nn.Buffer(ZEROS)),
    *([1, 2.5, None, True, "text", b"bytes", 1 + 2j, {1, 2}, (1,), 1 << 40, -1], torch.nn.Parameter(ZEROS)),
    *(torch.float32, torch.bfloat16, torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.strided),
    *(ZEROS.to(kind) for kind in (torch.bfloat16, torch.uint16, torch.complex64, torch.bool, torch.device("meta"))),
    *(torch.device("cpu"), torch.eye(3).to_sparse(), torch.arange(6)[2:], torch.arange(6).reshape(2, 3).t()),
    *(torch.quantize_per_tensor(ZEROS, 0.1, 0, torch.qint8), ZEROS.untyped_storage(), torch.eye(3).to_sparse_csr()),
    torch.quantize_per_channel(torch.zeros(2, 2), torch.ones(2), ZEROS.long(), 0, torch.quint8),
]
REJECTED = [
    *(frozenset("a"), np.float64(0.5), np.zeros(3), argparse.Namespace(rate=0.5), pathlib.PurePosixPath("x")),
    *(dt.datetime(2026, 1, 1), torch.nn.functional.relu, torch.nn.Linear, ZEROS.as_subclass(OwnTensor)),
    *(OwnDict(a=ZEROS), collections.defaultdict(list, a=[1]), torch.fx.symbolic_trace(Net()), {"model": Net()}),
    *(Net(), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())),
]


@pytest.mark.parametrize("save", [saved, old_saved])
@pytest.mark.parametrize("value", [*TAKEN, *REJECTED])
def test_torch_rejects_what_is_reported(value: Any, save: Callable[[Any], bytes]) -> None:
    is_taken = any(value is taken for taken in TAKEN)
    try:
        content = save(value)
        torch.load(io.BytesIO(content), weights_only=True)
        assert is_taken
    except AttributeError as error:  # the older format has no untyped storages
        pytest.skip(str(error))
    except (pickle.UnpicklingError, RuntimeError):
        assert not is_taken
    found = found_in(content)
    assert (found.kind, found.damage) == ("saved", "")
    assert found.pickle is not None
    assert (not rejected_globals(found.pickle)) == is_taken
    assert found.is_module == isinstance(value, torch.nn.Module)


def test_the_globals_that_torch_takes_are_allowed() -> None:
    def rejected(names: set[str]) -> set[str]:
        pairs = [name.encode().rsplit(b".", 1) for name in sorted(names)]
        pickled = read_pickle(b"\x80\x02" + b"".join(b"c%s\n%s\n" % tuple(pair) for pair in pairs) + b".")
        assert pickled is not None
        return set(rejected_globals(pickled))

    taken = set(torch._weights_only_unpickler._get_allowed_globals())
    assert rejected(taken) == set()
    for module in (torch.cuda, torch.nn, torch.serialization, torch.hub):
        others = {f"{module.__name__}.{name}" for name in vars(module) if not name.endswith(("Storage", "Tensor"))}
        assert rejected(others - taken) == others - taken
    builtins = {f"builtins.{name}" for name in __builtins__} - taken
    assert rejected(builtins) == builtins


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", ("os.system",)),
        (b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x01h\x00\x93.", ("os.system",)),
        (b"\x80\x04\x8c\x02osp5\n0X\x06\x00\x00\x00systemr\x07\x00\x00\x000g5\nj\x07\x00\x00\x00\x93.", ("os.system",)),
        (b"\x80\x02(ios\nsystem\n.", ("os.system",)),
        (b"\x80\x02(cos\nsystem\nNo.", ("os.system",)),
        (b"\x80\x02cos\nsystem\n0N.", ("os.system",)),
        (b"\x80\x02c__builtin__\nset\nc__builtin__\neval\n.", ("builtins.set", "builtins.eval")),
    ],
)
def test_every_way_of_naming_a_global(content: bytes, names: tuple[str, ...]) -> None:
    found = found_in(content)
    assert found.pickle is not None
    assert found.pickle.globals == names


def test_nothing_of_a_pickle_is_run(tmp_path: pathlib.Path) -> None:
    command = f"touch {tmp_path / 'mark'}".encode()
    found = found_in(b"\x80\x02cposix\nsystem\nX%s%s\x85R." % (struct.pack("<I", len(command)), command))
    assert found.pickle is not None
    assert found.pickle.globals == ("posix.system",)
    assert not (tmp_path / "mark").exists()


def test_little_is_read_of_five_gigabytes() -> None:
    file = zipped(PICKLED_STATE, gap=5 * GIB)
    found = read_weights(file)
    assert found is not None
    assert found.pickle is not None
    assert found.pickle.globals[0] == "collections.OrderedDict"
    file.size -= 30
    assert read_weights(file) == WeightsFile(damage="truncated")
    assert file.bytes_read < 1 << 19


@pytest.mark.parametrize(
    ("head", "most"),
    [
        (bytes(8), 1 << 11),
        (b"PK\x03\x04", 1 << 17),
        (b"\x80\x02\x85", 1 << 17),
        (b"\x80\x02]", 1 << 25),
        (b"\x80\x02\x8a\x0a", 1 << 25),
        (struct.pack("<Q", 90_000_000) + b'{"', 1 << 11),
    ],
)
def test_bytes_read_of_a_large_file(head: bytes, most: int) -> None:
    file = File({0: head, 5 * GIB: b"end"})
    read_weights(file)
    assert file.bytes_read <= most


MOST = 20_000
HOSTILE = {
    "opcodes": b"N0" * MOST + b".",
    "marks": b"(" * 2 * MOST + b".",
    "one list many times": b"]q\x00" + b"h\x00a" * MOST + b".",
    "nested lists": b"]" * (MOST // 2 - 2) + b"a" * (MOST // 2 - 3) + b".",
    "nested dicts": b"}" + b"U\x01a}" * (MOST // 3 - 2) + b"s" * (MOST // 3 - 2) + b".",
    "nested tuples": b")" + b"\x85" * (MOST - 4) + b".",
    "nested marks": b"(" * (MOST // 2 - 2) + b"t" * (MOST // 2 - 2) + b".",
    "many keys": b"}" + b"".join(b"U\x05%05dNs" % number for number in range(MOST // 3 - 2)) + b".",
    "doubled": b"Nq\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(200)) + b".",
    "laughs": b")q\x00" + b"".join(b"(" + b"h%c" % i * 200 + b"tq%c" % (i + 1) for i in range(80)) + b".",
    "vast memo": b"N" + b"".join(b"r" + struct.pack("<I", i * 40_000) for i in range(MOST // 2)) + b".",
    "long memo index": b"Np" + b"9" * 60_000 + b"\n.",
    "long number": b"I" + b"9" * 60_000 + b"\n.",
    "long module": b"c" + b"a" * 60_000 + b"\nb\n.",
    "long name": b"ca\n" + b"b" * 2000 + b"\n.",
    "long string": b"X\xff\xff\xff\x7fx",
    "longer string": b"\x8d" + b"\xff" * 8,
    "long integer": b"\x8b\xff\xff\xff\xff",
    "globals": b"".join(b"cm%d\nn\n0" % i for i in range(5000)) + b"N.",
    "name with half a character": b"U\x02osX\x03\x00\x00\x00\xed\xa0\x80\x93.",
    "empty memo": b"X\x04\x00\x00\x00spamh\x09.",
    "short persistent id": b")Q.",
    "empty stack": b"R.",
    "no mark": b"tt.",
    "no names": b"NN\x93.",
    "no opcode": b"\xff.",
    "nothing": b".",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_bounded_and_not_reported(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(weights_file, "MOST_OPCODES", MOST)
    content = b"\x80\x02" + HOSTILE[name]
    tracemalloc.start()
    bare, in_zip = found_in(content), read_weights(zipped(content))
    assert in_zip is not None
    assert all(found.pickle is None or found.pickle.count <= MOST for found in (bare, in_zip))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (in_zip.kind, in_zip.damage, bare.damage) == ("saved", "", "")
    assert peak < 400 * MOST + 4 * len(content)


@pytest.mark.parametrize("offset", [2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**33, 5])
def test_a_zip_entry_at_a_place_that_no_file_has(offset: int) -> None:
    assert read_weights(zipped(b"\x80\x02}.", offset=offset)) == WeightsFile("saved")


def test_a_zip_of_a_million_entries_is_not_listed() -> None:
    count = 1 << 20
    file = File({0: b"PK\x03\x04", 46 * count: end_of_directory(count, 0, 46 * count)})
    assert read_weights(file) == WeightsFile()
    assert file.bytes_read < 1 << 19
