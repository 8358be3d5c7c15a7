"""What a weights file is, told by a few of its bytes."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime as dt
import io
import json
import pathlib
import pickle
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_archiver.checks.weights_files import pickle_globals, torch_zip
from model_archiver.checks.weights_files.weights_file import WeightsFile, read_weights
from model_archiver.checks.weights_files.weights_only import is_spoken, refused_globals
from model_archiver.writing.zip_records import ZipEntry, central_header, end_of_directory, local_header

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

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


def told(content: bytes) -> WeightsFile:
    return read_weights(io.BytesIO(content), len(content))


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def scripted() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(Net()).save_to_buffer()


def exported() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Net(), (torch.zeros(1, 3),)), file)
    return file.getvalue()


def safetensors(end: int = 24) -> bytes:
    header = json.dumps({"rows": {"dtype": "F32", "shape": [6], "data_offsets": [0, end]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(24)


def repacked(content: bytes) -> bytes:
    """A zip, deflated."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


def old_save(value: Any) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (scripted, "torchscript"),
        (exported, "exported"),
        (lambda: saved(Net().state_dict()), "saved"),
        (lambda: repacked(saved(Net().state_dict())), "saved"),
        (lambda: old_save(Net().state_dict()), "saved"),
        (lambda: old_save(Net()), "saved"),
        (lambda: pickle.dumps({"a": np.zeros(3)}), "pickle"),
        (lambda: pickle.dumps({"a": np.zeros(3)}, protocol=2), "pickle"),
        (safetensors, "safetensors"),
        (lambda: b"\x08\x09\x12\x07pytorch\x1a\x062.13.0:\x10graph", "onnx"),
        (lambda: b"\x7fELF" + bytes(60), "library"),
        (lambda: b"sys_info".ljust(257, b"\0") + b"ustar\0" + bytes(800), "tar"),
        (lambda: bytes(range(256)) * 8, "unknown"),
        (lambda: b"weights" * 1000, "unknown"),
        (lambda: b"{}", "unknown"),
        (lambda: b"\x80\x02", "unknown"),
    ],
)
def test_what_it_is(make: Callable[[], bytes], kind: str) -> None:
    found = told(make())
    assert (found.kind, found.problem) == (kind, None)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: b"", "empty"),
        (lambda: b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "html"),
        (lambda: b"\xef\xbb\xbf<html lang='en'>", "html"),
        (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs"),
        (lambda: saved(Net().state_dict())[:-100], "cut short"),
        (lambda: saved(Net().state_dict())[:100], "cut short"),
        (lambda: scripted()[:-1000], "cut short"),
        (lambda: saved(Net().state_dict())[:64] + saved(Net().state_dict())[-22:], "cut short"),
        (lambda: old_save(Net().state_dict())[:-1], "cut short"),
        (lambda: old_save(Net().state_dict())[:200], "cut short"),
        (lambda: old_save({"a": torch.zeros(100_000)})[:-1], "cut short"),
        (lambda: old_save({"a": torch.zeros(100_000)})[:300], "cut short"),
        (lambda: pickle.dumps({"a": np.zeros(3)})[:-1], "cut short"),
        (lambda: pickle.dumps(["word"] * 100_000)[:-1], "cut short"),
        (lambda: safetensors()[:-1], "cut short"),
        (lambda: safetensors(end=25), "cut short"),
        (lambda: safetensors()[:40], "cut short"),
    ],
)
def test_what_nothing_can_read(make: Callable[[], bytes], problem: str) -> None:
    assert told(make()).problem == problem


