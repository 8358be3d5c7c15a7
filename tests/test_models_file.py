"""The file that ``build`` reads: what its keys and values mean, the public formats, and every error with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import manifest, members
from tests.conftest import Command, Result

HANDLER = "def handle(data, context):\n    return data\n"


@pytest.fixture
def root(work: Path) -> Path:
    """A folder below the current one, with the files of two models in it."""
    folder = work / "models"
    folder.mkdir()
    for name in ("handler.py", "other.py"):
        (folder / name).write_text(HANDLER)
    for name in ("a.txt", "b.txt", "c[1].txt", "weights.pt"):
        (folder / name).write_text(name)
    return folder


def write(text: str, path: str = "models/models.yaml") -> str:
    Path(path).write_text(text, encoding="utf-8")
    return path


def built(run: Command, text: str, *words: str, path: str = "models/models.yaml") -> Result:
    result = run("build", write(text, path), *words)
    assert (result.status, result.out) == (0, ""), result.err
    return result


def refused(run: Command, text: str, *words: str, path: str = "models/models.yaml") -> list[str]:
    """Return the errors, without the path of the file and the code; nothing is written."""
    before = set(Path().rglob("*")) | {Path(path)}
    result = run("build", write(text, path), *words)
    assert (result.status, result.out) == (1, "")
    assert set(Path().rglob("*")) == before
    assert all(error.startswith(f"{path}:") and error.endswith(" [build-file]") for error in result.errors), result.err
    return [error.removeprefix(f"{path}:").removesuffix(" [build-file]") for error in result.errors]


def model(path: str) -> dict[str, Any]:
    return dict(manifest(Path(path))["model"])


# Keys and values


@pytest.mark.parametrize(
    "keys", [("model-name", "serialized-file", "extra-files"), ("model_name", "serialized", "ext")]
)
def test_keys_are_long_flags_with_either_sign_or_a_prefix(root: Path, run: Command, keys: tuple[str, ...]) -> None:
    name, weights, extra = keys
    built(run, f"- {name}: m\n  {weights}: weights.pt\n  {extra}: a.txt\n  hand: handler.py\n  ver: 2\n")
    assert members(root / "m.mar") == {"handler.py", "weights.pt", "a.txt"}
    assert model("models/m.mar")["modelVersion"] == "2"


@pytest.mark.parametrize("value", ["1.10", "0x10", "1_000", "yes", "2024-01-01", "'1.10'", "1e3"])
def test_scalars_are_read_as_they_are_written(root: Path, run: Command, value: str) -> None:
    built(run, f"- model-name: m\n  handler: handler.py\n  version: {value}\n")
    assert model("models/m.mar")["modelVersion"] == value.strip("'")


@pytest.mark.parametrize("value", ["", "~", "null", "''", "'  '", "[]"])
def test_an_empty_value_means_absent_and_removes_the_default(root: Path, run: Command, value: str) -> None:
    text = f"defaults:\n  ext: absent.txt\nmodels:\n- model-name: m\n  handler: handler.py\n  ext: {value}\n"
    built(
        run,
        text + f"  requirements-file: {value if value != '[]' else ''}\n  force: {value if value != '[]' else ''}\n",
    )
    assert members(root / "m.mar") == {"handler.py"}


@pytest.mark.parametrize(
    "value", ["'a.txt, b.txt'", "[a.txt, b.txt]", "['a.txt,b.txt']", "'[ab].txt'", "',a.txt, , b.txt'"]
)
def test_extra_files_are_a_text_or_a_list_with_pieces_and_patterns(root: Path, run: Command, value: str) -> None:
    built(run, f"- model-name: m\n  handler: handler.py\n  extra-files: {value}\n")
    assert members(root / "m.mar") == {"handler.py", "a.txt", "b.txt"}


def test_patterns_and_names_with_brackets_work_below_a_folder_with_brackets(root: Path, run: Command) -> None:
    root.rename("x[1]")
    built(run, "- {model-name: m, handler: handler.py, ext: ['c[1].txt', '?.txt']}\n", path="x[1]/m.yaml")
    assert members(Path("x[1]/m.mar")) == {"handler.py", "a.txt", "b.txt", "c[1].txt"}


def test_switches_are_true_or_false(root: Path, run: Command) -> None:
    (root / "m.mar").write_text("old")
    text = "- {model-name: m, handler: handler.py, force: yes, no-checks: true, strict: false}\n"
    built(run, text)
    assert members(root / "m.mar") == {"handler.py"}


def test_defaults_anchors_aliases_and_merge_keys(root: Path, run: Command) -> None:
    built(
        run,
        """\
