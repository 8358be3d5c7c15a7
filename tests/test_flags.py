"""The flags of ``torch-model-archiver``: as they are written, as they are mistyped, and the form of the output."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

import model_archiver
from model_archiver.cli.parser import torch_parser
from tests.archives import contents, manifest, members, output
from tests.conftest import Command
from tests.packing import MODEL, built, make, packed, refused

DEFAULT_FLAGS = ("--model-name", "m", "--serialized-file", "model.pt")


@pytest.mark.parametrize(
    ("flag", "value", "field"),
    [
        ("--serialized-file", "model.pt", "serializedFile"),
        ("--model-file", "model.py", "modelFile"),
        ("--handler", "handler.py", "handler"),
        ("--requirements-file", "requirements.txt", "requirementsFile"),
        ("-r", "requirements.txt", "requirementsFile"),
        ("--config-file", "config.yaml", "configFile"),
        ("-c", "config.yaml", "configFile"),
    ],
)
def test_a_file_flag_packs_its_file_and_names_it_in_the_manifest(inputs, run: Command, flag, value, field) -> None:
    assert packed(run, flag, value) == {value}
    assert manifest(output("m"))["model"][field] == value
    assert packed(run, "-f", f"{flag}={value}" if flag.startswith("--") else f"{flag}{value}") == {value}


@pytest.mark.parametrize("words", [["--version", "2.1"], ["--version=2.1"], ["-v", "2.1"], ["-v2.1"]])
def test_version_is_the_models(model, run: Command, words) -> None:
    built(run, *words)
    assert manifest(output("m"))["model"]["modelVersion"] == "2.1"


def test_what_is_not_given_has_a_default(model, run: Command) -> None:
    result = run(*DEFAULT_FLAGS)
    assert result.status == 0
    assert manifest(output("m"))["runtime"] == "python"
    assert manifest(output("m"))["model"]["modelVersion"] == "1.0"
    assert "note: no --handler is given, so base_handler is used" in result.err
    assert "is used" not in run(*DEFAULT_FLAGS, "-f", "--handler", "base_handler").err


@pytest.mark.parametrize("runtime", ["python", "python2", "python3", "LSP"])
def test_runtime_is_in_the_manifest(model, run: Command, runtime: str) -> None:
    result = run(*DEFAULT_FLAGS, "--runtime", runtime)
    assert manifest(output("m"))["runtime"] == runtime
    handler = "BaseHandler" if runtime == "LSP" else "base_handler"
    assert manifest(output("m"))["model"]["handler"] == handler
    assert f"so {handler} is used" in result.err
    assert ["runtime-unserved" in line for line in result.warnings] == ([True] if runtime == "python2" else [])


def test_strict_refuses_where_there_is_a_warning(model, run: Command) -> None:
    assert "runtime-unserved" in refused(run, "--runtime", "python2", "--strict")[0]
    assert run(*MODEL, "--strict").status == 0


def test_no_checks_neither_refuses_nor_warns_for_what_would_not_serve(model, run: Command) -> None:
    words = ["--version", "a/b", "--runtime", "python2"]
    assert "version-unservable" in refused(run, *words)[0]
    result = run(*MODEL, *words, "--no-checks")
    assert (result.status, result.warnings) == (0, [])


def test_quiet_hides_the_summary_and_no_warning(model, run: Command) -> None:
    loud = run(*DEFAULT_FLAGS, "--runtime", "python2", "--handler", "base_handler")
    size = output("m").stat().st_size
    quiet = run(*DEFAULT_FLAGS, "--runtime", "python2", "--handler", "base_handler", "-f", "--quiet")
    assert loud.err.splitlines()[-1] == f"torch-model-archiver: wrote m.mar (1 file, {size} bytes)"
    assert len(quiet.err.splitlines()) == 1
    assert quiet.warnings == loud.warnings != []


def test_the_summary_counts_the_files_that_the_dry_run_counts(model, run: Command) -> None:
    words = [*DEFAULT_FLAGS, "--model-file", "model.py", "--archive-format", "no-archive"]
    assert run(*words, "--dry-run").out.splitlines()[-1].startswith("2 files, 2.0 KiB, would be written to m")
    assert "wrote m (2 files, " in run(*words).err


def test_a_dry_run_in_place_says_that_only_the_manifest_would_be_written(model, run: Command) -> None:
    Path("store/m").mkdir(parents=True)
    Path("model.py").rename("store/m/model.py")
    words = ["--model-path", "store/m", "--export-path", "store", "--archive-format", "no-archive"]
    lines = run(*MODEL, *words, "--dry-run").out.splitlines()
    assert lines[0].startswith("model.py ")
    assert lines[-1] == "1 file, 20 bytes, would stay in store/m, where only MAR-INF/MANIFEST.json would be written"


def test_debug_shows_where_an_error_came_from(model, run: Command) -> None:
    words = [*MODEL, "--model-file", "none.py"]
    shown = [run(*words, *more).err for more in ([], ["--debug"], ["--deb"])]
    assert ["Traceback" in each for each in shown] == [False, True, True]


def test_dry_run_prints_what_would_be_packed_and_writes_nothing(model, run: Command) -> None:
    words = [*DEFAULT_FLAGS, "--handler", "handler.py", "--export-path", "out"]
    result = run(*words, "--dry-run")
    assert (result.status, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.splitlines()] == ["handler.py", "model.pt", "2"]
    assert "--serialized-file model.pt" in result.out
    assert not Path("out").exists()


def test_dry_run_reports_errors_and_warnings_as_the_build_does(model, run: Command) -> None:
    assert "name-leading-digit" in run("--model-name", "1m", "--handler", "vllm_handler", "--dry-run").warnings[0]
    assert "file-missing" in refused(run, "--model-file", "none.py", "--dry-run")[0]


@pytest.mark.parametrize("archive_format", ["default", "tgz", "no-archive"])
def test_dry_run_only_warns_where_the_target_exists(model, run: Command, archive_format: str) -> None:
    words = [*DEFAULT_FLAGS, "--archive-format", archive_format]
    assert run(*words).status == 0
    result = run(*words, "--dry-run")
    assert result.status == 0
    assert ["target-exists" in warning for warning in result.warnings] == [True]
    assert "model.pt" in result.out
    assert "target-exists" in refused(run, *words)[0]


def test_json_prints_the_finished_archive(model, run: Command) -> None:
    result = run(*DEFAULT_FLAGS, "--handler", "handler.py", "--runtime", "python2", "--json")
    report = json.loads(result.out)
    assert report["archive"] == str(Path("m.mar").resolve())
    assert report["size"] == output("m").stat().st_size
    assert report["manifest"] == manifest(output("m"))
    roles = {file["path"]: file["role"] for file in report["files"]}
    assert list(roles) == list(contents(output("m")))
    assert list(roles.values()) == ["handler", "weights", "sums", "manifest"]
    assert [issue["code"] for issue in report["problems"]] == ["runtime-unserved"]


def test_json_of_a_dry_run_has_the_same_keys(model, run: Command) -> None:
    planned = json.loads(run(*DEFAULT_FLAGS, "--json", "--dry-run").out)
    done = json.loads(run(*DEFAULT_FLAGS, "--json").out)
    assert planned.keys() == done.keys()
    assert planned["files"][0].keys() == done["files"][0].keys()
    assert planned["digest"] is None
    assert done["digest"].startswith("sha256:")


def test_the_whole_help_has_every_flag_in_its_group(run: Command) -> None:
    result = run("help", "--all")
    assert (result.status, result.err) == (0, "")
    groups = ["model:", "other contents:", "output:", "behavior:"]
    places = [result.out.index(f"\n{group}\n") for group in groups]
    assert places == sorted(places)
    for flag in torch_parser()._option_string_actions:
        assert f"{flag} " in result.out or f"{flag}\n" in result.out or f"{flag}," in result.out
    assert places[0] < result.out.index("--serialized-file") < places[1] < result.out.index("--include ") < places[2]
    assert places[2] < result.out.index("--force") < places[3] < result.out.index("--strict")


def test_tool_version_is_that_of_the_tool(run: Command) -> None:
    result = run("--tool-version")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"torch-model-archiver {model_archiver.__version__}\n"


MISTAKES = [
    (["--strict"], "required: --model-name"),
    (["--model-name"], "--model-name: expected one argument"),
    ([*MODEL, "--model-flie", "model.py"], "unknown flag --model-flie; did you mean --model-file?"),
    ([*MODEL, "--serialised-file=x"], "unknown flag --serialised-file; did you mean --serialized-file?"),
    ([*MODEL, "--extra-file-list", "x"], "did you mean --extra-files?"),
    ([*MODEL, "--zzzzzz"], "unknown flag --zzzzzz; see torch-model-archiver --help"),
    ([*MODEL, "-x"], "unrecognized arguments: -x"),
    (["-modelname", "m"], "unknown flag -modelname; did you mean --model-name? [flag-unknown]"),
    ([*MODEL, "-force"], "unknown flag -force; did you mean --force? [flag-unknown]"),
    ([*MODEL, "-handler", "h.py"], "did you mean --handler?"),
    ([*MODEL, "-requirements_file=r.txt"], "did you mean --requirements-file?"),
    ([*MODEL, "-version", "1.0"], "did you mean --version?"),
    ([*MODEL, "-serialized", "w.pt"], "did you mean --serialized-file?"),
    (["--model_name", "m"], "did you mean --model-name?"),
    ([*MODEL, "word"], "unrecognized arguments: word; put a pattern, or a value with spaces, into"),
    ([*MODEL, "verify", "m.mar"], "unrecognized arguments: verify m.mar; a command is the first word [usage-"),
    ([*MODEL, "--extra-files", "a", "b"], "unrecognized arguments: b; put a pattern, or a value with spaces,"),
    ([*MODEL, "--archive-format", "zip-stor"], "is not a valid choice; did you mean zip-store? [usage-invalid]"),
    ([*MODEL, "--archive-format", "rar"], "choose one of default, zip-store, tgz, no-archive [usage-invalid]"),
    *(([*MODEL, "--archive-format", "rar"], each) for each in ("default", "tgz", "no-archive", "zip-store")),
    ([*MODEL, "--runtime", "pyton3"], "did you mean python3?"),
    ([*MODEL, "--deflate", "nevr"], "did you mean never?"),
    ([*MODEL, "--jobs", "0"], "'0' is not a number of cores"),
    ([*MODEL, "--jobs", "two"], "'two' is not a number of cores"),
    ([*MODEL, "--strict", "--no-checks"], "not allowed with argument --strict"),
    (["--model", "m"], "--model"),
    ([*MODEL, "--force=yes"], "yes"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_in_the_command_line_is_one_line(work, run: Command, words, message: str) -> None:
    result = run(*words)
    assert (result.status, result.out) == (2, "")
    line, usage = result.err.splitlines()
    assert line.startswith("torch-model-archiver: error: ")
    assert message in line
    assert usage == "usage: torch-model-archiver --model-name NAME [flags]"
    assert list(work.iterdir()) == []


FORMS = ["-rr.txt", "-r=r.txt", "-v1.0", "-fv1.0", "-j2", "-fj1", "-j 2", "--jobs=3", "--version -1"]


@pytest.mark.parametrize("words", FORMS)
def test_forms_of_a_flag_and_its_value(work, run: Command, words: str) -> None:
    make("r.txt", "=r.txt", text="")
    assert run(*MODEL, *words.split()).status == 0


def test_every_mistyped_flag_is_reported(run: Command) -> None:
    result = run("--model-nam", "m", "--handlr", "h.py", "--exprot-path=x")
    assert result.status == 2
    unknown = [f"unknown flag {flag}" for flag in ("--handlr", "--exprot-path")]
    assert [line.partition(";")[0] for line in result.errors] == unknown


@pytest.mark.parametrize(
    "command",
    [
        "--model-name densenet161 --model-file model.py --serialized-file densenet161.pth "
        "--extra-files index_to_name.json",
        "--model-name densenet161 --version 1.0 --model-file model.py --serialized-file densenet161.pth "
        "--extra-files index_to_name.json --handler image_classifier",
        "--model-name densenet_161 --serialized-file model.pt",
        "--model-name densenet_161 --version 1.0 --serialized-file model.pt --handler image_classifier",
    ],
)
def test_the_commands_of_the_documents_run_as_they_are_written(model, run: Command, command: str) -> None:
    Path("densenet161.pth").write_bytes(b"weights")
    words = command.split()
    assert run(*words).status == 0
    archive = output(words[1])
    assert members(archive) == {word for word in words if "." in word and word != "1.0"}
    assert manifest(archive)["model"]["modelVersion"] == "1.0"
    assert manifest(archive)["model"]["handler"] == ("image_classifier" if "--handler" in words else "base_handler")


MIXED = ("--model-name", "m", "--model-file", "long.py", "--serialized-file", "noise.pt")


@pytest.fixture
def mixed(work: Path) -> Path:
    """A file that deflates well, and one that does not deflate at all."""
    (work / "long.py").write_text("class Net:\n    pass\n" + "# a line that repeats\n" * 500)
    (work / "noise.pt").write_bytes(os.urandom(20_000))
    return work


def _deflated() -> set[str]:
    with zipfile.ZipFile("m.mar") as archive:
        infos = [info for info in archive.infolist() if not info.filename.startswith("MAR-INF/")]
        return {info.filename for info in infos if info.compress_type == zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize(
    ("words", "deflated"),
    [
        ([], {"long.py"}),
        (["--deflate", "auto"], {"long.py"}),
        (["--deflate", "always"], {"long.py", "noise.pt"}),
        (["--deflate=never"], set()),
        (["--archive-format", "zip-store"], set()),
        (["--archive-format", "zip-store", "--deflate", "always"], set()),
    ],
)
def test_deflate_says_which_files_are_deflated(mixed, run: Command, words, deflated) -> None:
    assert run(*MIXED, *words).status == 0
    assert _deflated() == deflated


@pytest.mark.parametrize("link", [True, False])
def test_link_shares_the_bytes_with_the_sources(mixed, run: Command, link: bool) -> None:
    Path("by_link.pt").symlink_to("noise.pt")
    words = ["--include", "by_link.pt", "--archive-format", "no-archive", *["--link"] * link]
    assert run(*MIXED, *words).status == 0
    assert Path("m/long.py").samefile("long.py") is link
    for name in ("noise.pt", "by_link.pt"):
        assert Path("m", name).samefile("noise.pt") is link
        assert not Path("m", name).is_symlink()


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
def test_link_needs_a_folder(mixed, run: Command, archive_format: str) -> None:
    [error] = refused(run, *MIXED[2:], "--link", "--archive-format", archive_format)
    assert "link-impossible" in error