@pytest.mark.parametrize(
    "content",
    [
        saved(Net().state_dict()) + b"\n",
        pickle.dumps([1, 2, 3]) + b"more",
        b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\nq\x00)\x81q\x01}q\x02b" + b"B" * 64,
        b"<htmlx>",
        b"version https://git-lfs.github.com/spec/v1\n" + bytes(2000),
        struct.pack("<Q", 1 << 40) + b'{"a":1}',
    ],
)
def test_nothing_is_said_of_what_may_be_read(content: bytes) -> None:
    assert told(content).problem is None


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
    "device": {"a": torch.device("cpu")},
    "layout": {"a": torch.strided},
    "memory-format": {"a": torch.channels_last},
    "parameter": {"a": torch.nn.Parameter(torch.zeros(2))},
    "buffer": {"a": torch.nn.Buffer(torch.zeros(2))},
    "bf16": {"a": torch.zeros(2, dtype=torch.bfloat16)},
    "float8": {"a": torch.zeros(2).to(torch.float8_e5m2)},
    "uint16": {"a": torch.zeros(2, dtype=torch.uint16)},
    "complex": {"a": torch.zeros(2, dtype=torch.complex64)},
    "bool": {"a": torch.zeros(2, dtype=torch.bool)},
    "quantized": {"a": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)},
    "quantized-channels": {
        "a": torch.quantize_per_channel(torch.zeros(2, 2), torch.ones(2), torch.zeros(2).long(), 0, torch.quint8)
    },
    "sparse": {"a": torch.eye(3).to_sparse()},
    "sparse-rows": {"a": torch.eye(3).to_sparse_csr()},
    "meta": {"a": torch.zeros(2, device="meta")},
    "views": {"a": torch.arange(6)[2:], "b": torch.arange(6).reshape(2, 3).t()},
    "shared": dict.fromkeys("ab", torch.zeros(4)),
    "recursive": {"a": RECURSIVE},
    "generator": {"a": torch.get_rng_state()},
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
    "jit-dict": {"a": torch.Generator},
    "module": Net(),
    "sequential": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()),
    "module-below": {"model": Net()},
    "graph": torch.fx.symbolic_trace(Net()),
}
SAVERS = {
    "zip": saved,
    "legacy": old_save,
    "protocol-3": lambda value: saved(value, pickle_protocol=3),
    "protocol-4": lambda value: saved(value, pickle_protocol=4),
    "protocol-5-legacy": lambda value: saved(value, pickle_protocol=5, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.filterwarnings("ignore")
def test_what_torch_refuses_by_default(name: str, saver: str) -> None:
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
    found = told(content)
    assert (found.kind, found.problem) == ("saved", None)
    assert found.pickle is not None
    assert (not refused_globals(found.pickle) and is_spoken(found.pickle)) == is_taken


@pytest.mark.parametrize("saver", ["zip", "legacy"])
def test_whole_modules_are_known_by_the_state_that_they_are_given(saver: str) -> None:
    def whole(name: str) -> bool:
        found = told(SAVERS[saver](OBJECTS[name]))
        assert found.pickle is not None
        return found.pickle.is_module

    assert {name for name in ("module", "sequential") if whole(name)} == {"module", "sequential"}
    assert not any(whole(name) for name in ("state_dict", "module-below", "own-dict", "dataclass", "tensor", "list"))


def test_the_list_of_globals_is_torchs_own() -> None:
    def are_refused(names: set[str]) -> set[str]:
        content = b"\x80\x02" + b"".join(b"c%s\n%s\n" % tuple(name.encode().rsplit(b".", 1)) for name in names) + b"."
        return set(refused_globals(pickle_globals.read_pickle(content)))

    taken = set(torch._weights_only_unpickler._get_allowed_globals())
    assert are_refused(taken) == set()
    modules = (torch, torch.cuda, torch.sparse, torch.storage, torch._utils, torch._tensor, torch.serialization)
    others = {f"{module.__name__}.{name}" for module in modules for name in vars(module)} - taken
    builtins = {f"builtins.{name}" for name in __builtins__} - taken
    for chunk in (others, builtins):
        names = sorted(chunk)
        for start in range(0, len(names), 500):
            part = set(names[start : start + 500])
            assert are_refused(part) == part


def test_python_2_names() -> None:
    found = pickle_globals.read_pickle(b"\x80\x02c__builtin__\nset\nc__builtin__\neval\n.")
    assert refused_globals(found) == ("builtins.eval",)


class Counted(io.BytesIO):
    """A file that counts what is read of it, and may be far larger than what it holds: the rest is zeros."""

    def __init__(self, stretches: dict[int, bytes]) -> None:
        super().__init__()
        self.size = max(start + len(content) for start, content in stretches.items())
        self.taken = 0
        self._stretches = stretches
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self._position = offset
        return offset

    def read(self, count: int | None = -1) -> bytes:
        assert count is not None
        assert count >= 0
        count = min(count, self.size - self._position)
        self.taken += count
        found = bytearray(count)
        for start, content in self._stretches.items():
            low, high = max(start, self._position), min(start + len(content), self._position + count)
            if low < high:
                found[low - self._position : high - self._position] = content[low - start : high - start]
        self._position += count
        return bytes(found)

    def told(self) -> WeightsFile:
        return read_weights(self, self.size)


def large_zip(data: bytes, size: int = 5 * GIB) -> Counted:
    """What torch.save writes of a tensor of that size, which is one large hole."""
    entries, stretches, position = [], {}, 0
    for name, content, length in (("m/data.pkl", data, len(data)), ("m/data/0", b"", size), ("m/version", b"3\n", 2)):
        entry = ZipEntry(name, False, 0, length, length, zlib.crc32(content), position, length > GIB)
        stretches[position] = local_header(entry) + content
        position += len(local_header(entry)) + length
        entries.append(entry)
    directory = b"".join(map(central_header, entries))
    stretches[position] = directory + end_of_directory(len(entries), position, len(directory))
    return Counted(stretches)


def test_of_five_gigabytes_little_is_read() -> None:
    file = large_zip(zipfile.ZipFile(io.BytesIO(saved(Net().state_dict()))).read("archive/data.pkl"))
    assert file.size > 5 * GIB
    tracemalloc.start()
    found = file.told()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.kind, found.problem) == ("saved", None)
    assert found.pickle is not None
    assert found.pickle.maker == "collections.OrderedDict"
    assert file.taken < 1 << 20
    assert peak < 4 << 20


def test_five_gigabytes_that_are_cut_short() -> None:
    file = large_zip(b"N.")
    file.size -= 30
    assert file.told().problem == "cut short"
    assert file.taken < 1 << 20


@pytest.mark.parametrize("missing", [0, 1])
def test_five_gigabytes_as_older_versions_of_torch_wrote_them(missing: int) -> None:
    content = old_save({"a": torch.zeros(4)})
    tail = content.rindex(struct.pack("<q", 4))
    count = 5 * GIB // 4
    pickled = b"K\x04" + b"N"  # the number of elements, and no view
    assert content.count(pickled) == 1
    content = content[:tail].replace(pickled, b"\x8a\x05" + count.to_bytes(5, "little") + b"N")
    file = Counted({0: content + struct.pack("<q", count)})
    file.size = len(content) + 8 + 4 * count - missing
    assert file.told().problem == ("cut short" if missing else None)
    assert file.taken < 1 << 21


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04", b"\x80\x02]", b"<html>", b"\x80\x02\x8a\x0a", b"\x10" + bytes(7) + b'{"']
)
def test_of_no_file_is_much_read(head: bytes) -> None:
    file = Counted({0: head, 5 * GIB: b"end"})
    file.told()
    assert file.taken < 1 << 25


