"""Settings and requirements that are there, but not where the server reads them."""

from __future__ import annotations

import json

import pytest

from tests.archives import FORMATS, output
from tests.conftest import Command
from tests.packing import build, make

SETTINGS = "minWorkers: 1\nmaxWorkers: 2\n"
UNREAD = "the server does not read this file, because the manifest does not name it; name it with"


def found(run: Command, code: str, *words: object, handler: str = "handler.py") -> list[str]:
    result = run("--model-name", "m", "--serialized-file", "model.pt", "--handler", handler, *words, "--dry-run")
    return [line for line in (*result.errors, *result.warnings) if f"[{code}]" in line]


# Files that only the manifest makes the server read


@pytest.mark.parametrize(
    ("path", "text", "words", "flag"),
    [
        ("requirements.txt", "numpy\n", "--extra-files requirements.txt", "-r"),
        ("d/requirements.txt", "# needed\n-r base.txt\n", "--extra-files d", "-r"),
        ("d/requirements.txt", "numpy\n", "--model-path d", "-r"),
        ("requirements.txt", "numpy\n", "--include requirements.txt", "-r"),
        ("requirements.txt", "numpy\n", "--include requirements.txt --target kserve", "-r"),
        ("requirements.txt", "numpy\n", "--extra-files requirements.txt --target sagemaker", "-r"),
        ("model-config.yaml", SETTINGS, "--extra-files model-config.yaml", "-c"),
        ("model-config.yaml", "handler:\n  max_length: 3\n", "--extra-files model-config.yaml", "-c"),
        ("d/model_config.yml", "handler:\n  max_length: 3\n", "--model-path d", "-c"),
        ("config.yaml", f"# the server's\n{SETTINGS}", "--extra-files config.yaml", "-c"),
        ("d/serve.yml", "handler: {a: 1}\nbatchSize : 4\n", "--extra-files d", "-c"),
        ("d/serve.yaml", "torchrun:\n  nproc-per-node: 2\n", "--extra-files d", "-c"),
    ],
)
def test_a_file_that_the_manifest_does_not_name_is_not_read(model, run: Command, path, text, words, flag) -> None:
    make(path, text=text)
    line = f"{path}: {UNREAD} {flag} [file-not-in-manifest]"
    assert found(run, "file-not-in-manifest", *words.split()) == [line]


def test_both_files_are_reported_and_strict_refuses_them(model, run: Command) -> None:
    make("d/requirements.txt", text="numpy\n")
    make("d/model-config.yaml", text=SETTINGS)
    assert len(found(run, "file-not-in-manifest", "--extra-files", "d", "--strict")) == 2
    assert found(run, "file-not-in-manifest", "--extra-files", "d", "--no-checks") == []


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("requirements.txt", "numpy\n", "-r requirements.txt --extra-files requirements.txt"),
        ("requirements.txt", "numpy\n", "-r other.txt --extra-files requirements.txt,other.txt"),
        ("requirements.txt", "numpy\n", "-r requirements.txt --target sagemaker"),
        ("d/code/requirements.txt", "numpy\n", "--model-path d --target sagemaker"),
        ("d/requirements.txt", "numpy\n", "--include d"),  # of a package, not of the model
        ("d/requirements.txt", "# nothing yet\n\n", "--extra-files d"),
        ("d/requirements-dev.txt", "pytest\n", "--extra-files d"),
        ("d/environment.yml", "dependencies:\n- numpy\n", "--extra-files d"),
        ("requirements.txt", "numpy\n", "--extra-files requirements.txt --runtime LSP --handler BaseHandler"),
        ("model-config.yaml", SETTINGS, "-c model-config.yaml --extra-files model-config.yaml"),
        ("model-config.yaml", SETTINGS, "-c other.yaml --extra-files model-config.yaml"),
        ("d/config.yaml", "model: resnet\nbatch_size: 4\nnested:\n  batchSize: 4\n", "--extra-files d"),
        ("d/sub/model-config.yaml", SETTINGS, "--extra-files d"),
        ("notes.txt", SETTINGS, "--extra-files notes.txt"),
    ],
)
def test_files_that_the_server_reads_or_does_not_need_are_silent(model, run: Command, path, text, words) -> None:
    make("other.txt", text="numpy\n")
    make("other.yaml", text=SETTINGS)
    make(path, text=text)
    assert found(run, "file-not-in-manifest", *words.split()) == []


@pytest.mark.parametrize("name", ["model-config.yaml", "config.yaml", "requirements.txt"])
def test_a_file_that_the_handler_reads_itself_is_silent(model, run: Command, name: str) -> None:
    make(name, text="numpy\n" if name.endswith("txt") else SETTINGS)
    assert len(found(run, "file-not-in-manifest", "--extra-files", name)) == 1
    make("handler.py", text=f"def handle(data, context):\n    return [open('{name}').read()]\n")
    assert found(run, "file-not-in-manifest", "--extra-files", name) == []


