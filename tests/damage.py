"""A seeded generator of damaged archives."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


@dataclass(frozen=True)
class Damaged:
    label: str  # the seed and the kinds of damage
    data: bytes


def damaged(data: bytes, seed: int, *, is_zip: bool, has_sums: bool = True) -> Damaged:
    """The archive with one to three kinds of damage that the seed decides on."""
    kinds = [*_ANY, *(_ZIP if is_zip else _TGZ), *([_rewrite_member] if has_sums and is_zip else [])]
    return _damaged(data, seed, kinds)


def lying(data: bytes, seed: int, *, is_zip: bool) -> Damaged:
    """The zip, or the tar, with lies in it whose checksums are right."""
    return _damaged(data, seed, (_lie, _lie_twice, _lie_twice) if is_zip else _TAR)


def _damaged(data: bytes, seed: int, kinds: Sequence[Damage]) -> Damaged:
    chance = random.Random(seed)
    names = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.choice(kinds)
        names.append(kind.__name__.lstrip("_"))
        data = kind(chance, data)
    return Damaged(f"{seed}:{'+'.join(names)}", data)


Damage = Callable[[random.Random, bytes], bytes]


def _flip_bits(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut_end(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _cut_middle(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.randrange(1, 400) :]


def _insert(chance: random.Random, data: bytes) -> bytes:
    start = chance.choice((0, len(data), chance.randrange(len(data) + 1)))
    return data[:start] + chance.randbytes(chance.randrange(1, 200)) + data[start:]


def _overwrite(chance: random.Random, data: bytes) -> bytes:
    start, count = chance.randrange(len(data) + 1), chance.randrange(1, 64)
    filling = chance.choice((bytes(count), b"\xff" * count, chance.randbytes(count)))
    return data[:start] + filling + data[start + count :]


def _repeat(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    part = data[start : start + chance.randrange(1, 1000)]
    return data[: start + len(part)] + part + data[start + len(part) :]


def _places(data: bytes, *signatures: bytes) -> list[int]:
    return [place for signature in signatures for place in _each(data, signature)]


def _each(data: bytes, signature: bytes) -> Iterator[int]:
    place = data.find(signature)
    while place >= 0:
        yield place
        place = data.find(signature, place + 1)


def _swap_headers(chance: random.Random, data: bytes) -> bytes:
    signature, size = chance.choice(((LOCAL, 30), (CENTRAL, 46)))
    places = _places(data, signature)
    if len(places) < 2:
        return _flip_bits(chance, data)
    one, other = sorted(chance.sample(places, 2))
    if other - one < size or other + size > len(data):
        return _flip_bits(chance, data)
    first, second = data[one : one + size], data[other : other + size]
    return data[:one] + second + data[one + size : other] + first + data[other + size :]


def _lie(chance: random.Random, data: bytes) -> bytes:
    """Write another number over one of a header's fields."""
    fields = {LOCAL: (6, 8, 14, 18, 22, 26, 28), CENTRAL: (8, 10, 16, 20, 24, 28, 30, 38, 42), END: (8, 10, 12, 16)}
    places = _places(data, *fields)
    if not places:
        return _flip_bits(chance, data)
    place = chance.choice(places)
    at = place + chance.choice(fields[data[place : place + 4]])
    number = chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, len(data), chance.randrange(1 << 32)))
    changed = bytearray(data)
    changed[at : at + 4] = struct.pack("<L", number)[: chance.choice((2, 4))]
    return bytes(changed)


def _lie_twice(chance: random.Random, data: bytes) -> bytes:
    """Change the same bit in both headers of an entry."""
    local, central = _places(data, LOCAL), _places(data, CENTRAL)
    if not local or len(local) != len(central):
        return _flip_bits(chance, data)
    number, field, bit = chance.randrange(len(local)), chance.choice((4, 6, 6, 8, 14, 18, 22)), chance.randrange(16)
    changed = bytearray(data)
    for start in (local[number] + field, central[number] + field + 2):
        if start + 2 <= len(data):
            changed[start + bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _splice_entry(chance: random.Random, data: bytes) -> bytes:
    """Put an entry of another archive between two, where the central directory knows nothing of it."""
    name = chance.choice((b"handler.py", b"../escape", b"MAR-INF/MANIFEST.json", b"new.txt"))
    content = chance.randbytes(20)
    fields = (20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content), len(name), 0)
    entry = struct.pack("<4s5H3L2H", LOCAL, *fields) + name + content
    place = chance.choice([*_places(data, LOCAL, CENTRAL), len(data)])
    return data[:place] + entry + data[place:]