defaults: &all
  handler: handler.py
  version: 1
models:
  - &first
    model-name: first
    extra-files: &files [a.txt, b.txt]
  - <<: *first
    model-name: second
    version: 2
  - <<: [{model_name: third, version: 3}, *first, *all]
    serialized: weights.pt
  - {model-name: fourth, include: *files, handler: other.py}
""",
    )
    files = {name: members(root / f"{name}.mar") for name in ("first", "second", "third", "fourth")}
    assert files["first"] == files["second"] == {"handler.py", "a.txt", "b.txt"}
    assert files["third"] == {"handler.py", "a.txt", "b.txt", "weights.pt"}
    assert files["fourth"] == {"other.py", "a.txt", "b.txt"}
    assert [model(f"models/{name}.mar")["modelVersion"] for name in files] == ["1", "2", "3", "1"]


def test_json_with_tabs_and_escapes_loads(root: Path, run: Command) -> None:
    smile = "\N{SLIGHTLY SMILING FACE}"
    (root / f"{smile}.txt").write_text("x")
    text = json.dumps(
        [{"model-name": "m", "handler": "handler.py", "ext": [f"{smile}.txt"], "version": 1.5}], indent="\t"
    )
    assert "\\ud83d\\ude42" in text
    built(run, text.replace('": ', '":'), path="models/m.json")
    assert members(root / "m.mar") == {"handler.py", f"{smile}.txt"}
    assert model("models/m.mar")["modelVersion"] == "1.5"


def test_json_that_yaml_rejects_loads(root: Path, run: Command) -> None:
    text = '[{"model-name"\n:\t"m", "handler":"handler.py", "exclude": ["\\ud83d", "a\x7fb", "a\u2028b"]}]'
    built(run, text, path="models/m.json")
    assert members(root / "m.mar") == {"handler.py"}
    [error] = refused(run, json.dumps([{"model-name": "m", "k" * 2000: 1}]), path="models/n.json")
    assert error.startswith("1: unknown flag --kkk")


# Where paths start


def test_paths_start_in_the_folder_of_the_file_and_so_does_the_output(root: Path, run: Command) -> None:
    text = "- {model-name: m, handler: 'handler.py:handle', serialized-file: weights.pt, export-path: out/store}\n"
    built(run, text)
    assert members(root / "out/store/m.mar") == {"handler.py", "weights.pt"}
    assert model("models/out/store/m.mar")["handler"] == "handler.py:handle"


def test_root_says_where_paths_start(root: Path, run: Command) -> None:
    (root / "vllm_handler.py").write_text(HANDLER)  # a built-in handler is not a path
    text = "- {model-name: m, handler: handler.py}\n- {model-name: n, handler: vllm_handler, no-checks: true}\n"
    built(run, text, "--root", "models", path="file.yaml")
    assert members(root / "m.mar") == {"handler.py"}
    assert members(root / "n.mar") == set()


def test_absolute_paths_and_those_in_the_home_folder_stay(root: Path, run: Command, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    text = f"- {{model-name: m, handler: {root}/handler.py, ext: '~/a.txt', export-path: 'file://{root}/out'}}\n"
    built(run, text, path="file.yaml")
    assert members(root / "out/m.mar") == {"handler.py", "a.txt"}


def test_in_the_current_folder_messages_name_paths_as_they_are_written(root: Path, run: Command, monkeypatch) -> None:
    monkeypatch.chdir(root)
    result = run("build", write("- {model-name: m, handler: gone.py}\n", "models.yaml"))
    assert result.errors == [
        "m: gone.py: no such file or folder (--handler); paths are relative to the current folder [file-missing]"
    ]


def test_a_module_of_a_packed_folder_is_not_a_path(root: Path, run: Command, run_mms: Command) -> None:
    (root / "tree/pkg").mkdir(parents=True)
    (root / "tree/pkg/service.py").write_text(HANDLER)
    (root / "tree/handler.py").write_text(HANDLER + "# of the tree\n")
    text = "- {model-name: m, model-path: tree, handler: %s}\n"
    for handler in ("pkg.service:handle", "pkg/service.py:handle", "handler"):
        built(run, text % f"'{handler}'", "-f")
        assert members(root / "m.mar") == {"handler.py", "pkg/service.py"}
        assert model("models/m.mar")["handler"] == handler
        built(run_mms, text % f"'{handler}'", "-f")
        assert model("models/m.mar")["handler"] == handler


# Errors


def test_everything_that_is_wrong_is_said_at_once_with_its_line(root: Path, run: Command) -> None:
    text = """\