STRING = b"X\x04\x00\x00\x00spam"


@pytest.mark.parametrize(
    "content",
    [
        b"N0" * 1_000_000 + b".",  # an opcode bomb
        b"(" * 1_000_000 + b".",
        b"]q\x00" + b"h\x00a" * 1_000_000 + b".",
        b"]" * 400_000 + b"a" * 399_999 + b".",  # deep nesting
        b")" + b"\x85" * 400_000 + b".",
        b"(" * 200_000 + b"t" * 200_000 + b".",
        b"Nq\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(200)) + b".",
        b")q\x00" + b"".join(b"(" + b"h%c" % i * 200 + b"tq%c" % (i + 1) for i in range(200)) + b".",  # laughs
        b"N" + b"".join(b"r" + struct.pack("<I", i * 40_000) for i in range(100_000)) + b".",  # a vast memo
        b"Np" + b"9" * 60_000 + b"\n.",
        b"I" + b"9" * 60_000 + b"\n.",
        b"c" + b"a" * 60_000 + b"\nb\n.",
        b"c" + b"a" * 1_000_000 + b"\nb\n.",
        b"\x8d" + b"\xff" * 8,
        b"\x8b\xff\xff\xff\xff",
        b"X\xff\xff\xff\xffx",
        b"".join(b"cm%d\nn\n0" % i for i in range(5000)) + b"N.",  # too many globals
        STRING + b"h\x09.",  # nothing is there
        b"R.",
        b"tt.",
        b"NN\x93.",
        b".",
    ],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_hostile_pickles_are_bounded_and_nothing_is_said_of_them(content: bytes, is_zip: bool) -> None:
    content = b"\x80\x02" + content
    if is_zip:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("m/data.pkl", content)
        content = packed.getvalue()
    tracemalloc.start()
    found = told(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.kind in (("saved",) if is_zip else ("unknown", "pickle"))
    assert found.pickle is None or found.pickle.count <= pickle_globals.MOST_OPCODES
    assert peak < 100 << 20


def test_nothing_of_a_pickle_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = b"\x80\x02cposix\nsystem\nX%s\x85R." % (
        struct.pack("<I", len(f"touch {mark}")) + f"touch {mark}".encode()
    )
    found = told(content)
    assert not mark.exists()
    assert found.pickle is not None
    assert found.pickle.globals == ("posix.system",)


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
    ],
)
def test_every_way_of_naming_a_global(content: bytes, names: tuple[str, ...]) -> None:
    assert pickle_globals.read_pickle(content).globals == names