def test_model_archiver_says_nothing_about_them(work, run_mms: Command, run: Command) -> None:
    make("d/requirements.txt", text="numpy\n")
    make("d/model-config.yaml", text=SETTINGS)
    make("d/service.py", text="def handle(data, context):\n    return data\n")
    for words in ((), ("--target", "kserve", "--export-path", "out")):
        result = run_mms("--model-name", "m", "--model-path", "d", "--handler", "service", *words)
        assert (result.status, result.warnings) == (0, [])
    assert run("verify", "m.mar").err == run("verify", "out/model-store/m.mar").err == ""


@pytest.mark.parametrize("archive_format", FORMATS)
def test_verify_finds_them_in_an_archive(model, run: Command, archive_format: str) -> None:
    make("d/requirements.txt", text="numpy\n")
    make("d/serve.yaml", text=SETTINGS)
    build(run, "--extra-files", "d", archive_format=archive_format)
    warnings = run("verify", output("m", archive_format)).warnings
    assert sorted(warnings) == [
        f"{name}: {UNREAD} {flag} [file-not-in-manifest]"
        for name, flag in (("requirements.txt", "-r"), ("serve.yaml", "-c"))
    ]


# Settings in the wrong place of the config file


TOP = "write each setting at the top level of the file"
MISPLACED = [
    ('models:\n  m:\n    "1.0":\n      batchSize: 4\n', ":4: the server does not read batchSize below models; " + TOP),
    (
        "models:\n  m:\n    '1.0': {minWorkers: 1, maxWorkers: 2}\n",
        f":3: the server does not read minWorkers and maxWorkers below models; {TOP}",
    ),
    ("m:\n  maxBatchDelay: 5\n", ":2: the server does not read maxBatchDelay below m; " + TOP),
    ("deploy:\n  torchrun: {nproc-per-node: 2}\n", ":2: the server does not read torchrun below deploy; " + TOP),
    (
        "parallelLevel: 2\ntorchrun:\n  nproc-per-node: 2\n  parallelType: tp\n",
        ":4: the server does not read parallelType below torchrun; " + TOP,
    ),
]


@pytest.mark.parametrize(("text", "line"), MISPLACED)
@pytest.mark.parametrize("handler", ["handler.py", "vllm_handler"])
def test_a_setting_in_the_wrong_place_is_not_read(model, run: Command, text: str, line: str, handler: str) -> None:
    make("config.yaml", text=text)
    assert found(run, "config-misplaced", "-c", "config.yaml", handler=handler) == [
        f"config.yaml{line} [config-misplaced]"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "models: {m: {'1.0': {batch_size: 4}}}\n",  # a handler's
        "models: 3\nbatchSize: 4\n",
        *(
            f"{table}:\n  batchSize: 4\n"
            for table in ("handler", "pt2", "pippy", "deepspeed", "dali", "micro_batching")
        ),
        "base: &base {minWorkers: 1, maxWorkers: 2}\n<<: *base\n",
        "models: {m: {'1.0': {batchSize: 4}}}\nbatchSize: 4\n",
        "torchrun: {nproc-per-node: 2, max-restarts: 3}\nparallelType: tp\n",
        "torchrun: {nproc-per-node: 2}\nnproc-per-node: 2\nparallelType: tp\n",
        "engine:\n  device: cuda\n  max_workers: 4\n",
        "a: &a [*a]\nb: &b {c: *b}\n",
    ],
)
def test_settings_that_are_the_handlers_or_count_are_silent(model, run: Command, text: str) -> None:
    make("config.yaml", text=text)
    assert found(run, "config-misplaced", "-c", "config.yaml") == []


def test_a_setting_that_the_handler_reads_is_silent(model, run: Command) -> None:
    make("config.yaml", text="service:\n  batchSize: 4\n")
    make(
        "handler.py",
        text="def handle(data, context):\n    return [context.model_yaml_config['service']['batchSize']]\n",
    )
    assert found(run, "config-misplaced", "-c", "config.yaml") == []


def test_a_misplaced_setting_is_found_in_an_archive(model, run: Command) -> None:
    make("config.yaml", text=MISPLACED[0][0])
    build(run, "-c", "config.yaml")
    [problem] = json.loads(run("verify", "m.mar", "--json").out)["problems"]
    assert (problem["code"], problem["line"], problem["path"]) == ("config-misplaced", 4, "config.yaml")


PASSED_ON = """
class Own:
    def initialize(self, context):
        {}

    def handle(self, data, context):
        return data
"""


@pytest.mark.parametrize(
    "use", ["dict(**context.model_yaml_config['models'])", "vars(self).update(context.model_yaml_config)"]
)
def test_a_table_that_the_handler_passes_on_is_silent(model, run: Command, use: str) -> None:
    make("own.py", text=PASSED_ON.format(use))
    make("c.yaml", text="models:\n  m:\n    '1.0':\n      batchSize: 4\n")
    assert found(run, "config-misplaced", "-c", "c.yaml", handler="own.py") == []
    assert len(found(run, "config-misplaced", "-c", "c.yaml")) == 1