def _rewrite_member(chance: random.Random, data: bytes) -> bytes:
    """Replace a file by another through a tool that gets every header right: only the sums can tell."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            contents = {info: old.read(info) for info in old.infolist()}
    except Exception:  # noqa: BLE001 - damaged before
        return _flip_bits(chance, data)
    victim = chance.choice(list(contents)) if contents else None
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as new:
        for info, content in contents.items():
            new.writestr(info, content + b"#" if info is victim else content)
    return changed.getvalue()


def _damage_tar(chance: random.Random, data: bytes) -> bytes:
    """Damage the tar within, and compress it again, so that the gzip itself is right."""
    try:
        tar = zlib.decompress(data, 31)
    except zlib.error:
        return _flip_bits(chance, data)
    return _gzip(chance.choice((*_ANY, *_TAR))(chance, tar))


def _headers(tar: bytes) -> list[int]:
    return [place - 257 for place in _each(tar, b"ustar") if place % 512 == 257]


def _damage_tar_header(chance: random.Random, tar: bytes) -> bytes:
    """Lie in a header whose checksum is made right again."""
    places = _headers(tar)
    if not places:
        return tar
    place = chance.choice(places)
    lies = ((124, b"77777777777\0"), (124, b"00000000000\0"), (156, b"2"), (156, b"x"), (0, b"../"))
    fields = (0, 90, 100, 108, 116, 124, 136, 155, 156, 157, 257, 263, 265, 297, 329, 337, 345, 400, 475, 483, 508)
    filling = (*_NUMBERS, b"/", b"\0", b"S", b"L", b"5", b"7", b"tar\0", b"ustar\0", chance.randbytes(8))
    start, lie = chance.choice(lies) if chance.random() < 0.3 else (chance.choice(fields), chance.choice(filling))
    header = tar[place : place + start] + lie + tar[place + start + len(lie) : place + 512]
    return tar[:place] + _with_checksum(header[:512]) + tar[place + 512 :]


def _add_tar_headers(chance: random.Random, tar: bytes) -> bytes:
    """Put headers in front of a member that rename it, or say something else of it."""
    added = b""
    for _ in range(chance.choice((1, 1, 2))):
        kind = chance.choice((b"x", b"x", b"x", b"X", b"g", b"L", b"L", b"K"))
        if kind in b"LK":
            data = chance.choice((b"", b"m/", b"m/evil.py", b"m/evil\0.py")) + chance.choice((b"", b"\0", b"\0"))
        else:
            records = chance.choices(_RECORDS, k=chance.choice((1, 1, 2)))
            data = b"".join(b"%d %s\n" % (len(record) + 3 + (len(record) > 6), record) for record in records)
        info = tarfile.TarInfo(chance.choice(("m/h", "m/h", "m/h", "m/")))
        info.type, info.size = kind, len(data)
        added += info.tobuf(tarfile.USTAR_FORMAT) + data.ljust(512, chance.choice((b"\0", b"\0", b"y")))
    place = chance.choice(_headers(tar) or [0])
    return tar[:place] + added + tar[place:]


def _with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def _splice_member(chance: random.Random, data: bytes) -> bytes:
    try:
        tar = zlib.decompress(data, 31)
    except zlib.error:
        return _flip_bits(chance, data)
    info = tarfile.TarInfo(chance.choice(("m/handler.py", "m/../../escape", "m/new.txt")))
    content = chance.randbytes(20)
    info.size = len(content)
    member = info.tobuf() + content + bytes(492)
    place = chance.choice(_headers(tar) or [0])
    return _gzip(tar[:place] + member + tar[place:])


def _add_gzip_member(chance: random.Random, data: bytes) -> bytes:
    return data + _gzip(chance.randbytes(100))


def _gzip(data: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


_ANY: tuple[Damage, ...] = (_flip_bits, _flip_bits, _cut_end, _cut_middle, _insert, _overwrite, _repeat)
_ZIP: tuple[Damage, ...] = (_swap_headers, _lie, _lie, _lie_twice, _splice_entry)
_TGZ: tuple[Damage, ...] = (_damage_tar, _damage_tar, _splice_member, _add_gzip_member)
_TAR: tuple[Damage, ...] = (_damage_tar_header, _damage_tar_header, _add_tar_headers, _add_tar_headers)
_NUMBERS = (*b" 12|12x|-0000001|0o000017|1 2|+7|8".split(b"|"), b"\x80\0\0\0\0\0\0\1", b"\x81\0\0\1", b"\xff" * 8)
_RECORDS = (
    b"path=m/evil.py|path=m/evil/|path=|path=m/\0.py|path=m/../evil|path=m/a=b|size=3|size=0|size=-1|size=x|size=1_0"
    b"|size=000003|mtime=12.5|mtime=-1|mtime=1e400|mtime=x|mtime=1_0|mtime=|mtime= 12|mtime=999999999999999999999999"
    b"|ctime=1e5|ctime=12|uid=5|uid=x|uid=1.5|uid=999999999999999999999999|uid=-1|comment=text|comment=\n12 path=evil"
    b"|linkpath=m/evil|hdrcharset=BINARY|hdrcharset=x|LIBARCHIVE.creationtime=1|LIBARCHIVE.creationtime=x"
    b"|SCHILY.realsize=1|SCHILY.filetype=sparse|SCHILY.devmajor=-1|SCHILY.devmajor=x|GNU.sparse.name=m/evil.py"
    b"|GNU.sparse.realsize=1|GNU.sparse.major=1|unknown=1"
).split(b"|")