def zip_of(entries: int, name: str = "m/%d") -> bytes:
    listed = [ZipEntry(name % i, False, 0, 0, 0, 0, 0, False) for i in range(entries)]
    directory = b"".join(map(central_header, listed))
    content = local_header(ZipEntry("m/data.pkl", False, 0, 0, 0, 0, 0, False))
    return content + directory + end_of_directory(entries, len(content), len(directory))


def test_a_million_entries_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_of(torch_zip.MOST_ENTRIES + 1)
    monkeypatch.setattr(torch_zip, "read_central", lambda *_: pytest.fail("they were listed"))
    assert told(content) == WeightsFile("unknown")


def test_a_lie_about_the_entries_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(zip_of(3000))
    content[-14:-10] = struct.pack("<2H", 10, 10)
    monkeypatch.setattr(torch_zip, "MOST_ENTRIES", 1000)
    taken = []
    real = torch_zip.read_central
    monkeypatch.setattr(
        torch_zip, "read_central", lambda *words: (taken.append(entry) or entry for entry in real(*words))
    )
    assert told(bytes(content)) == WeightsFile("unknown")
    assert len(taken) <= 1001


def test_a_pickle_that_inflates_to_gigabytes_is_let_be() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file, file.open("m/data.pkl", "w") as entry:
        for _ in range(64):
            entry.write(bytes(1 << 20))
    content = packed.getvalue()
    tracemalloc.start()
    assert told(content) == WeightsFile("saved")
    shrunk = content.replace(struct.pack("<I", 64 << 20), struct.pack("<I", 100))  # and the headers say a hundred bytes
    assert told(shrunk) == WeightsFile("saved")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20