- model-name: a
  serialised-file: weights.pt
  runtime: pythn
- model-name: b
  version: [1]
  force: "true"
  extra-files: {a: b}
  jobs: 2
- handler: handler.py
- 7
- model-name: c
  strict: true
  no-checks: true
"""
    assert refused(run, text) == [
        "2: unknown flag --serialised-file; did you mean --serialized-file?",
        "3: argument --runtime: 'pythn' is not a valid choice; did you mean python?",
        "5: --version must be a string",
        "6: --force must be true or false",
        "7: --extra-files must be a string or a list of strings",
        "8: --jobs is for the whole run; give it on the command line",
        "9: the following arguments are required: --model-name; see torch-model-archiver build --help",
        "10: a model must be a mapping; write each flag as key: value",
        "13: argument --no-checks: not allowed with argument --strict; see torch-model-archiver build --help",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "- model-name: m\n\thandler: x\n",
            "2: is not valid YAML: this line is indented with a tab (column 1); use spaces",
        ),
        ("- [1\n", "2: is not valid YAML"),
        ("- {model-name: m}\n---\n- {model-name: n}\n", "2: is not valid YAML: a second document starts here"),
        ("- model-name: m\n  model_name: n\n", "2: the key 'model_name' repeats 'model-name' of line 1; remove"),
        ("- model-name: m\n  ver: 1\n  version: 2\n", "3: the key 'version' repeats 'ver' of line 2; remove"),
        ("- model-name: !env NAME\n", "1: --model-name must be a string"),
        ("- model-name: m\n  ? [a]\n  : b\n", "2: a key must be the name of a flag"),
        ("- &a {model-name: m, ext: [*a]}\n", "1: --extra-files must be a string or a list of strings"),
        ("- {model-name: m, <<: 7}\n", "1: a merged value (<<) must be a mapping"),
        ("", "1: has no list of models"),
        ("7", "1: has no list of models"),
        ("defaults: {}\n", "1: has no list of models"),
        ("- {}\n", "1: the following arguments are required: --model-name"),
        ("models:\n", "1: has no list of models"),
        ("models: []\nmodel: 1\n", "2: unknown key model; put it below defaults:"),
        ("defaults: 1\nmodels: [{model-name: m}]\n", "1: defaults must be a mapping"),
        ("models: {a: 1}", "1: models must be a list, not a mapping"),
        ("- {model-name: m, ignore: nope}", "1: --ignore unknown code nope"),
        (
            "- {model-name: m, serialised_file_remote: x}",
            "1: unknown flag --serialised-file-remote; did you mean --serialized-file-remote?",
        ),
        ("- {model-name: m, serialized_file_remote: [x]}", "1: --serialized-file-remote must be a string"),
        ("- {model-name: m, gen_scripted_file_path: {}}", "1: --gen-scripted-file-path must be a string"),
        (
            "- {model-name: m, serialized_file_remote: 'https://x/y/'}",
            "1: https://x/y/ does not end with the name of a file",
        ),
        ("[{model-name: m}, {model-name: m}]", "1: m is written to models/m.mar, as is the model in line 1; give"),
        ("- {model-name: m, version=3: x}", "1: unrecognized arguments: --version 3"),
        ('- {model-name: m, "": x}', "1: unrecognized arguments: --"),
        ('- {model-name: m, handler: "a\\0b"}', "1: handler does not take 'a\\x00b'"),
        ("- &a {model-name: m, <<: *a, nope: 1}", "1: unknown flag --nope"),
        ("- {model-name: m}\n- {model-name: m}\n", "2: m is written to models/m.mar, as is the model in line 1; give"),
        ("- {model-name: m}\n- {model-name: m, export-path: ../models/.}\n", "2: m is written to "),
        ("- {model-name: m}\n- {model-name: n\x07}\n", "2: is not UTF-8, or has a character"),
        ("[" * 100_000, "1: is not valid YAML"),
    ],
)
def test_an_error_is_one_line_with_its_line_number(root: Path, run: Command, text: str, error: str) -> None:
    errors = refused(run, text)
    assert errors[-1].startswith(error)
    assert len(errors) == 1


def test_a_file_that_is_not_utf8_is_an_error(root: Path, run: Command) -> None:
    Path("models/x.yaml").write_bytes("- model-name: m\n  version: \xe9\n".encode("latin-1"))
    result = run("build", "models/x.yaml")
    assert result.errors == [
        "models/x.yaml:2: is not UTF-8, or has a character that YAML does not allow; remove it, or save the file as "
        "UTF-8 [build-file]"
    ]


@pytest.mark.parametrize("item", ["[{}]", "{{<<: [{}]}}"])
def test_an_alias_bomb_of_nested_lists_or_merges_does_no_harm(root: Path, run: Command, item: str) -> None:
    below = {f"k{number}": f"k{number - 1}" for number in range(1, 12)}
    lines = [f"x{new}: &{new} {item.format(', '.join([f'*{old}'] * 9))}" for new, old in below.items()]
    text = "\n".join(["defaults: &k0 {version: 1}", *lines, "models: [{<<: *k11, model-name: m}]\n"])
    [error] = refused(run, text)
    assert error.startswith("2: unknown key xk1, xk2, xk3 and 8 more")
    models = "\n".join(["- &k0 {version: 1}", *(f"- {line.partition(' ')[2]}" for line in lines)])
    assert {error.partition(": ")[2].partition(";")[0] for error in refused(run, models)} <= {
        "a model must be a mapping",
        "the following arguments are required: --model-name",
    }


def test_an_alias_bomb_of_long_lists_is_one_error(root: Path, run: Command) -> None:
    lines = "\n".join(f"- {{model-name: m{number}, ext: *long}}" for number in range(3000))
    [error] = refused(run, f"- {{model-name: m, ext: &long [{'a.txt,' * 3000}]}}\n{lines}\n")
    assert error.startswith("1: its aliases (*name) expand to more than 1,000,000 values")


@pytest.mark.parametrize("name", ["gone.yaml", "models"])
def test_a_file_that_cannot_be_read_is_an_error(root: Path, run: Command, name: str) -> None:
    result = run("build", name)
    assert (result.status, len(result.errors)) == (1, 1)
    assert result.errors[0].startswith(f"{name}: ")


def test_a_name_that_is_not_there_is_a_usage_error_beside_the_others(root: Path, run: Command) -> None:
    path = write("- {model-name: mnist, nope: 1}\n- {model-name: other}\n")
    result = run("build", path, "minst", "other")
    assert (result.status, result.out) == (2, "")
    assert result.errors == [
        f"{path}:1: unknown flag --nope; see torch-model-archiver build --help [build-file]",
        f"{path}: has no model minst; did you mean mnist? [usage-invalid]",
    ]


def test_ten_thousand_models_are_read(root: Path, run: Command) -> None:
    lines = "".join(
        f"  - {{model-name: m{number}, <<: *all, serialized_file: weights.pt}}\n" for number in range(10_000)
    )
    built(run, f"defaults: &all {{handler: handler.py, version: 1.10}}\nmodels:\n{lines}", "m9999")
    assert members(root / "m9999.mar") == {"handler.py", "weights.pt"}


def test_two_models_without_a_name_have_one_error_each(root: Path, run: Command) -> None:
    assert refused(run, "- {model-name: [m]}\n- {model-name: {a: b}}\n") == [
        "1: --model-name must be a string",
        "2: --model-name must be a string",
    ]


def test_the_command_line_may_give_what_a_model_lacks(root: Path, run: Command) -> None:
    built(run, "- {handler: handler.py}\n", "--model-name", "m")
    assert members(root / "m.mar") == {"handler.py"}


# The public formats


MAR_CONFIG = """\
[
  {
    "model_name": "fastrcnn",
    "version": "1.0",
    "model_file": "examples/model.py",
    "serialized_file_remote": "fasterrcnn-258fb6c6.pth",
    "gen_scripted_file_path": "examples/script.py",
    "handler": "object_detector",
    "extra_files": "examples/index_to_name.json"
  },
  {
    "model_name": "mnist",
    "version": "1.0",
    "model_file": "examples/model.py",
    "serialized_file_local": "examples/mnist_cnn.pt",
    "handler": "examples/handler.py"
  }
]
"""


@pytest.fixture
def serve(work: Path) -> Path:
    """A repository of the form of TorchServe's, with its ``ts_scripts/mar_config.json``."""
    for folder in ("ts_scripts", "examples"):
        (work / folder).mkdir()
    (work / "ts_scripts/mar_config.json").write_text(MAR_CONFIG)
    (work / "examples/model.py").write_text("class Net:\n    pass\n")
    (work / "examples/handler.py").write_text(HANDLER)
    (work / "examples/script.py").write_text("open('ran', 'w')\n")
    (work / "examples/mnist_cnn.pt").write_bytes(b"weights")
    (work / "examples/index_to_name.json").write_text('{"0": "zero"}')
    return work


