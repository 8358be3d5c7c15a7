"""``verify``: every trait of an archive that servers take is passed, and every one that they refuse is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.archives import FORMATS, MANIFEST, SUMS, contents, output
from tests.conftest import Command
from tests.damage import damaged
from tests.foreign import (
    DEFLATED,
    HANDLER,
    HONEST,
    Raw,
    deflate,
    honest_members,
    in_zip64,
    manifest_bytes,
    mar,
    needs_java,
    run_java,
    special,
    tar_bytes,
    tgz,
    with_descriptor,
    zip64_bytes,
    zip_bytes,
)
from tests.packing import build

H, M = HONEST
STORED_H = replace(H, method=0)


def codes(run: Command, archive: Path, *words: object) -> list[str]:
    """The codes of the errors that are found, and a check that the exit status is theirs."""
    result = run("verify", archive, "--json", *words)
    problems = json.loads(result.out)["problems"]
    found = sorted({issue["code"] for issue in problems if issue["level"] == "error"})
    assert result.status == bool(found)
    printed = [error.rpartition("[")[2].rstrip("]") for error in result.errors]
    assert printed == [problem["code"] for problem in problems if problem["level"] == "error"]
    return found


SERVED_ENTRIES = {
    "deflated": HONEST,
    "stored": (STORED_H, replace(M, method=0)),
    "mixed": (STORED_H, M),
    "ZIP64 without a descriptor": (in_zip64(H), in_zip64(M)),
    "a folder entry": (Raw(b"sub/", mode=stat.S_IFDIR | 0o755), Raw(b"sub/x", b"x"), *HONEST),
    "a long name": (Raw(b"a/" * 1900 + b"b" * 255, b"x"), *HONEST),
    "an empty file": (Raw(b"empty"), Raw(b"empty2", method=DEFLATED), *HONEST),
    "names in UTF-8": (Raw("zwölf 日.txt".encode(), b"12", flags=0x800), *HONEST),
    "names in UTF-8 that do not say so": (Raw("zwölf.txt".encode(), b"12"), *HONEST),
    "a padded extra field": (replace(H, local_extra=struct.pack("<2H", 0xD935, 60) + bytes(60)), M),
    "its own name in an extra field": (replace(H, local_extra=struct.pack("<2HBL", 0x7075, 15, 1, 0) + H.name), M),
    "an extra field that is none": (replace(H, local_extra=b"\0\0\0"), M),
    "extra files in MAR-INF": (Raw(b"MAR-INF/notes.txt", b"x"), *HONEST),
    "the manifest first": (M, H),
    "data descriptors": (with_descriptor(H), with_descriptor(M)),
    "data descriptors without a signature": (with_descriptor(H, signed=False), with_descriptor(M, signed=False)),
    "sync-flushed blocks": (replace(H, packed=deflate(b"")[:0] + b"\0\0\0\xff\xff" + deflate(HANDLER)), M),
}


SERVED_ZIPS = {
    **{label: zip_bytes(entries) for label, entries in SERVED_ENTRIES.items()},
    "a comment": zip_bytes(HONEST, comment=b"a comment"),
    "a comment like another end": zip_bytes(HONEST, comment=b"PK\5\6" + b"x" * 40),
    "a signature of the directory": zip_bytes(HONEST, signature=b"PK\5\5\4\0sign"),
    "ZIP64 records": zip64_bytes(HONEST),
    "ZIP64 records with data of another maker": zip64_bytes(HONEST, surplus=b"of another maker"),
}


@pytest.mark.parametrize("data", SERVED_ZIPS.values(), ids=SERVED_ZIPS)
def test_a_zip_that_serves_is_passed(work, run: Command, data: bytes) -> None:
    Path("m.mar").write_bytes(data)
    assert codes(run, Path("m.mar")) == []


def test_a_directory_that_cannot_be_read_is_reported_once(work, run: Command) -> None:
    Path("m.mar").write_bytes(WHOLE[: WHOLE.index(b"PK\1\2")])
    problems = json.loads(run("verify", "m.mar", "--json").out)["problems"]
    assert [issue["code"] for issue in problems] == ["archive-cut"]


def test_a_lying_size_hides_nothing_else(work, run: Command) -> None:
    archive = mar(replace(H, central_size=0xF0000000), replace(M, content=manifest_bytes(name="")))
    assert codes(run, archive) == ["headers-differ", "manifest-invalid"]


def test_a_size_that_is_too_large_is_not_blamed_on_the_manifest(work, run: Command) -> None:
    assert codes(run, mar(Raw(b"zeros", b"x", DEFLATED, size=3 << 30), *HONEST)) == ["unpacked-too-large"]


@pytest.mark.parametrize("kind", ["zip", "folders of a zip", "tar", "long names of a tar"])
def test_more_members_than_memory_allows_are_one_error(work, run: Command, monkeypatch, kind: str) -> None:
    monkeypatch.setattr("model_archiver.reading.archive._MOST_MEMBERS", 4)

    def archive(count: int) -> Path:
        if "zip" in kind:
            return mar(*(Raw(b"%d%s" % (number, b"/" * ("folder" in kind))) for number in range(count)), *HONEST)
        if "long" in kind:
            return tgz(tar_bytes({"m/" + "n" * 62 * count: b"", **honest_members()}))
        return tgz(tar_bytes({**{f"m/{number}": b"" for number in range(count)}, **honest_members()}))

    assert codes(run, archive(2 if "long" not in kind else 1)) == []
    for command in ("inspect", "verify", "extract"):
        result = run(command, archive(3))
        assert (result.status, len(result.errors)) == (1, 1)
        assert "has too many files and folders; the limit is 4" in result.errors[0]
        assert "[unpacked-too-large]" in result.errors[0]


def test_as_many_entries_as_only_zip64_can_count_are_passed(work, run: Command) -> None:
    with zipfile.ZipFile("m.mar", "w") as archive:
        for number in range(70_000):
            archive.writestr(f"{number}", b"")
        archive.writestr("handler.py", HANDLER)
        archive.writestr(MANIFEST, manifest_bytes())
    assert codes(run, Path("m.mar")) == []


@pytest.mark.parametrize("size", [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 20])
@pytest.mark.parametrize("ending", [b"", b"end"])
def test_content_of_any_size_and_shape_is_read_to_its_end(work, run: Command, size: int, ending: bytes) -> None:
    content = bytes(size) + ending
    big = Raw(b"big", content, DEFLATED)
    assert codes(run, mar(with_descriptor(big), *HONEST)) == []
    assert codes(run, mar(*HONEST, big)) == []
    for members in ({"m/big": content, **honest_members()}, {**honest_members(), "m/big": content}):
        assert codes(run, tgz(tar_bytes(members))) == []
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(run("inspect", "m.tar.gz", "--json").out)["files"][-1]["sha256"] == digest


def _unicode_path(name: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name), 1, zlib.crc32(H.name)) + name


WHOLE = zip_bytes(HONEST)
REFUSED_ENTRIES = {
    "stored with a descriptor": ((with_descriptor(STORED_H), M), "entry-descriptor"),
    "a ZIP64 descriptor below 4 GiB": ((with_descriptor(H, wide=True), M), "entry-descriptor"),
    "bzip2": ((replace(H, method=12), M), "entry-method"),
    "LZMA": ((replace(H, method=14), M), "entry-method"),
    "zstd": ((replace(H, method=93), M), "entry-method"),
    "deflate64": ((replace(H, method=9), M), "entry-method"),
    "encrypted": ((replace(H, flags=1), M), "entry-method"),
    "all below a top folder": (tuple(replace(entry, name=b"m/" + entry.name) for entry in HONEST), "manifest-missing"),
    "a backslash in the manifest's name": ((H, replace(M, name=b"MAR-INF\\MANIFEST.json")), "manifest-missing"),
    "no manifest": ((H,), "manifest-missing"),
    "a name that is not UTF-8": ((Raw(b"gr\xfcn.txt", b"x"), *HONEST), "path-invalid"),
    "another CRC": ((replace(H, crc32=7), M), "entry-damaged"),
    "another CRC of a stored entry": ((replace(STORED_H, crc32=7), M), "entry-damaged"),
    "another size": ((replace(H, size=7), M), "entry-damaged"),
    "a damaged stream": ((replace(H, packed=b"\xff" * 20), M), "entry-damaged"),
    "bytes between entries": ((H, replace(M, before=b"between")), "archive-gap"),
    "an entry that is not listed": ((Raw(b"secret.py", b"x", is_listed=False), *HONEST), "headers-differ"),
    "another name in the directory": ((replace(H, central_name=b"hidden.py"), M), "headers-differ"),
    "another size in the directory": ((replace(H, local_sizes=(0, 1, 1)), M), "headers-differ"),
    "two entries listed at one place": ((H, replace(M, offset=0)), "headers-differ"),
    "two sizes in one header": ((replace(H, local_extra=struct.pack("<2H2Q", 1, 16, 7, 7)), M), "headers-differ"),
    "two ZIP64 fields": ((replace(in_zip64(H), local_extra=2 * in_zip64(H).local_extra), M), "headers-differ"),
    "another name in an extra field": ((replace(H, local_extra=_unicode_path(b"x.py")), M), "headers-differ"),
    "another name in an extra field there": ((replace(H, central_extra=_unicode_path(b"../x")), M), "headers-differ"),
    "a link": ((Raw(b"link", b"handler.py", mode=stat.S_IFLNK | 0o777), *HONEST), "entry-link"),
    "a device": ((Raw(b"null", mode=stat.S_IFCHR | 0o666), *HONEST), "entry-link"),
    "a folder with data": ((Raw(b"sub/", b"data"), *HONEST), "entry-damaged"),
    "a folder that is a file too": ((Raw(b"handler.py/"), *HONEST), "path-clash"),
    "a folder in the directory only": ((Raw(b"sub", mode=stat.S_IFDIR | 0o755), *HONEST), "headers-differ"),
    **{f"flag {flag:#x}": ((replace(H, flags=flag), M), "headers-differ") for flag in (0x10, 0x20, 0x40, 0x2000)},
    "a file that is a folder too": ((Raw(b"a", b"x"), Raw(b"a/b", b"x"), *HONEST), "path-clash"),
    "an empty name": ((Raw(b"", b"x"), *HONEST), "path-invalid"),
    "an invalid SHA256SUMS": ((Raw(SUMS.encode(), b"\xff nonsense\n"), *HONEST), "sums-differ"),
    "a name of thousands of folders": ((Raw(b"a/" * 30_000 + b"b", b"x"), *HONEST), "path-invalid"),
    "a name of 256 bytes": ((Raw(b"a/" + b"b" * 256, b"x"), *HONEST), "path-invalid"),
}


REFUSED_ZIPS = {
    **{label: (zip_bytes(entries), code) for label, (entries, code) in REFUSED_ENTRIES.items()},
    "a version that is too new": (WHOLE.replace(b"PK\3\4\x14", b"PK\3\4\x40"), "headers-differ"),
    "a version that is too new there": (WHOLE.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x40"), "headers-differ"),
    "bytes before": (b"#!/bin/sh\n" + WHOLE, "archive-prefix"),
    "bytes behind": (WHOLE + b"x", "archive-trailing"),
    "bytes before the directory": (zip_bytes(HONEST, after=b"gap"), "archive-gap"),
    "a signature block before the directory": (zip_bytes(HONEST, after=b"APK Sig Block 42"), "archive-gap"),
    "the last byte missing": (WHOLE[:-1], "archive-cut"),
    "no central directory": (WHOLE[: WHOLE.index(b"PK\1\2")], "archive-cut"),
    "cut in the midst of an entry": (WHOLE[:60], "archive-cut"),
    "a signature of another size": (zip_bytes(HONEST, signature=b"PK\5\5\5\0sign"), "headers-differ"),
    **{
        f"ZIP64 records with another {field}": (zip64_bytes(HONEST, **{field: value}), "headers-differ")
        for field, value in {"disks": 2, "shift": 1, "here": 1, "plain": 50}.items()
    },
}


@pytest.mark.parametrize(("data", "code"), REFUSED_ZIPS.values(), ids=REFUSED_ZIPS)
def test_a_zip_that_does_not_serve_is_refused(work, run: Command, data: bytes, code: str) -> None:
    Path("m.mar").write_bytes(data)
    assert code in codes(run, Path("m.mar"))


def test_duplicate_names_serve_with_a_warning(work, run: Command) -> None:
    archive = mar(Raw(b"x", b"one"), Raw(b"x", b"two"), *HONEST)
    assert codes(run, archive) == []
    assert "warning: x: appears twice, and servers use the last one" in run("verify", archive).err
    assert codes(run, archive, "--strict") == ["entry-duplicate"]


def _patched(offset: int, field: bytes, form: int = tarfile.PAX_FORMAT) -> bytes:
    """An honest tar with other bytes at a place of its first header."""
    tar = bytearray(tar_bytes(honest_members(), form=form))
    tar[offset : offset + len(field)] = field
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return bytes(tar)


def _with_pax(kind: str, *, count: int = 1, **fields: str) -> bytes:
    """An honest tar behind headers that tell of the members after them."""
    header = tarfile.TarInfo.create_pax_global_header(fields)
    blocks = bytearray(header)
    blocks[156:157] = kind.encode()
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks[:512])
    return bytes(blocks) * count + tar_bytes(honest_members())


def _behind(*headers: tuple[bytes, bytes], name: str = "././@LongLink") -> bytes:
    """An honest tar behind headers of these kinds, with these data."""
    whole = b""
    for kind, data in headers:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(data)
        whole += info.tobuf(GNU) + data + bytes(-len(data) % 512)
    return whole + tar_bytes(honest_members())


def _record(text: bytes) -> tuple[bytes, bytes]:
    return b"x", b"%d %s\n" % (len(text) + 3 + (len(text) > 6), text)


PAX, GNU, USTAR = tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT
LONG = "d/" * 60 + "long.txt"
ADDED = {
    "mtime": "-1.25",
    "atime": "12",
    "LIBARCHIVE.creationtime": "1.5",
    "uid": "3000000",
    "uname": "é",
    "linkpath": "x",
}
ADDED |= {"SCHILY.dev": "1", "SCHILY.acl.access": "x", "RHT.security.selinux": "x", "hdrcharset": "BINARY"}
SERVED_TARS = {
    "a top folder": tar_bytes(honest_members()),
    "a ./ prefix": tar_bytes(honest_members("./")),
    "ustar": tar_bytes({**honest_members(), "m/" + "d/" * 60 + "x": b"x"}, form=USTAR),
    "gnu": tar_bytes({**honest_members(), f"m/{LONG}": b"x"}, form=GNU),
    "pax": tar_bytes({**honest_members(), f"m/{LONG}é": b"x"}, form=PAX),
    "folder entries": tar_bytes({"m": special("m", tarfile.DIRTYPE), **honest_members()}),
    "a comment, as git archive writes it": _with_pax("g", comment="abc"),
    "many small records in a pax header": _with_pax("x", **{f"SCHILY.xattr.{n}": "" for n in range(2000)}),
    "what tar programs tell of a file": _with_pax("x", **ADDED),
    "an owner in base 256": _patched(108, b"\x80\0\0\0\1\1\1\1"),
    "a time before 1970 in base 256": _patched(136, b"\xff" * 12),
    "a folder of an old tar": tar_bytes({"m/sub/": special("m/sub/", tarfile.AREGTYPE), **honest_members()}),
}


@pytest.mark.parametrize("tar", SERVED_TARS.values(), ids=SERVED_TARS)
def test_a_tar_that_serves_is_passed(work, run: Command, tar: bytes) -> None:
    archive = tgz(tar)
    assert codes(run, archive) == []
    paths = {file["path"] for file in json.loads(run("inspect", archive, "--json").out)["files"]}
    assert {"handler.py", MANIFEST} <= paths


REFUSED_TARS = {
    "flat": (tar_bytes(honest_members("")), "manifest-missing"),
    "./name/": (tar_bytes(honest_members("./m/")), "manifest-missing"),
    "a symbolic link": (tar_bytes({"l": special("m/l", tarfile.SYMTYPE, "x"), **honest_members()}), "entry-link"),
    "a hard link": (tar_bytes({"l": special("m/l", tarfile.LNKTYPE, "m/x"), **honest_members()}), "entry-link"),
    "a device": (tar_bytes({"l": special("m/l", tarfile.CHRTYPE), **honest_members()}), "entry-link"),
    "a pipe": (tar_bytes({"l": special("m/l", tarfile.FIFOTYPE), **honest_members()}), "entry-link"),
    "a sparse file": (tar_bytes({"l": special("m/l", tarfile.GNUTYPE_SPARSE), **honest_members()}), "entry-link"),
    "a folder that is a file too": (
        tar_bytes({"d": special("m/handler.py/d", tarfile.DIRTYPE), **honest_members()}),
        "path-clash",
    ),
    "no end": (tar_bytes(honest_members())[:2048], "archive-cut"),
    "cut in a header": (tar_bytes(honest_members())[:1100], "archive-cut"),
    "cut in a file": (tar_bytes({"m/x": bytes(4000)})[:1024], "entry-damaged"),
    "something behind its end": (tar_bytes(honest_members()) + b"x" * 512, "archive-trailing"),
    "a damaged header": (tar_bytes(honest_members()).replace(b"handler.py", b"handlex.py"), "archive-damaged"),
    "a number below zero": (_patched(124, b"-0000000001\0"), "headers-differ"),
    "a name for all members": (_with_pax("g", path="m/evil"), "headers-differ"),
    "a size for all members": (_with_pax("g", size="0"), "headers-differ"),
    "GNU's header with something else than a time": (_patched(345, b"m", GNU), "headers-differ"),
    "an old header with a prefix": (_patched(257, b"\0" * 88 + b"zz"), "headers-differ"),
    "a header of many pages": (_with_pax("x", comment="x" * (1 << 17)), "archive-damaged"),
    "a header of many fields": (_with_pax("x", **{f"{number}": "" for number in range(100_000)}), "archive-damaged"),
    "a damaged pax record": (_with_pax("x", comment="abc").replace(b"15 comment", b"xx comment"), "archive-damaged"),
    "headers without end": (_with_pax("g", count=100, comment="x"), "archive-damaged"),
}


RENAMED, LONG_NAME = _record(b"path=m/a.py"), (b"L", b"m/a.py\0")
BAD_RECORDS = (
    b"path= path=m/a/ mtime=1e400 mtime= ctime=1_0 uid=x gid=1.5 size=-1 SCHILY.realsize=1 SCHILY.devminor=x x=1 ="
)
BAD_FIELDS = [(100, b"-1"), (108, b"x"), (116, b"0o17"), (124, b"\xff" * 12), (137, b"\0"), (329, b"1 2"), (156, b"5")]
BAD_FIELDS += [(136, b"\x81"), (136, b"\x80" + b"\1" * 11), (345, b"m\0m"), (508, b"tar\0")]
READ_DIFFERENTLY = {
    **{f"two names {number}": _behind(*pair) for number, pair in enumerate(product((RENAMED, LONG_NAME), repeat=2))},
    **{f"a long name {name}": _behind((b"L", name)) for name in (b"", b"\0", b"m/a\0.py\0")},
    **{f"a record {text}": _behind(_record(text)) for text in BAD_RECORDS.split()},
    **{f"{field} at {place}": _patched(place, field) for place, field in BAD_FIELDS},
    "a record without its end": _behind((b"x", b"11 path=m/ab")),
    "bytes after a long name": _behind(LONG_NAME).replace(b"m/a.py\0\0", b"m/a.py\0x"),
    "a header without a member": _behind(RENAMED)[:1024] + bytes(1024),
    "a file named as a folder": tar_bytes({"m/a/": b"", **honest_members()}),
    "an old folder with a name of its own": _behind(RENAMED)[:1024] + SERVED_TARS["a folder of an old tar"],
    "a long name in a header named as a folder": _behind(LONG_NAME, name="m/"),
}
SPARSE_FOLDER = _behind(_record(b"GNU.sparse.major=1"))[:1024] + SERVED_TARS["folder entries"]
REFUSED_TARS["a sparse folder"] = (SPARSE_FOLDER, "entry-link")
REFUSED_TARS |= {label: (tar, "headers-differ") for label, tar in READ_DIFFERENTLY.items()}


@pytest.mark.parametrize(("tar", "code"), REFUSED_TARS.values(), ids=REFUSED_TARS)
def test_a_tar_that_does_not_serve_is_refused(work, run: Command, tar: bytes, code: str) -> None:
    assert code in codes(run, tgz(tar))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data + tgz(b"more", "x.gz").read_bytes(), "gzip-members"),
        (lambda data: data + b"more", "archive-trailing"),
        (lambda data: data[:-4], "archive-cut"),
        (lambda data: data[:-8] + b"\0" * 8, "archive-damaged"),
        (lambda data: data[:-30], "entry-damaged"),
        (lambda data: data[:12], "entry-damaged"),
        (lambda data: data[:5], "archive-damaged"),
    ],
)
def test_a_damaged_gzip_is_refused(work, run: Command, change, code: str) -> None:
    archive = tgz(tar_bytes(honest_members()))
    archive.write_bytes(change(archive.read_bytes()))
    assert code in codes(run, archive)


@pytest.mark.parametrize("is_right", [True, False])
def test_the_checksum_of_a_gzip_header_is_checked(work, run: Command, is_right: bool) -> None:
    whole = tgz(tar_bytes(honest_members())).read_bytes()
    header = whole[:3] + b"\2" + whole[4:10]
    checksum = zlib.crc32(header) & 0xFFFF ^ (not is_right)
    Path("m.tar.gz").write_bytes(header + checksum.to_bytes(2, "little") + whole[10:])
    assert ("archive-damaged" in codes(run, Path("m.tar.gz"))) is not is_right


def test_a_gzip_header_may_have_a_name_and_an_extra_field(work, run: Command) -> None:
    with gzip.GzipFile("a name.tar", "wb", fileobj=Path("m.tar.gz").open("wb")) as file:
        file.write(tar_bytes(honest_members()))
    assert codes(run, Path("m.tar.gz")) == []
    whole = tgz(tar_bytes(honest_members())).read_bytes()
    Path("m.tar.gz").write_bytes(whole[:3] + b"\4" + whole[4:10] + b"\5\0extra" + whole[10:])
    assert codes(run, Path("m.tar.gz")) == []


MANIFESTS = {
    "no JSON": (b"{", "manifest-invalid"),
    "a list": (b"[]", "manifest-invalid"),
    "a mark before it": (b"\xef\xbb\xbf" + manifest_bytes(), "manifest-invalid"),
    "Latin-1": (manifest_bytes().replace(b"02/01", b"\xfc"), "manifest-invalid"),
    "nested without end": (b'{"a":' + b"[" * 100_000, "manifest-invalid"),
    "nested deeply": (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "manifest-invalid"),
    "no model": (manifest_bytes(model=None), "manifest-invalid"),
    "a model that is a text": (manifest_bytes(model="m"), "manifest-invalid"),
    "no name": (manifest_bytes(name=""), "manifest-invalid"),
    "a time that is a list": (manifest_bytes(createdOn=[1]), "manifest-invalid"),
    "a version of its archiver that is an object": (manifest_bytes(archiverVersion={}), "manifest-invalid"),
    "an envelope that is a list": (manifest_bytes(model={"modelName": "m", "envelope": ["json"]}), "manifest-invalid"),
    "NaN": (manifest_bytes(threshold=float("nan")), "manifest-invalid"),
    "a number beyond all": (manifest_bytes()[:-1] + b',"threshold":[-1e999]}', "manifest-invalid"),
    "more than a manifest can be": (manifest_bytes() + b" " * (1 << 20), "entry-damaged"),
    "MMS's without a handler": (
        manifest_bytes(specificationVersion="1.0", model={"modelName": "m"}),
        "manifest-invalid",
    ),
    "MMS's with an engine that is a text": (manifest_bytes(specificationVersion="1.0", engine="x"), "manifest-invalid"),
    "a name with ..": (manifest_bytes(name="a..b"), "name-invalid"),
    "an unknown runtime": (manifest_bytes(runtime="python4"), "runtime-unserved"),
    "a runtime that is an object": (manifest_bytes(runtime={"a": []}), "runtime-unserved"),
    "a version with a slash": (manifest_bytes(model={"modelName": "m", "modelVersion": "a/b"}), "version-unservable"),
    "a handler that is missing": (manifest_bytes(model={"modelName": "m", "handler": "h.py"}), "handler-missing"),
    "a handler that is a list": (manifest_bytes(model={"modelName": "m", "handler": ["h"]}), "manifest-invalid"),
    **{
        f"a {field} that is missing": (manifest_bytes(model={"modelName": "m", field: "gone"}), "manifest-file-missing")
        for field in ("serializedFile", "modelFile", "requirementsFile", "configFile")
    },
}


def test_of_sums_that_cannot_be_read_nothing_else_is_said(work, run: Command) -> None:
    result = run("verify", mar(Raw(SUMS.encode(), b"garbage\n"), *HONEST))
    assert [error.partition(";")[0] for error in result.errors] == [f"{SUMS}: has invalid or repeated lines"]


@pytest.mark.parametrize(("manifest", "code"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_does_not_serve_is_refused(work, run: Command, manifest: bytes, code: str) -> None:
    archive = mar(H, replace(M, content=manifest))
    assert code in codes(run, archive)
    assert run("inspect", archive).status in (0, 1)
    shown = run("inspect", archive, "--json")
    assert json.loads(shown.out)["status"] == shown.status
    assert "internal error" not in shown.err


@pytest.mark.parametrize(
    "model",
    [
        {"handler": "vllm_handler"},
        {"handler": "handler"},
        {"handler": "handler:handle"},
        {"handler": "sub/handler.py"},
        {"handler": "sub/other.py:handle"},
        {"modelVersion": 1.0},
        {"modelName": 5},
        {"description": True},
        {"handler": "handler.py", "requirementsFile": None},
        {},
    ],
)
def test_a_handler_that_the_server_finds_is_passed(work, run: Command, model) -> None:
    manifest = manifest_bytes(model={"modelName": "m", **model})
    assert codes(run, mar(H, Raw(b"sub/other.py", HANDLER), replace(M, content=manifest))) == []


def test_a_handler_whose_folder_the_server_drops_is_refused(work, run: Command) -> None:
    manifest = manifest_bytes(model={"modelName": "m", "handler": "sub/other.py"})
    result = run("verify", mar(H, Raw(b"sub/other.py", HANDLER), replace(M, content=manifest)))
    assert result.status == 1
    assert "sub/other.py: the server drops the folder of sub/other.py and does not find this file; " in result.err
    assert result.err.count("sub/other.py:handle") == 1


def test_a_manifest_of_millions_of_objects_is_not_parsed(work, run: Command) -> None:
    manifest = b'{"a":[' + b"[]," * (1 << 20) + b"[]]}"
    assert codes(run, mar(H, replace(M, content=manifest))) == ["entry-damaged"]
    assert run("inspect", "m.mar").status == 1


def test_an_archive_of_mms_is_passed(work, run: Command) -> None:
    versions = dict.fromkeys(("modelServerVersion", "implementationVersion", "specificationVersion"), "1.0")
    manifest = {"runtime": "python2", "model": {"modelName": "m", "handler": "handler:handle"}, **versions}
    result = run("verify", mar(H, replace(M, content=json.dumps(manifest).encode())))
    assert (result.status, result.out) == (0, "m.mar: OK, 2 files, 215 bytes read, no checksums to compare\n")


@pytest.mark.parametrize("archive_format", FORMATS)
def test_our_own_archives_are_sound(model, run: Command, archive_format: str) -> None:
    words = ["--serialized-file", "model.pt", "--handler", "handler.py"]
    result = run("verify", build(run, *words, archive_format=archive_format))
    assert result.out.startswith(f"{output('m', archive_format)}: OK, 4 files, ")
    assert result.out.endswith(" read, checksums match\n")


def test_the_verdict_says_when_no_checksums_were_compared(model, run: Command) -> None:
    folder = build(run, "--serialized-file", "model.pt", archive_format="no-archive")
    assert json.loads(run("verify", folder, "--json").out)["checksums_compared"] > 0
    (folder / SUMS).rename(folder / "MAR-INF/sums")
    (folder / SUMS).write_text("")
    assert run("verify", folder).out.endswith(" read, no checksums to compare, 3 warnings\n")
    (folder / SUMS).unlink()
    assert run("verify", folder).out.endswith(" read, no checksums to compare\n")
    assert json.loads(run("verify", folder, "--json").out)["checksums_compared"] == 0
    assert "checksums_compared" not in json.loads(run("inspect", folder, "--json").out)


def test_the_verdict_counts_the_files_whose_checksums_were_compared(model, run: Command) -> None:
    folder = build(run, "--serialized-file", "model.pt", archive_format="no-archive")
    lines = (folder / SUMS).read_text().splitlines(keepends=True)
    (folder / SUMS).write_text("".join(lines[1:]))
    compared = f"checksums of {len(lines) - 1} of {len(lines)} files match"
    assert compared in run("verify", folder).out
    assert json.loads(run("verify", folder, "--json").out)["checksums_compared"] == len(lines) - 1


def test_the_verdict_on_nothing_but_a_manifest_is_that_nothing_was_compared(work, run: Command) -> None:
    model = {"modelName": "m", "handler": "vllm_handler", "modelVersion": "1.0"}
    result = run("verify", mar(Raw(MANIFEST.encode(), manifest_bytes(model=model))))
    assert (result.status, result.out.split(", ")[-1]) == (0, "no checksums to compare\n"), result.err


def test_files_that_differ_from_their_sums_are_refused(model, run: Command) -> None:
    build(run, "--serialized-file", "model.pt", archive_format="no-archive")
    shutil.copytree("m", "extra")
    Path("extra/new.txt").write_text("x")
    assert codes(run, Path("extra")) == []
    assert codes(run, Path("extra"), "--strict") == ["sums-differ"]
    held = contents(Path("m"))
    held["new.txt"] = b"spliced in"
    assert codes(run, mar(*(Raw(path.encode(), content) for path, content in held.items()))) == ["sums-differ"]
    Path("m/model.pt").write_bytes(b"changed")
    result = run("verify", "m")
    assert result.status == 1
    assert "error: model.pt: checksum mismatch with SHA256SUMS" in result.err
    Path("m/model.pt").unlink()
    assert codes(run, Path("m")) == ["manifest-file-missing", "sums-differ"]


def test_all_problems_are_reported_at_once(work, run: Command) -> None:
    entries = [Raw(b"../x", b"x"), replace(H, crc32=7), Raw(b"y", mode=stat.S_IFLNK), replace(H, name=b"z", method=12)]
    found = codes(run, mar(*entries, M, tail=b"x"))
    assert set(found) >= {"path-invalid", "entry-damaged", "entry-link", "entry-method", "archive-trailing"}


def test_a_folder_with_one_folder_is_entered(work, run: Command) -> None:
    shutil.copytree(_folder("m"), "outer/m")
    assert codes(run, Path("outer")) == []


def test_problems_of_a_folder_are_reported(work, run: Command) -> None:
    folder = _folder("m")
    (folder / "gone").symlink_to("nowhere")
    (folder / "new\nline").write_text("x")
    assert codes(run, folder) == ["link-dangling", "path-invalid"]


def _folder(name: str) -> Path:
    (Path(name) / "MAR-INF").mkdir(parents=True)
    (Path(name) / MANIFEST).write_bytes(manifest_bytes())
    (Path(name) / "handler.py").write_bytes(HANDLER)
    return Path(name)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_another_kind_of_file_is_refused_in_one_line(work, run: Command, content: bytes) -> None:
    Path("x.mar").write_bytes(content)
    for command in ("inspect", "verify", "extract"):
        result = run(command, "x.mar")
        assert (result.status, result.out, len(result.errors)) == (1, "", 1)
        assert "[archive-unknown]" in result.err


def test_a_missing_archive_is_reported_with_a_suggestion(work, run: Command) -> None:
    mar().rename("digits.mar")
    result = run("verify", "digit.mar")
    assert result.errors == ["digit.mar: no such file or folder (the archive); did you mean digits.mar? [file-missing]"]


@needs_java
def test_whatever_java_refuses_is_refused(work, run: Command) -> None:
    archives = [*SERVED_ZIPS.values(), *(data for data, _ in REFUSED_ZIPS.values())]
    for base in (WHOLE, SERVED_ZIPS["data descriptors"]):
        archives += [damaged(base, seed, is_zip=True).data for seed in range(200)]
    paths = [f"{number}.mar" for number in range(len(archives))]
    for path, data in zip(paths, archives, strict=True):
        Path(path).write_bytes(data)
    read = [line.split("\t") for line in run_java("ZipReader", *paths)]
    refused = {path for path, name, *_ in read if name == "refused"}
    taken = {path for path, name, *_ in read if name == MANIFEST} - refused
    assert {*paths[: len(SERVED_ZIPS)]} <= taken
    assert len(taken) < len(paths)
    assert [path for path in paths if run("verify", path).status == 0 and path not in taken] == []
