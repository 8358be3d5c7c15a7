"""What a weights file is, by a few of its bytes, and what its pickle would import and build."""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import io
import json
import pathlib
import pickle
import random
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from typing import Any

import pytest

from model_archiver.reading.content import NotSampledError
from model_archiver.checks.pickles import MOST_OPCODES, has_known_opcodes, read_pickle, rejected_globals
from model_archiver.checks.weights_file import WeightsFile, read_weights
from model_archiver.writing.zip_records import ZipEntry, central_header, end_of_directory, local_header

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pytestmark = pytest.mark.filterwarnings("ignore")

GIB = 1 << 30


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)


@dataclasses.dataclass
class Settings:
    rate: float = 0.5


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


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def old_saved(value: Any, **options: Any) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False, **options)


def exported() -> bytes:
    file = io.BytesIO()
    torch.export.save(torch.export.export(Net(), (torch.zeros(1, 3),)), file)
    return file.getvalue()


def safetensors(end: int = 24) -> bytes:
    header = json.dumps({"rows": {"dtype": "F32", "shape": [6], "data_offsets": [0, end]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(24)


def zipped(pickled: bytes, offset: int = 0) -> bytes:
    """Return a zip of one pickle, whose directory may say that it lies elsewhere."""
    size = len(pickled)
    entry = ZipEntry("m/data.pkl", False, 0, size, size, zlib.crc32(pickled), offset, False)
    start, directory = local_header(entry.replace(offset=0)) + pickled, central_header(entry)
    return start + directory + end_of_directory(1, len(start), len(directory))


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SCRIPTED = torch.jit.script(Net()).save_to_buffer()
STATE = saved(Net().state_dict())
OLD_STATE = old_saved(Net().state_dict())
LONG_STATE = old_saved({f"rows.{number}": torch.zeros(1) for number in range(5000)})
LIST = pickle.dumps(["word"] * 100_000)
GIT_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
JOBLIB = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\nq\x00)\x81q\x01}q\x02b" + b"B" * 64
KINDS = {
    "TorchScript": (SCRIPTED, "torchscript", ""),
    "exported": (exported(), "exported", ""),
    "state_dict": (STATE, "saved", ""),
    "old state_dict": (OLD_STATE, "saved", ""),
    "long old state_dict": (LONG_STATE, "saved", ""),
    "old module": (old_saved(Net()), "saved", ""),
    "zip with a newline behind": (STATE + b"\n", "saved", ""),
    "array": (pickle.dumps({"a": np.zeros(3)}), "pickle", ""),
    "array, protocol 2": (pickle.dumps({"a": np.zeros(3)}, protocol=2), "pickle", ""),
    "pickle with more behind": (pickle.dumps([1, 2, 3]) + b"more", "pickle", ""),
    "joblib": (JOBLIB, "unknown", ""),
    "safetensors": (safetensors(), "safetensors", ""),
    "safetensors of no size": (struct.pack("<Q", 1 << 40) + b'{"a":1}', "unknown", ""),
    "ONNX": (b"\x08\x09\x12\x07pytorch\x1a\x062.13.0:\x10graph", "onnx", ""),
    "almost ONNX": (b"\x08\x09\x12\x07pyt\x00rch\x1a\x062.13.0:\x10graph", "unknown", ""),
    "library": (b"\x7fELF" + bytes(60), "library", ""),
    "bytes": (bytes(range(256)) * 8, "unknown", ""),
    "words": (b"weights" * 1000, "unknown", ""),
    "JSON": (b"{}", "unknown", ""),
    "one byte": (b"\x80", "unknown", ""),
    "two bytes": (b"\x80\x02", "unknown", ""),
    "no HTML": (b"<htmlx>", "unknown", ""),
    "no Git LFS": (GIT_LFS + bytes(2000), "unknown", ""),
    "empty": (b"", "unknown", "empty"),
    "HTML": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "unknown", "html"),
    "HTML with a byte order mark": (b"\xef\xbb\xbf<html lang='en'>", "unknown", "html"),
    "Git LFS": (GIT_LFS, "unknown", "git lfs"),
    "zip without its last bytes": (STATE[:-100], "unknown", "truncated"),
    "start of a zip": (STATE[:100], "unknown", "truncated"),
    "start and end of a zip": (STATE[:64] + STATE[-22:], "unknown", "truncated"),
    "TorchScript without its last bytes": (SCRIPTED[:-1000], "unknown", "truncated"),
    "start of an old state_dict": (OLD_STATE[:200], "saved", "truncated"),
    "half a long old state_dict": (LONG_STATE[: len(LONG_STATE) // 2], "saved", "truncated"),
    "pickle without its last byte": (LIST[:-1], "unknown", "truncated"),
    "pickle within a word": (LIST[:100_000], "unknown", "truncated"),
    "safetensors without the last byte": (safetensors()[:-1], "unknown", "truncated"),
    "safetensors with a tensor behind the end": (safetensors(end=25), "unknown", "truncated"),
    "half a header of safetensors": (safetensors()[:40], "unknown", "truncated"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_damage(name: str) -> None:
    content, kind, damage = KINDS[name]
    found = found_in(content)
    assert (found.kind, found.damage) == (kind, damage)


@pytest.mark.parametrize("content", [STATE, OLD_STATE, LIST, safetensors()])
def test_no_part_of_a_file_raises_and_only_its_whole_is_undamaged(content: bytes) -> None:
    for end in [*range(min(len(content), 300)), *random.Random(0).sample(range(len(content)), 30)]:
        assert found_in(content[:end]).damage != "html"


def test_changed_bytes_raise_nothing() -> None:
    chance = random.Random(1)
    for content in (zipped(zipfile.ZipFile(io.BytesIO(STATE)).read("archive/data.pkl")), OLD_STATE[:900]):
        for _ in range(400):
            changed = bytearray(content)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(content))] = chance.randrange(256)
            found_in(bytes(changed))


def test_bytes_that_an_archive_did_not_keep_are_not_judged() -> None:
    class Sampled(File):
        def read(self, count: int) -> bytes:
            if self._position > 0:
                raise NotSampledError
            return super().read(count)

    assert read_weights(Sampled({0: STATE})) is None


RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)
OBJECTS = {
    "state_dict": Net().state_dict(),
    "ordered": collections.OrderedDict(a=torch.zeros(2)),
    "counter": collections.Counter("abc"),
    "checkpoint": {"model": Net().state_dict(), "optimizer": torch.optim.Adam(Net().parameters()).state_dict()},
    "plain": {"a": [1, 2.5, None, True, "text", b"bytes", 1 + 2j, {1, 2}, (1,), 1 << 40, -1, 1 << 3000]},
    "bytearray": {"a": bytearray(b"abc")},
    "frozenset": {"a": frozenset("a")},
    "numpy-scalar": {"a": np.float64(0.5)},
    "numpy-array": {"a": np.zeros(3)},
    "namespace": {"a": argparse.Namespace(rate=0.5)},
    "path": {"a": pathlib.PurePosixPath("x")},
    "date": {"a": dt.datetime(2026, 1, 1)},
    "torch-size": {"a": torch.Size([1, 2])},
    "dtypes": {"a": [torch.float32, torch.bfloat16, torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn]},
    "device": {"a": [torch.device("cpu"), torch.strided, torch.channels_last]},
    "parameter": {"a": torch.nn.Parameter(torch.zeros(2)), "b": torch.nn.Buffer(torch.zeros(2))},
    "types": {kind: torch.zeros(2).to(getattr(torch, kind)) for kind in "bfloat16 uint16 complex64 bool".split()},
    "quantized": {"a": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)},
    "quantized-channels": {
        "a": torch.quantize_per_channel(torch.zeros(2, 2), torch.ones(2), torch.zeros(2).long(), 0, torch.quint8)
    },
    "sparse": {"a": torch.eye(3).to_sparse(), "b": torch.eye(3).to_sparse_csr()},
    "meta": {"a": torch.zeros(2, device="meta")},
    "views": {"a": torch.arange(6)[2:], "b": torch.arange(6).reshape(2, 3).t()},
    "recursive": {"a": RECURSIVE},
    "storage": {"a": torch.zeros(2).untyped_storage()},
    "tensor": torch.zeros(3),
    "list": [torch.zeros(3)],
    "function": {"a": torch.nn.functional.relu},
    "class": {"a": torch.nn.Linear},
    "subclass": {"a": torch.zeros(2).as_subclass(OwnTensor)},
    "own-dict": OwnDict(a=torch.zeros(2)),
    "dataclass": {"a": Settings()},
    "default-dict": collections.defaultdict(list, a=[1]),
    "scheduler": torch.optim.lr_scheduler.StepLR(torch.optim.SGD(Net().parameters(), 0.1), 1).state_dict(),
    "generator": {"a": torch.Generator},
    "module": Net(),
    "sequential": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()),
    "module-below": {"model": Net()},
    "graph": torch.fx.symbolic_trace(Net()),
}
SAVERS = {
    "zip": saved,
    "legacy": old_saved,
    "protocol-3": lambda value: saved(value, pickle_protocol=3),
    "protocol-4": lambda value: saved(value, pickle_protocol=4),
    "protocol-5-legacy": lambda value: old_saved(value, pickle_protocol=5),
}


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize("name", OBJECTS)
def test_torch_rejects_what_is_reported(name: str, saver: str) -> None:
    try:
        content = SAVERS[saver](OBJECTS[name])
    except Exception as error:  # noqa: BLE001 - what cannot be saved that way
        pytest.skip(f"torch.save: {error}")
    try:
        torch.load(io.BytesIO(content), weights_only=True)
        is_taken = True
    except AttributeError as error:  # untyped storages, of which the older files cannot tell the type
        pytest.skip(f"torch.load, weights only or not: {error}")
    except (pickle.UnpicklingError, RuntimeError):
        is_taken = False
    found = found_in(content)
    assert (found.kind, found.damage) == ("saved", "")
    assert found.pickle is not None
    assert (not rejected_globals(found.pickle) and has_known_opcodes(found.pickle)) == is_taken
    assert found.is_module == (name in ("module", "sequential"))


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