def test_mar_config_is_read(serve: Path, run: Command) -> None:
    words = ("ts_scripts/mar_config.json", "--root", ".", "--no-checks", "--export-path", "store")
    result = run("build", *words)
    assert result.status == 1
    assert result.errors == [
        "ts_scripts/mar_config.json:6: fasterrcnn-258fb6c6.pth does not exist; "
        "download fasterrcnn-258fb6c6.pth to there, or make it [build-file]"
    ]
    assert not Path("store").exists()
    assert run("build", *words, "mnist").status == 0
    Path("fasterrcnn-258fb6c6.pth").write_bytes(b"weights")
    assert run("build", *words, "-f").status == 0
    assert not Path("ran").exists()
    assert members(serve / "store/mnist.mar") == {"model.py", "mnist_cnn.pt", "handler.py"}
    assert members(serve / "store/fastrcnn.mar") == {"model.py", "fasterrcnn-258fb6c6.pth", "index_to_name.json"}
    assert model("store/fastrcnn.mar")["serializedFile"] == "fasterrcnn-258fb6c6.pth"


def properties(*names: str) -> str:
    models = [
        {
            "model-name": name,
            "version": "1.0",
            "model-file": "",
            "serialized-file": "net.pt",
            "extra-files": "a.txt,b.txt",
            "handler": "net_handler.py",
            "min-workers": number,
            "max-workers": number + 2,
            "batch-size": 4,
            "max-batch-delay": 0,
            "response-timeout": 60,
            "requirements": "",
        }
        for number, name in enumerate(names, 1)
    ]
    return json.dumps(models, indent=2)


