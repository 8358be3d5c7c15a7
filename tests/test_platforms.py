"""``--target``: each platform finds what it wants where it looks for it, and is refused what it would not see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig
from model_archiver.commands.package import package
from model_archiver.core.problems import ModelArchiverError
from model_archiver.model_packaging import package_model
from model_archiver.planning.kserve import _read, _values
from tests.archives import FORMATS, contents, manifest, members, output, tree
from tests.conftest import Command
from tests.foreign import needs_java, run_java
from tests.forks import fail, fork, kill, on_rename_to, terminate
from tests.packing import HANDLER, MODEL, MODEL_FILES, build, make, refused

FILES = ("--model-file", "model.py", "--serialized-file", "model.pt", "--handler", "handler.py")
CONFIG = Path("out/config/config.properties")


def words_for(platform: str, *words: object, name: str = "m") -> list[object]:
    return ["--model-name", name, *FILES, "--export-path", "out", "--target", platform, *words]


def lay_out(run: Command, platform: str, *words: object, name: str = "m") -> Path:
    result = run(*words_for(platform, *words, name=name))
    assert result.status == 0, result.err
    return Path("out")


def refusal(run: Command, platform: str, *words: object, name: str = "m") -> str:
    [error] = refused(run, *words_for(platform, *words)[2:], name=name)
    return error


def files(folder: Path) -> set[str]:
    return {path for path, content in tree(folder).items() if content != "folder"}


def properties() -> dict[str, str]:
    lines = CONFIG.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def snapshot() -> dict:
    return json.loads(properties()["model_snapshot"])


def write_config(text: str) -> None:
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_bytes(text.encode())


def edit_config(old: str, new: str) -> None:
    CONFIG.write_text(CONFIG.read_text().replace(old, new))


@pytest.mark.parametrize("archive_format", FORMATS)
def test_torchserve_is_the_default_and_changes_nothing(model, run: Command, monkeypatch, archive_format: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    build(run, *FILES, archive_format=archive_format, to="plain")
    for platform in ("torchserve", ""):
        lay_out(run, platform, "-f", "--archive-format", archive_format)
        assert tree(Path("out")) == tree(Path("plain"))


@pytest.mark.parametrize(
    ("platform", "archive_format"),
    [
        *[("kserve", "tgz"), ("vertex", "tgz"), ("vertex", "no-archive")],
        *[("sagemaker", "zip-store"), ("sagemaker", "no-archive")],
    ],
)
def test_a_format_that_the_platform_does_not_take_is_refused(model, run: Command, platform, archive_format) -> None:
    error = refusal(run, platform, "--archive-format", archive_format)
    assert error.startswith(f"--archive-format {archive_format}: {platform} does not take")
    assert "[platform-format]" in error


@pytest.mark.parametrize("platform", ["vertex", "sagemaker"])
def test_no_format_is_suggested_that_the_platform_does_not_take(model, run: Command, platform: str) -> None:
    error = refusal(run, platform, "--link")
    assert error == "--link: works only with --archive-format no-archive; leave it out [link-impossible]"


@pytest.mark.parametrize("platform", ["vertex", "sagemaker"])
def test_no_other_name_is_suggested_where_the_platform_fixes_it(model, run: Command, platform: str) -> None:
    lay_out(run, platform)
    assert ", or choose another --export-path [target-exists]" in refusal(run, platform, name="other")
    lay_out(run, platform, "-f", name="other")


# KServe


def test_kserve_finds_config_and_archive_below_one_root(model, run: Command) -> None:
    root = lay_out(run, "kserve", "--version", "2.1")
    assert files(root) == {"model-store/m.mar", "config/config.properties"}
    assert members(root / "model-store/m.mar") == {"model.py", "model.pt", "handler.py"}
    assert snapshot()["modelCount"] == 1
    [(version, settings)] = snapshot()["models"]["m"].items()
    assert version == manifest(root / "model-store/m.mar")["model"]["modelVersion"] == "2.1"
    assert (settings["marName"], settings["defaultVersion"]) == ("m.mar", True)
    assert 1 <= settings["minWorkers"] <= settings["maxWorkers"]
    given = properties()  # what KServe's own server reads
    assert given["inference_address"] == given["management_address"] == "http://0.0.0.0:8085"
    assert given["model_store"] == "/mnt/models/model-store"
    assert given["grpc_inference_port"].isdecimal()
    assert given["disable_token_authorization"] == "true"
    assert "[target-exists]" in refusal(run, "kserve", "--version", "2.0")


def test_kserve_does_not_see_a_dotted_name(model, run: Command) -> None:
    error = refusal(run, "kserve", name="m.1")
    assert error.startswith("--model-name m.1: kserve does not see")
    assert "[platform-name]" in error
    lay_out(run, "vertex", name="m.1")


def test_a_second_model_joins_the_first_in_kserves_config(model, run: Command) -> None:
    lay_out(run, "kserve")
    lay_out(run, "kserve", name="other")
    assert files(Path("out/model-store")) == {"m.mar", "other.mar"}
    assert snapshot()["modelCount"] == 2
    assert {name: [*versions] for name, versions in snapshot()["models"].items()} == {"m": ["1.0"], "other": ["1.0"]}


def test_what_a_user_wrote_into_kserves_config_stays(model, run: Command) -> None:
    lay_out(run, "kserve")
    changed = CONFIG.read_text().replace('"maxWorkers":1', '"maxWorkers":7').replace("=10\n", "=99\n")
    CONFIG.write_text(f"# größe\n{changed}mine=1\n")
    CONFIG.chmod(0o640)
    if is_root := os.geteuid() == 0:  # only root gives files away
        os.chown(CONFIG, 65534, 65533)
    lay_out(run, "kserve", "--version", "2.0", "-f")
    assert [*snapshot()["models"]["m"]] == ["2.0"]
    assert snapshot()["models"]["m"]["2.0"]["maxWorkers"] == 7
    assert CONFIG.read_text().startswith("# größe\n")
    assert {"job_queue_size=99", "mine=1"} <= {*CONFIG.read_text().splitlines()}
    status = CONFIG.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert not is_root or (status.st_uid, status.st_gid) == (65534, 65533)


def test_another_version_of_the_model_from_another_archive_stays(model, run: Command) -> None:
    lay_out(run, "kserve")
    edit_config("m.mar", "by-hand.mar")
    error = refusal(run, "kserve", "-f")
    assert "config.properties: already has version 1.0 of m, from by-hand.mar; choose another --version" in error
    lay_out(run, "kserve", "--version", "2.0", "-f")
    versions = snapshot()["models"]["m"]
    assert {version: entry["marName"] for version, entry in versions.items()} == {"1.0": "by-hand.mar", "2.0": "m.mar"}
    assert [version for version, entry in versions.items() if entry["defaultVersion"]] == ["2.0"]


def build_while_config_changes(name: str, change) -> None:
    """Build for KServe; *change* is called while the archive is written, before the config is."""
    config = ModelArchiverConfig(name, "handler.py", export_path="out", target="kserve")
    package(config, progress=lambda _: change())


def test_a_config_that_changes_during_the_build_keeps_the_change(model, run: Command) -> None:
    lay_out(run, "kserve")
    build_while_config_changes("late", lambda: CONFIG.write_bytes(CONFIG.read_bytes() + b"# by somebody else\n"))
    assert "# by somebody else\n" in CONFIG.read_text()
    assert {*snapshot()["models"]} == {"m", "late"}


def test_a_config_that_breaks_during_the_build_stays_and_no_archive_is_left(model) -> None:
    CONFIG.parent.mkdir(parents=True)
    with pytest.raises(ModelArchiverError, match=r"\[platform-config\]"):
        build_while_config_changes("late", lambda: CONFIG.write_text("model_snapshot={"))
    assert CONFIG.read_text() == "model_snapshot={"
    assert files(Path("out")) == {"config/config.properties"}


UNUSABLE_CONFIGS = {
    "a pipe": lambda: os.mkfifo(CONFIG),
    "a device": lambda: CONFIG.symlink_to("/dev/zero"),
    "a folder": CONFIG.mkdir,
    "a large file": lambda: CONFIG.write_bytes(b"#" * (1 << 21)),
    "a deep snapshot": lambda: write_config(f"model_snapshot={'[' * 100_000}"),
    **{
        snapshot: lambda snapshot=snapshot: write_config(f"model_snapshot={snapshot}\n")
        for snapshot in ("{", "[]", '{"models": []}', '{"models": {"m": 1}}', '{"models": {"m": {"1.0": 1}}}')
    },
}


@pytest.mark.parametrize("kind", UNUSABLE_CONFIGS)
def test_a_config_that_no_model_can_be_added_to_is_left_alone(model, run: Command, kind: str) -> None:
    CONFIG.parent.mkdir(parents=True)
    UNUSABLE_CONFIGS[kind]()
    assert "[platform-config]" in refusal(run, "kserve", "-f")


def test_a_file_in_the_place_of_kserves_config_folder_is_refused(model, run: Command) -> None:
    make("out/config")
    assert "[export-path-invalid]" in refusal(run, "kserve")


def test_builds_at_the_same_time_lose_no_model(model) -> None:
    names = [f"m{number}" for number in range(6)]
    requests = [ModelArchiverConfig(name, "handler.py", export_path="out", target="kserve") for name in names]
    with ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(ModelArchiver.generate_model_archive, requests))
    assert sorted(snapshot()["models"]) == names
    assert files(Path("out/model-store")) == {f"{name}.mar" for name in names}


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("links", [False, True])
def test_a_config_that_cannot_be_placed_leaves_archive_and_config(model, run: Command, replaces, links) -> None:
    if replaces:
        lay_out(run, "kserve")
    before = tree(Path("out")) if replaces else {}
    words = words_for("kserve", "-f", "--version", "2.0")

    def prepare() -> None:
        if not links:
            sys.addaudithook(lambda event, _: fail() if event == "os.link" else None)
        on_rename_to(CONFIG, fail)

    ended = fork(words, model / "err", prepare).result()
    assert ended.status == 1
    assert "check the disk" in ended.err
    assert (tree(Path("out")) if Path("out").exists() else {}) == before


def test_a_config_is_flushed_before_it_gets_its_name(model, run: Command, monkeypatch) -> None:
    flushed: list[tuple[int, bool]] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, CONFIG.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    lay_out(run, "kserve")
    assert (CONFIG.stat().st_ino, False) in flushed


def test_the_config_names_model_and_version_as_the_manifest_does(model) -> None:
    own = json.dumps({"runtime": "python", "model": {"modelName": "other", "modelVersion": "3.0"}})
    package_model(ModelArchiverConfig("m", "handler.py", export_path="out", target="kserve"), own)
    assert snapshot()["models"]["other"]["3.0"]["marName"] == "m.mar"


MINE = '{"models":{"mine":{"1.0":{"marName":"mine.mar"}}}}'
PLAIN = {
    "blanks": f"\t model_snapshot = {MINE}\n",
    "a last line without an end": f"model_snapshot={MINE}\nmine=1",
    "twice": f"model_snapshot={{}}\nmodel_snapshot={MINE}\n",
    "carriage returns": f"a=1\rmodel_snapshot={MINE}\rmine=1\r",
    "comments": f" # model_snapshot : {{}}\\\n!mine\\\nmodel_snapshot={MINE}\r\n",
}


@pytest.mark.parametrize("spelling", PLAIN)
def test_a_config_of_plain_lines_is_extended(model, run: Command, spelling: str) -> None:
    write_config(PLAIN[spelling])
    lay_out(run, "kserve")
    assert {*json.loads(_values(_read(CONFIG))["model_snapshot"])["models"]} == {"mine", "m"}


@needs_java
def test_java_reads_every_config_as_we_do(model, run: Command) -> None:
    paths = []
    for number, text in enumerate([*PLAIN.values(), "# größe\nb=c\n"]):
        write_config(text)
        lay_out(run, "kserve", "-f", "--version", '1"\\ü')
        paths.append(CONFIG.rename(f"{number}.properties"))
    for path, line in zip(paths, run_java("PropertiesLoader", *paths), strict=True):
        loaded = json.loads(line)
        assert loaded == json.loads(_values(_read(path))["model_snapshot"].replace("\\\\", "\\"))
        assert [*loaded["models"]["m"]] == ['1"\\ü']


OTHERWISE_SPELLED = {
    "a colon": (f"a=1\nmodel_snapshot : {MINE}\n", "line 2"),
    "a colon before an equals sign": (f"model_snapshot:{MINE}=\n", "line 1"),
    "a space": (f"  model_snapshot {MINE}\n", "line 1"),
    "a space before an equals sign": ("model_snapshot {}=\n", "line 1"),
    "several lines": (f"model_snapshot=\\\n  {MINE[:12]}\\\r\n\t{MINE[12:]}\n", "line 1"),
    "a value of several lines without a key": (f"=\\\nmodel_snapshot={MINE}", "line 1"),
    "as Java stores it": ("model_snapshot=" + MINE.replace(":", "\\:") + "\r\n", "model_snapshot"),
    "an escaped value": ("model_snapshot=" + MINE.replace(":", "\\u003a") + "\r\n", "model_snapshot"),
    "an escaped key": (f"model\\u005fsnapshot={MINE}\n", "line 1"),
    "a last line that goes on": (f"model_snapshot={MINE}\nmine=1\\", "line 2"),
    "a last line that goes on and ends": (f"model_snapshot={MINE}\nmine=1\\\n", "line 2"),
}


@pytest.mark.parametrize("spelling", OTHERWISE_SPELLED)
def test_a_config_with_lines_that_only_java_reads_is_left_alone(model, run: Command, spelling: str) -> None:
    text, place = OTHERWISE_SPELLED[spelling]
    write_config(text)
    error = refusal(run, "kserve")
    assert f"config.properties: {place} is not " in error
    assert "[platform-config]" in error
    assert CONFIG.read_bytes() == text.encode()


def test_a_snapshot_is_json_for_kserve_too_which_knows_no_escapes(model, run: Command) -> None:
    lay_out(run, "kserve", "--version", '1"\\ü')
    assert [*snapshot()["models"]] == ["m"]


def test_what_is_not_ours_in_a_config_stays_byte_for_byte(model, run: Command) -> None:
    before, after = "# größe\r\n\r\nmine = \\\\1\r\n", "vmargs=-Dx=\u2028\x0c\x1c\r\n"
    own = '{"name":"mine.cfg","extra":1,"models":{}}'
    write_config(f"{before}model_snapshot={own}\r\n{after}")
    lay_out(run, "kserve")
    text = CONFIG.read_bytes().decode()
    assert text.startswith(f"{before}model_snapshot=")
    assert text.endswith(f"\r\n{after}")
    line = text[len(before) : -len(after)].rstrip("\r\n").partition("=")[2]
    assert {**json.loads(line), "models": {}} == {"name": "mine.cfg", "extra": 1, "models": {}, "modelCount": 1}


def test_an_empty_config_is_filled(model, run: Command) -> None:
    write_config("\n")
    lay_out(run, "kserve")
    assert properties()["model_store"] == "/mnt/models/model-store"


def test_a_config_that_cannot_work_is_warned_of(model, run: Command) -> None:
    write_config(f"model_store=/other\nmanagement_address=http://0.0.0.0:8085\nmodel_snapshot={MINE}\n")
    warnings = run(*words_for("kserve")).warnings
    assert [warning.partition("config.properties: ")[2].partition(";")[0] for warning in warnings] == [
        "model_store is not /mnt/models/model-store, where KServe puts the archives",
        "has no inference_address, which KServe needs",
        "has version 1.0 of mine from mine.mar, which is not in model-store",
    ]
    assert all("[platform-config]" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["n" * 300, "\\u0000", "\\ud800"])
def test_an_archive_that_no_file_system_can_hold_is_missing(model, run: Command, name: str) -> None:
    lay_out(run, "kserve")
    edit_config("m.mar", name.replace("\\", "\\\\"))
    result = run(*words_for("kserve", "-f", "--version", "2.0"))
    assert result.status == 0, result.err
    assert "which is not in model-store" in result.err


@pytest.mark.parametrize("first", ["kserve", "sagemaker"])
@pytest.mark.parametrize("second", ["torchserve", "kserve", "vertex", "sagemaker"])
def test_what_a_build_for_another_platform_left_is_not_packed(model, run: Command, first: str, second: str) -> None:
    words = ("--model-name", "m", "--model-path", ".", "--handler", "vllm_handler", "-f")
    assert run(*words, "--target", first).status == 0
    assert run(*words, "--target", second, "--json").status == 0
    planned = json.loads(run(*words, "--target", second, "--dry-run", "--json").out)
    assert {entry["path"] for entry in planned["files"]} == MODEL_FILES


def test_a_users_own_files_of_these_names_are_packed(model, run: Command) -> None:
    write_config("mine=1\n")
    CONFIG.parent.rename("config")
    with tarfile.open("model.tar.gz", "w:gz") as archive:
        archive.add("model.py")
    assert run("--model-name", "m", "--model-path", ".", "--handler", "handler").status == 0
    assert {"config/config.properties", "model.tar.gz"} < members(Path("m.mar"))


@pytest.mark.parametrize("place", ["model-store/m.mar", "config/config.properties"])
def test_a_signal_while_archive_and_config_are_placed_waits_for_both(model, place: str) -> None:
    ended = fork(words_for("kserve", "-f"), model / "err", lambda: on_rename_to(Path("out", place), terminate)).result()
    assert ended.status == 130
    assert f"error: interrupted after {Path('out/model-store/m.mar').resolve()} was written\n" in ended.err
    assert files(Path("out")) == {"model-store/m.mar", "config/config.properties"}


def test_a_build_that_is_killed_before_the_config_leaves_the_previous_one(model, run: Command) -> None:
    lay_out(run, "kserve")
    before = CONFIG.read_bytes()
    ended = fork(words_for("kserve", name="late"), model / "err", lambda: on_rename_to(CONFIG, kill)).result()
    assert ended.status == -signal.SIGKILL
    assert CONFIG.read_bytes() == before
    lay_out(run, "kserve", "-f", name="late")
    assert files(Path("out")) == {"model-store/m.mar", "model-store/late.mar", "config/config.properties"}
    assert {*snapshot()["models"]} == {"m", "late"}


@pytest.mark.parametrize("fails", [False, True])
def test_links_in_the_place_of_config_and_archive_are_replaced(model, run: Command, fails: bool) -> None:
    make("real/config", "real/archive", text="mine=1\n")
    for path, name in ((CONFIG, "config"), (Path("out/model-store/m.mar"), "archive")):
        path.parent.mkdir(parents=True)
        path.symlink_to(os.path.relpath(f"real/{name}", path.parent))
    assert "target-exists" in refusal(run, "kserve")
    before, real = tree(Path("out")), tree(Path("real"))
    if fails:
        assert fork(words_for("kserve", "-f"), model / "err", lambda: on_rename_to(CONFIG, fail)).result().status
        assert tree(Path("out")) == before
    else:
        assert run(*words_for("kserve", "-f")).status == 0
        assert not any(path.is_symlink() for path in Path("out").rglob("*"))
        assert "mine=1" in CONFIG.read_text()
    assert tree(Path("real")) == real


def test_a_dry_run_and_json_name_everything_that_is_written(model, run: Command) -> None:
    words = words_for("kserve")
    assert run(*words, "--dry-run").out.endswith(
        "would be written to out/model-store/m.mar and out/config/config.properties\n"
    )
    assert not Path("out").exists()
    planned = json.loads(run(*words, "--dry-run", "--json").out)
    written = json.loads(run(*words, "--json").out)
    assert planned["sidecars"] == written["sidecars"] == [str(CONFIG.absolute())]


# Vertex AI


def test_vertex_finds_a_file_called_model_mar(model, run: Command) -> None:
    root = lay_out(run, "vertex", name="flowers")
    assert files(root) == {"model.mar"}
    assert zipfile.is_zipfile(root / "model.mar")
    assert manifest(root / "model.mar")["model"]["modelName"] == "flowers"


# SageMaker


def unpacked(archive: Path) -> dict[str, str]:
    """What SageMaker has in its model folder: it unpacks the archive as it is."""
    shutil.unpack_archive(archive, "unpacked", "gztar")  # early 3.10 and 3.11 know no filter for tarfile
    return {path: content.decode() for path, content in contents(Path("unpacked")).items() if path != "model.pt"}


def test_sagemaker_unpacks_code_and_manifest_into_its_folder(model, run: Command) -> None:
    Path("needs.txt").write_text("numpy\n")
    root = lay_out(run, "sagemaker", "-r", "needs.txt", "--extra-files", "index_to_name.json", name="flowers")
    assert files(root) == {"model.tar.gz"}
    inside = unpacked(root / "model.tar.gz")
    assert inside["code/requirements.txt"] == "numpy\n"
    assert inside["code/handler.py"].startswith("def handle")
    assert {"model.py", "index_to_name.json"} < inside.keys()
    fields = json.loads(inside["MAR-INF/MANIFEST.json"])["model"]
    assert (fields["handler"], fields["requirementsFile"]) == ("code/handler.py:handle", "code/requirements.txt")
    assert all(f"  {path}\n" in inside["MAR-INF/SHA256SUMS"] for path in ("code/handler.py", "code/requirements.txt"))


@pytest.mark.parametrize(
    ("handler", "entry"),
    [
        ("handler", "code/handler.py:handle"),
        ("handler.py:answer", "code/handler.py:answer"),
        ("image_classifier", "image_classifier"),
    ],
)
def test_sagemakers_handler_in_its_forms(model, run: Command, handler: str, entry: str) -> None:
    make("handler.py", text=f"{HANDLER}\n\nanswer = handle\n")
    root = lay_out(run, "sagemaker", "--handler", handler)
    assert json.loads(unpacked(root / "model.tar.gz")["MAR-INF/MANIFEST.json"])["model"]["handler"] == entry


@pytest.mark.parametrize("handler", ["handler.py", "image_classifier"])
def test_all_commands_read_what_sagemaker_unpacks(model, run: Command, handler: str) -> None:
    archive = lay_out(run, "sagemaker", "--handler", handler, "--extra-files", "index_to_name.json") / "model.tar.gz"
    verdict = run("verify", archive)
    assert (verdict.status, verdict.err) == (0, "")
    assert "checksums match" in verdict.out
    assert "TorchServe itself needs one top folder" in verdict.out
    assert "tgz, laid out for sagemaker" in run("inspect", archive).out
    assert json.loads(run("inspect", archive, "--json").out)["layout"] == "sagemaker"
    assert run("extract", archive, "--to", "extracted").status == 0
    assert set(unpacked(archive)) | {"model.pt"} == set(contents(Path("extracted")))
    assert run("diff", archive, archive).status == 0


def test_a_tar_without_a_top_folder_and_with_its_handler_at_the_root_has_no_manifest(model, run: Command) -> None:
    run("--model-name", "m", "--handler", "handler.py", "--archive-format", "no-archive")
    with tarfile.open("flat.tar.gz", "w:gz") as tar:
        for path in ("handler.py", "MAR-INF"):
            tar.add(Path("m", path), path)
    for command in ("verify", "extract"):
        assert "[manifest-missing]" in run(command, "flat.tar.gz").errors[0]


@pytest.mark.parametrize("handler", ["service", "service:entry", "service.py:handle"])
def test_sagemaker_finds_no_handler_at_the_root(work, run: Command, run_mms: Command, handler: str) -> None:
    make("folder/service.py", text=f"{HANDLER}\n\nentry = handle\n")
    words = ("--model-name", "m", "--model-path", "folder", "--handler", handler, "--target", "sagemaker")
    function = handler.partition(":")[2] or "handle"
    for program in (run, run_mms):
        [line] = program(*words).errors
        hint = f"move it to the folder code, and give --handler code/service.py:{function}"
        assert line == f"service.py: is not in code/, where SageMaker looks for it; {hint} [platform-handler]"
    assert not Path("model.tar.gz").exists()


def test_a_folder_that_has_sagemakers_layout_keeps_it(work, run_mms: Command) -> None:
    make("folder/code/inference.py", text=HANDLER)
    words = ("--model-path", "folder", "--handler", "code/inference.py:handle", "--target", "sagemaker")
    assert run_mms("--model-name", "m", *words).status == 0
    inside = unpacked(Path("model.tar.gz"))
    assert set(inside) == {"code/inference.py", "MAR-INF/MANIFEST.json", "MAR-INF/SHA256SUMS"}
    assert json.loads(inside["MAR-INF/MANIFEST.json"])["model"]["handler"] == "code/inference.py:handle"


def test_code_that_the_manifest_would_hide_is_refused(model, run: Command) -> None:
    make("folder/code/inference.py", text=HANDLER)
    words = ("--model-path", "folder", "--target", "sagemaker")
    [error] = run("--model-name", "m", "--serialized-file", "model.pt", *words).errors
    assert not Path("model.tar.gz").exists()
    assert error.startswith("folder/code/inference.py: is a script of SageMaker's script mode")
    assert error.endswith("; or, if it is a handler, add --handler code/inference.py:handle [platform-handler]")
    assert run("--model-name", "m", *words, "--handler", "code/inference.py:handle").status == 0


def test_two_files_for_one_place_in_code_are_refused(model, run: Command) -> None:
    make("extra/code/handler.py", text="def handle(data, context):\n    return [1]\n")
    error = refusal(run, "sagemaker", "--extra-files", "extra")
    assert ": goes to code/handler.py, and " in error
    assert "handler.py (--handler, for sagemaker)" in error


def test_a_pipe_in_the_way_of_a_fixed_name_needs_another_folder(model, run: Command) -> None:
    Path("out").mkdir()
    os.mkfifo("out/model.mar")
    assert "goes there; move it away, or choose another --export-path [target-in-the-way]" in refusal(run, "vertex")


def test_no_platform_runs_python2(model, run_mms: Command) -> None:
    Path("folder").mkdir()
    Path("handler.py").rename("folder/handler.py")
    words = ("--model-name", "m", "--model-path", "folder", "--handler", "handler", "--runtime", "python2", "-f")
    assert run_mms(*words).warnings == []
    for platform in ("kserve", "vertex", "sagemaker"):
        [warning] = run_mms(*words, "--target", platform).warnings
        assert "[runtime-unserved]" in warning


def test_an_unknown_platform_is_refused_by_command_and_call(model, run: Command) -> None:
    assert run(*MODEL, "--target", "vertx").status == 2
    with pytest.raises(ModelArchiverError, match=r"--target: 'azure' is not a valid choice.*\[value-invalid\]"):
        ModelArchiver.generate_model_archive(ModelArchiverConfig("m", target="azure"))  # type: ignore[arg-type]
    assert not output("m").exists()