def test_what_a_pickle_builds() -> None:
    pickled = found_in(saved({"epoch": 3, "model": Net().state_dict()})).pickle
    assert pickled is not None
    assert (pickled.built.maker, pickled.built.items["epoch"]) == ("dict", 3)
    model = pickled.built.items["model"]
    assert (model.maker, list(model.items)) == ("collections.OrderedDict", ["linear.weight", "linear.bias"])
    module = found_in(saved(Net())).pickle
    assert module is not None
    assert module.built.maker == f"{__name__}.Net"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", ("os.system",)),
        (b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x01h\x00\x93.", ("os.system",)),
        (b"\x80\x04\x8c\x02osp5\n0X\x06\x00\x00\x00systemr\x07\x00\x00\x000g5\nj\x07\x00\x00\x00\x93.", ("os.system",)),
        (b"\x80\x02(ios\nsystem\n.", ("os.system",)),
        (b"\x80\x02(cos\nsystem\nNo.", ("os.system",)),
        (b"\x80\x02cos\nsystem\n0N.", ("os.system",)),
        (b"\x80\x04U\x02os2U\x06system\x93.", ("os.system",)),
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


def large_zip(pickled: bytes, size: int = 5 * GIB) -> File:
    """Return what torch.save writes of a tensor of that size, which is one large hole."""
    entries, parts, position = [], {}, 0
    for name, content, length in (("m/data.pkl", pickled, len(pickled)), ("m/data/0", b"", size)):
        entry = ZipEntry(name, False, 0, length, length, zlib.crc32(content), position, length > GIB)
        parts[position] = local_header(entry) + content
        position += len(local_header(entry)) + length
        entries.append(entry)
    directory = b"".join(map(central_header, entries))
    parts[position] = directory + end_of_directory(len(entries), position, len(directory))
    return File(parts)


def test_little_is_read_of_five_gigabytes() -> None:
    file = large_zip(zipfile.ZipFile(io.BytesIO(STATE)).read("archive/data.pkl"))
    found = read_weights(file)
    assert found is not None
    assert found.pickle is not None
    assert found.pickle.built.maker == "collections.OrderedDict"
    assert file.bytes_read < 1 << 19
    truncated = large_zip(b"N.")
    truncated.size -= 30
    assert read_weights(truncated) == WeightsFile(damage="truncated")
    assert truncated.bytes_read < 1 << 19


@pytest.mark.parametrize(
    ("head", "most"),
    [
        (bytes(8), 1 << 10),
        (b"PK\x03\x04", 1 << 17),
        (b"\x80\x02\x85", 1 << 17),
        (b"\x80\x02]", 1 << 25),
        (b"\x80\x02\x8a\x0a", 1 << 25),
        (struct.pack("<Q", 90_000_000) + b'{"', 1 << 10),
    ],
)
def test_bytes_read_of_a_large_file(head: bytes, most: int) -> None:
    file = File({0: head, 5 * GIB: b"end"})
    read_weights(file)
    assert file.bytes_read <= most


HOSTILE = {
    "opcodes": b"N0" * 1_000_000 + b".",
    "marks": b"(" * 1_000_000 + b".",
    "one list many times": b"]q\x00" + b"h\x00a" * 1_000_000 + b".",
    "nested lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "nested dicts": b"}" + b"U\x01a}" * 120_000 + b"s" * 120_000 + b".",
    "nested tuples": b")" + b"\x85" * 400_000 + b".",
    "nested marks": b"(" * 200_000 + b"t" * 200_000 + b".",
    "many keys": b"}" + b"".join(b"U\x05%05dNs" % number for number in range(99_999)) + b".",
    "doubled": b"Nq\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(200)) + b".",
    "laughs": b")q\x00" + b"".join(b"(" + b"h%c" % i * 200 + b"tq%c" % (i + 1) for i in range(200)) + b".",
    "vast memo": b"N" + b"".join(b"r" + struct.pack("<I", i * 40_000) for i in range(100_000)) + b".",
    "long memo index": b"Np" + b"9" * 60_000 + b"\n.",
    "long number": b"I" + b"9" * 60_000 + b"\n.",
    "long module": b"c" + b"a" * 60_000 + b"\nb\n.",
    "long name": b"ca\n" + b"b" * 2000 + b"\n.",
    "long string": b"X\xff\xff\xff\xffx",
    "longer string": b"\x8d" + b"\xff" * 8,
    "long integer": b"\x8b\xff\xff\xff\xff",
    "globals": b"".join(b"cm%d\nn\n0" % i for i in range(5000)) + b"N.",
    "empty memo": b"X\x04\x00\x00\x00spamh\x09.",
    "short persistent id": b")Q.",
    "empty stack": b"R.",
    "no mark": b"tt.",
    "no names": b"NN\x93.",
    "no opcode": b"\xff.",
    "nothing": b".",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_bounded_and_nothing_is_said_of_them(name: str) -> None:
    content = b"\x80\x02" + HOSTILE[name]
    tracemalloc.start()
    bare, in_zip = found_in(content), found_in(zipped(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert in_zip.kind == "saved"
    assert all(found.pickle is None or found.pickle.count <= MOST_OPCODES for found in (bare, in_zip))
    assert (bare.damage == "truncated") == (name in ("long string", "longer string") and False)
    assert in_zip.damage == ""
    assert peak < 120 << 20


@pytest.mark.parametrize("offset", [2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**33, 5])
def test_a_zip_entry_at_a_place_that_no_file_has(offset: int) -> None:
    assert found_in(zipped(b"\x80\x02}.", offset)) == WeightsFile("saved")


def test_a_zip_of_a_million_entries_is_not_listed() -> None:
    count = 1 << 20
    file = File({0: b"PK\x03\x04", 46 * count: end_of_directory(count, 0, 46 * count)})
    assert read_weights(file) == WeightsFile()
    assert file.bytes_read < 1 << 19
