"""What ``--target kserve`` enters of a model in the server's configuration, and models that are folders."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.archives import contents, manifest, output, tree
from tests.conftest import Command
from tests.forks import fail, fork, kill, on_rename_to, stop
from tests.packing import make, refused

CONFIG = Path("out/config/config.properties")
STORE = Path("out/model-store")
WORKERS = "minWorkers: 2\nmaxWorkers: 4\n"


def words_for(*words: object, name: str = "m") -> list[object]:
    target = ("--target", "kserve", "--export-path", "out")
    return ["--model-name", name, "--serialized-file", "model.pt", "--handler", "handler.py", *target, *words]


def lay_out(run: Command, *words: object, name: str = "m", settings: str | None = None) -> None:
    if settings is not None:
        Path("config.yaml").write_text(settings)
        words = (*words, "-c", "config.yaml")
    result = run(*words_for(*words, name=name))
    assert result.status == 0, result.err


def models() -> dict[str, Any]:
    lines = CONFIG.read_text().splitlines()
    [text] = [line.partition("=")[2] for line in lines if line.startswith("model_snapshot=")]
    return json.loads(text)["models"]


def entry(name: str = "m", version: str = "1.0") -> dict[str, Any]:
    return models()[name][version]


# The settings of the config file


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (WORKERS, {"minWorkers": 2, "maxWorkers": 4, "batchSize": 1}),
        ("batchSize: 8\nmaxBatchDelay: 50\n", {"batchSize": 8, "maxBatchDelay": 50, "minWorkers": 1, "maxWorkers": 1}),
        ("maxBatchDelay: 0\nresponseTimeout: 600\n", {"maxBatchDelay": 0, "responseTimeout": 600}),
        ("startupTimeout: 900\n", {"startupTimeout": 900, "responseTimeout": 120}),
        ("deviceType: gpu\n", {"deviceType": "gpu"}),
        ("base: &b {batchSize: 3}\n<<: *b\n", {"batchSize": 3}),
    ],
)
def test_the_settings_of_the_config_file_are_in_the_entry(model, run: Command, settings: str, expected) -> None:
    lay_out(run, settings=settings)
    assert {key: entry()[key] for key in expected} == expected


@pytest.mark.parametrize(
    "settings",
    [
        "handler:\n  batchSize: 8\n",  # the handler's own
        "minWorkers: 4\n",  # the server ignores it without maxWorkers
        "minWorkers: 4\nmaxWorkers: 2\n",
        "batchSize: '8'\n",
        "batchSize: true\nresponseTimeout: 0\n",
        "deviceType: 1\n",
        "batchSize: 99999999999\n",
    ],
)
def test_what_the_server_ignores_in_the_config_file_is_not_in_the_entry(model, run: Command, settings: str) -> None:
    lay_out(run)
    without = entry()
    lay_out(run, "-f", settings=settings)
    assert entry() == without


def test_a_config_file_that_is_no_yaml_is_packed_without_checks_and_sets_nothing(model, run: Command) -> None:
    lay_out(run, "--no-checks", settings="batchSize: 8\n\tx: [\n")
    assert entry()["batchSize"] == 1


def test_a_second_build_updates_the_entry_and_keeps_what_the_config_file_does_not_say(model, run: Command) -> None:
    lay_out(run, settings=f"{WORKERS}batchSize: 8\n")
    CONFIG.write_text(CONFIG.read_text().replace('"responseTimeout":120', '"responseTimeout":7'))
    lay_out(run, name="other")
    lay_out(run, "-f", settings=f"{WORKERS}batchSize: 16\n")
    assert {name: [*versions] for name, versions in models().items()} == {"m": ["1.0"], "other": ["1.0"]}
    assert (entry()["batchSize"], entry()["maxWorkers"], entry()["responseTimeout"]) == (16, 4, 7)
    assert (entry("other")["batchSize"], entry("other")["maxWorkers"]) == (1, 1)


def test_a_new_version_of_the_model_replaces_its_entry(model, run: Command) -> None:
    lay_out(run, settings=WORKERS)
    lay_out(run, "-f", "--version", "2.0", settings="minWorkers: 3\nmaxWorkers: 3\n")
    assert [*models()["m"]] == ["2.0"]
    assert (entry(version="2.0")["minWorkers"], entry(version="2.0")["maxWorkers"]) == (3, 3)


@pytest.mark.parametrize("runtime", ["python", "python3", "LSP"])
def test_the_runtime_is_in_the_entry_because_the_server_does_not_take_it_from_the_archive(
    model, run: Command, runtime: str
) -> None:
    make("handler.so")
    lay_out(run, "--runtime", "python3")
    lay_out(run, "-f", "--runtime", runtime, "--handler", "handler.so" if runtime == "LSP" else "handler.py")
    assert entry()["runtimeType"] == runtime == manifest(STORE / "m.mar")["runtime"]


@pytest.mark.parametrize("archive_format", ["default", "no-archive"])
def test_processes_that_build_at_the_same_time_lose_no_entry(model, archive_format: str) -> None:
    names = [f"m{number}" for number in range(8)]
    for round_ in range(3):
        forks = []
        for number, name in enumerate(names):
            Path(f"{name}.yaml").write_text(f"batchSize: {number + 10 * round_ + 1}\n")
            words = words_for("-f", "-c", f"{name}.yaml", "--archive-format", archive_format, name=name)
            forks.append(fork([str(word) for word in words], model / f"{name}.err"))
        ended = [each.result() for each in forks]
        assert [each.status for each in ended] == [0] * len(names), [each.err for each in ended]
        assert {name: entry(name)["batchSize"] for name in names} == {
            name: number + 10 * round_ + 1 for number, name in enumerate(names)
        }


@pytest.mark.parametrize("archive_format", ["default", "no-archive"])
def test_a_model_is_entered_when_its_archive_is_in_place(model, run: Command, archive_format: str) -> None:
    lay_out(run, name="other")
    words = [str(word) for word in words_for("-f", "--archive-format", archive_format)]
    stopped = fork(words, model / "err", lambda: on_rename_to(CONFIG, stop))
    stopped.wait_until_stopped()
    found = {path.name for path in STORE.iterdir()}
    assert stopped.go_on().status == 0
    assert output("m", archive_format).name in found
    assert {*models()} == {"m", "other"}


# Folders


def test_a_folder_is_laid_out_with_its_entry(model, run: Command) -> None:
    lay_out(run, "--archive-format", "no-archive", settings=WORKERS)
    assert set(contents(STORE / "m")) > {"model.pt", "handler.py", "config.yaml"}
    assert (entry()["marName"], entry()["maxWorkers"]) == ("m", 4)
    lay_out(run, name="other")
    assert {name: versions["1.0"]["marName"] for name, versions in models().items()} == {"m": "m", "other": "other.mar"}
    assert run(*words_for("--archive-format", "no-archive", "-f", "--link")).status == 0


def test_a_folder_may_have_a_dot_in_its_name(model, run: Command) -> None:
    lay_out(run, "--archive-format", "no-archive", name="m.1")
    assert entry("m.1")["marName"] == "m.1"
    assert "[platform-name]" in refused(run, *words_for(name="m.2")[2:], name="m.2")[0]


def test_a_folder_in_place_gets_its_manifest_and_its_entry(model, run: Command) -> None:
    make("out/model-store/m/handler.py", text="def handle(data, context):\n    return data\n")
    words = ["--model-name", "m", "--model-path", STORE / "m", "--handler", "handler", "--export-path", "out"]
    words += ["--target", "kserve", "--archive-format", "no-archive"]
    shown = run(*words, "--dry-run")
    assert "would stay in out/model-store/m, where only MAR-INF/MANIFEST.json would be written" in shown.out
    assert shown.out.endswith("; out/config/config.properties would be written too\n")
    result = run(*words)
    assert result.status == 0, result.err
    assert "wrote out/model-store/m/MAR-INF/MANIFEST.json and out/config/config.properties; the folder's" in result.err
    assert set(contents(STORE / "m")) == {"handler.py", "MAR-INF/MANIFEST.json"}
    assert entry()["marName"] == "m"


def test_a_config_that_breaks_while_a_folder_is_in_place_leaves_no_manifest(model, run: Command) -> None:
    make("out/model-store/m/handler.py", text="def handle(data, context):\n    return data\n")
    words = ["--model-name", "m", "--model-path", str(STORE / "m"), "--handler", "handler", "--export-path", "out"]
    words += ["--target", "kserve", "--archive-format", "no-archive"]
    before = tree(Path("out"))
    assert fork(words, model / "err", lambda: on_rename_to(CONFIG, fail)).result().status == 1
    assert tree(Path("out")) == before


@pytest.mark.parametrize("state", ["new", "as built", "changed"])
@pytest.mark.parametrize("exchanges", [True, False])
def test_a_config_that_cannot_be_placed_leaves_folder_and_config(model, run: Command, state, exchanges) -> None:
    folder = ("--archive-format", "no-archive")
    if state != "new":
        lay_out(run, *folder)
    if state == "changed":
        make("out/model-store/m/mine.txt")
    before = tree(Path("out")) if state != "new" else {}

    def prepare() -> None:
        if not exchanges:
            import model_archiver.writing.folder as writing  # noqa: PLC0415

            writing.exchange = lambda *_: False
        on_rename_to(CONFIG, fail)

    words = [str(word) for word in words_for(*folder, "-f", "--version", "2.0")]
    ended = fork(words, model / "err", prepare).result()
    assert ended.status == 1, ended.err
    assert (tree(Path("out")) if Path("out").exists() else {}) == before


def test_a_folder_that_is_killed_before_the_config_leaves_the_previous_one(model, run: Command) -> None:
    lay_out(run, name="other")
    before = CONFIG.read_bytes()
    words = [str(word) for word in words_for("--archive-format", "no-archive")]
    assert fork(words, model / "err", lambda: on_rename_to(CONFIG, kill)).result().status == -signal.SIGKILL
    assert CONFIG.read_bytes() == before
    lay_out(run, "--archive-format", "no-archive", "-f")
    assert {*models()} == {"m", "other"}
