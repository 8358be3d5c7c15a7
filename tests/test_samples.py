"""``--samples``: the requests and expected answers that an archive carries in MAR-INF."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError, inspect
from tests.archives import FORMATS, MANIFEST, SUMS, contents, members, tree
from tests.packing import HANDLER, MODEL, build, built, refused

if TYPE_CHECKING:
    from tests.conftest import Command

CASES = "MAR-INF/samples.json"


@pytest.fixture
def here(work: Path) -> Path:
    write("s/cat.jpg", b"a cat")
    write("s/a/x.json", b"[1]")
    write("s/b/x.json", b"[2]")
    return work


def write(path: str, content: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


def cases(*given: object, path: str = "s/cases.json") -> str:
    write(path, json.dumps(given).encode())
    return path


def test_cases_and_their_files_are_packed_under_their_own_names(here: Path, run: Command) -> None:
    given: list[dict[str, Any]] = [
        {"file": "cat.jpg", "expected": {"tabby": 0.27}, "tolerance": 5, "url": "{}/predictions/m"},
        {"body": {"é": 1}, "status": 400},
        {"file": "a/x.json"},
        {"file": "b/x.json"},
        {"file": str(here / "s/cat.jpg")},
        {"file": "./a/x.json", "status": 200},
    ]
    archive = built(run, "--samples", cases(*given))
    names = ["cat.jpg", None, "x.json", "x-2.json", "cat.jpg", "x.json"]
    wanted = [{**case, "file": f"samples/{name}"} if name else case for case, name in zip(given, names, strict=True)]
    assert json.loads(archive[CASES]) == wanted
    samples = {path: data for path, data in archive.items() if path.startswith("MAR-INF/samples/")}
    assert samples == {
        "MAR-INF/samples/cat.jpg": b"a cat",
        "MAR-INF/samples/x.json": b"[1]",
        "MAR-INF/samples/x-2.json": b"[2]",
    }
    assert list(archive)[-2:] == [SUMS, MANIFEST]


def test_a_number_is_free_and_ignores_case(here: Path, run: Command) -> None:
    for name in ("a/X.json", "b/x-2.json", "b/x.JSON"):
        write(f"s/{name}", name.encode())
    archive = built(run, "--samples", cases(*({"file": name} for name in ("a/x.json", "b/x-2.json", "a/X.json"))))
    assert [case["file"] for case in json.loads(archive[CASES])] == [
        "samples/x.json",
        "samples/x-2.json",
        "samples/X-3.json",
    ]
    assert archive["MAR-INF/samples/X-3.json"] == b"a/X.json"


@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_digest_does_not_count_samples_and_the_sums_list_them(
    here: Path, run: Command, archive_format: str
) -> None:
    words = ("--samples", cases({"file": "cat.jpg"}))
    plain = build(run, archive_format=archive_format, to="plain")
    with_samples = build(run, *words, archive_format=archive_format, to="samples")
    assert inspect(plain).digest == inspect(with_samples).digest
    assert json.loads(contents(plain)[MANIFEST])["model"] == json.loads(contents(with_samples)[MANIFEST])["model"]
    found = contents(with_samples)
    lines = [f"{hashlib.sha256(data).hexdigest()}  {path}" for path, data in sorted(found.items()) if path != SUMS]
    assert found[SUMS].decode().splitlines() == lines
    assert members(with_samples) == members(plain)
    result = run("verify", with_samples)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("archive_format", FORMATS)
def test_two_builds_are_the_same_bytes(
    here: Path, run: Command, archive_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    words = ("--samples", cases({"file": "a/x.json", "b": [1.10, None]}, {"file": "b/x.json"}))
    one, other = (build(run, *words, archive_format=archive_format, to=to) for to in ("one", "other"))
    found = [tree(path) if path.is_dir() else path.read_bytes() for path in (one, other)]
    assert found[0] == found[1]


def test_inspect_and_the_dry_run_show_them(here: Path, run: Command) -> None:
    words = ("--samples", cases({"file": "cat.jpg"}))
    plan = run(*MODEL, *words, "--dry-run")
    assert [line.split()[:1] + line.split()[2:] for line in plan.out.splitlines()[:-1]] == [
        ["MAR-INF/samples/cat.jpg", "--samples", "s/cat.jpg"],
        [CASES, "--samples"],
    ]
    assert plan.out.splitlines()[-1].startswith("0 files, ")
    planned = json.loads(run(*MODEL, *words, "--dry-run", "--json").out)["files"]
    archive = build(run, *words)
    shown = run("inspect", archive).out.splitlines()
    assert [line.split()[0] for line in shown if line.endswith("samples")] == [CASES, "MAR-INF/samples/cat.jpg"]
    files = json.loads(run("inspect", archive, "--json").out)["files"]
    sizes = {each["path"]: each["size"] for each in files if each["role"] == "samples"}
    assert sizes == {each["path"]: each["size"] for each in planned} == {CASES: 34, "MAR-INF/samples/cat.jpg": 5}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_what_extract_brings_out_can_be_packed_again(here: Path, run: Command, archive_format: str) -> None:
    words = ("--samples", cases({"file": "cat.jpg"}, {"file": "a/x.json"}, {"file": "b/x.json"}))
    write("handler.py", HANDLER.encode())
    archive = build(run, "--handler", "handler.py", *words, archive_format=archive_format)
    assert run("extract", archive, "--to", "out").status == 0
    again = ("--model-path", "out", "--handler", "handler.py", "--samples", f"out/{CASES}")
    repacked = build(run, *again, archive_format=archive_format, to="again")
    result = run("diff", archive, repacked)
    assert (result.status, result.out.splitlines()[-1]) == (0, f"{archive} and {repacked} have identical contents")


def test_diff_says_that_only_the_samples_differ(here: Path, run: Command) -> None:
    one = build(run, "--samples", cases({"file": "a/x.json"}), to="one")
    other = build(run, "--samples", cases({"file": "b/x.json"}, {"file": "cat.jpg"}), to="other")
    result = run("diff", one, other)
    assert (result.status, result.err) == (1, "")
    assert [line.split()[:2] for line in result.out.splitlines()[:-1]] == [
        ["~", CASES],
        ["+", "MAR-INF/samples/cat.jpg"],
        ["~", "MAR-INF/samples/x.json"],
    ]
    said = "one/m.mar and other/m.mar have the same model, and differ only in their samples"
    assert result.out.splitlines()[-1] == said
    document = json.loads(run("diff", one, other, "--json").out)
    assert document["a"]["digest"] == document["b"]["digest"]
    write("handler.py", HANDLER.encode())
    third = build(run, "--extra-files", "handler.py", "--samples", cases({"file": "a/x.json"}), to="third")
    assert run("diff", one, third).out.splitlines()[-1] == "one/m.mar and third/m.mar differ"


def test_a_folder_is_replaced_with_its_samples(here: Path, run: Command) -> None:
    build(run, "--samples", cases({"file": "cat.jpg"}), archive_format="no-archive")
    Path("m/own.txt").write_text("added by the user")
    folder = build(run, "--samples", cases({"file": "a/x.json"}), "-f", archive_format="no-archive")
    assert {path for path in contents(folder) if "samples" in path} == {CASES, "MAR-INF/samples/x.json"}
    folder = build(run, "-f", archive_format="no-archive")
    assert set(contents(folder)) == {"own.txt", MANIFEST, SUMS}
    assert not Path("m/MAR-INF/samples").exists()


@pytest.mark.parametrize("target", ["kserve", "vertex", "sagemaker"])
def test_every_platform_takes_them(here: Path, run: Command, target: str) -> None:
    result = run(*MODEL, "--samples", cases({"file": "cat.jpg"}), "--target", target)
    assert result.status == 0, result.err
    [archive] = [path for path in Path().rglob("*.*") if path.name in ("m.mar", "model.mar", "model.tar.gz")]
    files = json.loads(run("inspect", archive, "--json").out)["files"]
    assert {each["path"] for each in files if each["role"] == "samples"} == {CASES, "MAR-INF/samples/cat.jpg"}


def test_both_programs_and_python_take_them(here: Path, run_mms: Command) -> None:
    write("d/service.py", HANDLER.encode())
    words = ("--model-name", "m", "--model-path", "d", "--handler", "service")
    assert run_mms(*words, "--samples", cases({"file": "cat.jpg"})).status == 0
    assert "MAR-INF/samples/cat.jpg" in contents(Path("m.mar"))
    config = ModelArchiverConfig("n", handler="vllm_handler", samples=Path("s/cases.json"))
    ModelArchiver.generate_model_archive(config)
    assert contents(Path("n.mar"))["MAR-INF/samples/cat.jpg"] == b"a cat"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "s/cases.json: is not JSON: Expecting value: line 1 column 2 (char 1) (--samples); correct the file"),
        ("[" * 100_000, "s/cases.json: is not JSON: "),
        ("", "s/cases.json: is not JSON: "),
        ("[]", "s/cases.json: has no cases: it must be a JSON list of objects (--samples); "),
        ('{"file": "cat.jpg"}', "s/cases.json: has no cases: it must be a JSON list of objects (--samples); "),
        ("null", "s/cases.json: has no cases: "),
        ("[1]", "s/cases.json: case 1: must be an object that has either file or body; "),
        ('[{"file": "cat.jpg", "body": 1}]', "s/cases.json: case 1: must be an object that has either file or body; "),
        ('[{"file": 1}]', "s/cases.json: case 1: file must be a string, not 1 [trial-input]"),
        ('[{"body": 1, "status": "x"}]', 's/cases.json: case 1: status must be an integer, not "x" [trial-input]'),
        (
            '[{"file": "dog.jpg"}]',
            "s/dog.jpg: no such file (--samples, case 1); give its path relative to the file of cases ",
        ),
        (
            '[{"file": "\\ud800"}]',
            "s/\\ud800: no such file (--samples, case 1); give its path relative to the file of cases ",
        ),
        (
            '[{"file": "a\\u0000"}]',
            "s/a\\x00: no such file (--samples, case 1); give its path relative to the file of cases ",
        ),
        ('[{"file": "dog.jpg", "status": "x"}]', 's/cases.json: case 1: status must be an integer, not "x" '),
        ('[{"file": "a"}]', "s/a: is a folder, not a file (--samples, case 1); "),
        ('[{"file": ""}]', "s: is a folder, not a file (--samples, case 1); "),
        ('[{"file": "pipe"}]', "s/pipe: is a named pipe, not a file (--samples, case 1); "),
        ('[{"file": "back\\\\slash"}]', "s/back\\slash: the name has a backslash, which separates folders on Windows"),
    ],
)
def test_what_cannot_be_packed_is_one_line(here: Path, run: Command, content: str, said: str) -> None:
    os.mkfifo("s/pipe")
    Path("s/back\\slash").touch()
    Path("s/cases.json").write_text(content)
    lines = refused_with_pipe(run, "--samples", "s/cases.json")
    assert lines[0].startswith(said)
    assert len(lines) == 1 + ("dog" in content and "status" in content)


def refused_with_pipe(run: Command, *words: object) -> list[str]:
    before = sorted(Path().rglob("*"))
    result = run(*MODEL, *words)
    assert (result.status, result.out, sorted(Path().rglob("*"))) == (1, "", before)
    return result.errors


def test_all_problems_are_named_at_once(here: Path, run: Command) -> None:
    given = cases({"file": "no.jpg"}, {"file": "cat.jpg"}, {}, {"file": "none.jpg"})
    assert sorted(refused(run, "--samples", given, "--extra-files", "absent")) == [
        "absent: no such file or folder (--extra-files); paths are relative to the current folder [file-missing]",
        "s/cases.json: case 3: must be an object that has either file or body; name the request's file, or write its "
        "body [trial-input]",
        "s/no.jpg: no such file (--samples, case 1); give its path relative to the file of cases [file-missing]",
        "s/none.jpg: no such file (--samples, case 4); give its path relative to the file of cases [file-missing]",
    ]
    with pytest.raises(FileNotFoundError):
        ModelArchiver.generate_model_archive(ModelArchiverConfig("m", handler="vllm_handler", samples="none.json"))


def test_a_sample_or_a_file_of_cases_is_not_larger_than_servers_take(here: Path, run: Command) -> None:
    write("s/large.bin", bytes(6_553_501))
    said = "has 6,553,501 bytes; the limit for a request, and for a file of packed cases, is 6,553,500; "
    [line] = refused(run, "--samples", cases({"file": "large.bin"}))
    assert line.startswith(f"s/large.bin: {said}")
    write("s/large.json", b"[{}]".ljust(6_553_501))
    [line] = refused(run, "--samples", "s/large.json")
    assert line.startswith(f"s/large.json: {said}")


def test_a_build_in_place_takes_none(here: Path, run_mms: Command) -> None:
    write("m/service.py", HANDLER.encode())
    before = tree(here)
    words = ["--model-name", "m", "--model-path", "m", "--handler", "service", "--archive-format", "no-archive"]
    result = run_mms(*words, "--samples", "s/cat.jpg", "--export-path", ".")
    assert result.status == 2
    [line] = result.errors
    assert line.startswith("--samples: is not for a build into the model's own folder; leave it out, or choose ")
    assert tree(here) == before
    assert run_mms(*words, "--export-path", ".").status == 0


@pytest.mark.parametrize("words", [["--test-python", "x"], ["--test-timeout", "3"], ["--install-requirements"]])
def test_a_flag_of_the_test_needs_the_test(work: Path, run: Command, words: list[str]) -> None:
    result = run(*MODEL, *words)
    assert (result.status, result.errors) == (2, [f"{words[0]}: needs --test; give --test too [usage-invalid]"])
    assert not any(work.iterdir())


@pytest.mark.parametrize("given", ["0", "-1", "nan", "x", "1e999", "9999999999", "1e9"])
def test_a_time_limit_is_a_number_of_seconds(work: Path, run: Command, given: str) -> None:
    result = run(*MODEL, "--test", "--test-timeout", given)
    assert result.status == 2
    [line] = result.errors
    assert line.startswith(f"argument --test-timeout: {given!r} is not a number of seconds; give one such as 30 or 0.5")


@pytest.mark.parametrize("given", [0, -1.5, True, "30", float("inf"), float("nan"), 2e9])
def test_a_time_limit_in_python_is_a_number_of_seconds(work: Path, given: object) -> None:
    config = ModelArchiverConfig("m", handler="vllm_handler", test=True, test_timeout=given)  # type: ignore[arg-type]
    with pytest.raises(ModelArchiverError, match="give a number of seconds, more than 0"):
        ModelArchiver.generate_model_archive(config)
    assert not any(work.iterdir())


def test_without_a_server_nothing_is_written(work: Path, run: Command, tmp_path: Path) -> None:
    Path(tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    Path(tmp_path / "python").chmod(0o755)
    before = tree(work)
    for python, code in ((tmp_path / "python", "trial-python"), ("no-such-python", "trial-python")):
        result = run(*MODEL, "--export-path", "new/folder", "--test", "--test-python", python)
        assert (result.status, result.out, tree(work)) == (1, "", before)
        [line] = result.errors
        assert line.endswith(f"[{code}]")
        assert "--python" not in line