@pytest.fixture
def store(work: Path) -> Path:
    """A model store of the form of KServe's, with its ``properties.json``."""
    for name in ("mnist", "densenet"):
        (work / "model-store" / name).mkdir(parents=True)
        for file in ("net.pt", "a.txt", "b.txt"):
            (work / "model-store" / name / file).write_text(f"{name} {file}")
        (work / "model-store" / name / "net_handler.py").write_text(HANDLER)
    (work / "model-store/properties.json").write_text(properties("mnist", "densenet"))
    return work / "model-store"


def test_properties_are_read_with_their_sub_folders(store: Path, run: Command) -> None:
    result = run("build", "model-store/properties.json")
    assert result.status == 0, result.err
    assert members(store / "mnist.mar") == {"net_handler.py", "net.pt", "a.txt", "b.txt"}
    note = "note: min-workers, max-workers, batch-size, max-batch-delay, response-timeout: no effect without --target "
    assert result.err.count(note) == 1
    [digest] = {json.loads(run("inspect", store / "mnist.mar", "--json").out)["files"][0]["sha256"]}
    assert digest != json.loads(run("inspect", store / "densenet.mar", "--json").out)["files"][0]["sha256"]


def test_workers_go_to_the_configuration_of_kserve_side_by_side(store: Path, run: Command) -> None:
    names = [f"net{number}" for number in range(12)]
    for name in names:
        (store / "mnist").rename(store / name) if name == "net0" else None
        if name != "net0":
            (store / name).mkdir()
            for file in (store / "net0").iterdir():
                (store / name / file.name).write_bytes(file.read_bytes())
    (store / "properties.json").write_text(properties(*names))
    result = run("build", "model-store/properties.json", "--target", "kserve", "--export-path", "out", "--jobs", 4)
    assert result.status == 0, result.err
    assert "no effect" not in result.err
    [line] = [
        line for line in Path("out/config/config.properties").read_text().splitlines() if "model_snapshot" in line
    ]
    snapshot = json.loads(line.partition("=")[2])
    assert snapshot["modelCount"] == 12
    wanted = {"batchSize": 4, "maxBatchDelay": 0, "responseTimeout": 60}
    for number, name in enumerate(names, 1):
        found = snapshot["models"][name]["1.0"]
        assert found | wanted | {"minWorkers": number, "maxWorkers": number + 2} == found


def test_a_setting_that_is_not_a_number_is_an_error(store: Path, run: Command) -> None:
    assert refused(
        run, "- model-name: m\n  min-workers: 0\n  batch-size: many\n  max-batch-delay: [1]\n", path="x.yaml"
    ) == [
        "2: argument --min-workers: '0' is not a number of 1 or more; give a whole number",
        "3: argument --batch-size: 'many' is not a number of 1 or more; give a whole number",
        "4: --max-batch-delay must be a string",
    ]


@pytest.mark.parametrize("key", ["requirements: a.txt", "min-workers: 1"])
def test_what_a_previous_build_wrote_is_not_taken_for_the_folder_of_a_model(root: Path, run: Command, key: str) -> None:
    text = f"- {{model-name: m, handler: handler.py, archive-format: no-archive, {key}}}\n"
    built(run, text)
    (root / "handler.py").write_text(HANDLER + "# changed\n")
    built(run, text, "-f")
    assert (root / "m/handler.py").read_text() == HANDLER + "# changed\n"


def test_more_workers_at_least_than_at_most_are_an_error(root: Path, run: Command) -> None:
    text = "- model-name: m\n  max-workers: 1\n  handler: handler.py\n  min-workers: 3\n"
    assert refused(run, text) == ["4: min-workers is 3, but max-workers is 1; give more of those"]


def test_an_ambiguous_key_is_one_error_in_its_line(root: Path, run: Command) -> None:
    [error] = refused(run, "- mode: 3\n  handler: handler.py\n  version: 1\n  model-name: a\n")
    assert error.startswith("1: ambiguous option: --mode could match ")


@pytest.mark.parametrize("key", ["dry-run", "jobs", "json", "root", "keep_going"])
def test_a_flag_of_the_whole_run_is_not_a_key(root: Path, run: Command, key: str) -> None:
    flag = f"--{key.replace('_', '-')}"
    [error] = refused(run, f"- model-name: m\n  handler: handler.py\n  {key}: 1\n")
    assert error == f"3: {flag} is for the whole run; give it on the command line"


def test_models_with_invalid_names_have_no_output_in_common(root: Path, run: Command) -> None:
    text = "- {model-name: a b, handler: handler.py}\n- {model-name: c d, handler: handler.py}\n"
    result = run("build", write(text), "--keep-going")
    assert [error.endswith("[name-invalid]") for error in result.errors] == [True, True]
