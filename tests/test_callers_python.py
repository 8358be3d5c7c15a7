"""The Python forms in which public code calls the archiver."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import model_archiver
from model_archiver import ModelArchiver, ModelArchiverConfig, model_packaging
from model_archiver.arg_parser import ArgParser
from model_archiver.commands.diff import Difference, FieldChange, FileChange
from model_archiver.commands.extract import Extraction
from model_archiver.core.problems import Problem
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.manifest_components.manifest import Manifest, RuntimeType
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.model_packaging import ModelExportUtils, generate_model_archive, package_model
from model_archiver.model_packaging_utils import archiving_options, model_handlers
from model_archiver.trial.report import TrialAnswer, TrialReport
from tests.archives import MANIFEST, contents, manifest, members, output
from tests.packing import MODEL, make

REQUEST: dict[str, Any] = {
    "model_name": "m",
    "handler": "handler.py",
    "version": "1.0",
    "serialized_file": "model.pt",
    "model_file": "model.py",
    "extra_files": "index_to_name.json",
    "runtime": "python",
    "export_path": ".",
    "archive_format": "default",
    "force": False,
    "requirements_file": None,
}
UPSTREAM_FIELDS = (*REQUEST, "config_file")
PACKED = {"handler.py", "model.pt", "model.py", "index_to_name.json"}


class OwnClass:
    """A caller's own class; it has no config_file."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Validated:
    """An object that answers for its fields alone, as pydantic's models do."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name)
        return self._values[name]


KINDS = [argparse.Namespace, SimpleNamespace, OwnClass, Validated, ModelArchiverConfig]


def build(**values: Any) -> Path:
    generate_model_archive(SimpleNamespace(**{"model_name": "m", "handler": "vllm_handler", **values}))
    return output("m")


def refusal(**values: Any) -> ModelArchiverError:
    with pytest.raises(ModelArchiverError) as raised:
        build(**values)
    assert not output("m").exists()
    return raised.value


def test_every_name_is_found_where_callers_import_it_from() -> None:
    from model_archiver.model_archiver import ModelArchiver as of_module  # noqa: N813, PLC0415
    from model_archiver.model_archiver_config import ModelArchiverConfig as config_of_module  # noqa: N813, PLC0415
    from model_archiver.model_packaging import ModelArchiverConfig as config_of_packaging  # noqa: N813, PLC0415
    from model_archiver.model_packaging_utils import ModelExportUtils as utils_of_shelf  # noqa: N813, PLC0415

    assert of_module is ModelArchiver
    assert config_of_module is config_of_packaging is ModelArchiverConfig
    assert utils_of_shelf is ModelExportUtils
    assert model_archiver.ModelArchiverError is ModelArchiverError
    assert model_packaging.ArgParser is ArgParser
    assert RuntimeType("python3") is RuntimeType.PYTHON3
    assert isinstance(Manifest, type)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = model_archiver.no_such_name


@pytest.mark.parametrize(
    "module",
    ["model_packaging", "model_packaging_utils", "model_archiver", "arg_parser", "manifest_components.manifest"],
)
def test_the_modules_are_attributes_of_the_package_without_an_import(module: str) -> None:
    code = f"import model_archiver; print(model_archiver.{module}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"model_archiver.{module}\n"


@pytest.mark.parametrize(
    "call",
    [
        ModelArchiver.generate_model_archive,
        lambda config: ModelArchiver.generate_model_archive(config=config),
        ModelArchiver().generate_model_archive,
        generate_model_archive,
        lambda config: generate_model_archive(config=config),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_generate_model_archive_packages_and_returns_nothing(model, capfd, kind, call) -> None:
    assert call(kind(**REQUEST)) is None
    assert members(output("m")) == PACKED
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "call",
    [
        package_model,
        lambda args, text: package_model(args, manifest=text),
        lambda args, text: package_model(args=args, manifest=text),
        lambda args, text: package_model(config=args, manifest=text),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_package_model_takes_any_object_and_its_manifest(model, kind, call) -> None:
    args = kind(**REQUEST)
    assert call(args, ModelExportUtils.generate_manifest_json(args)) is None
    assert members(output("m")) == PACKED
    assert manifest(output("m"))["model"]["serializedFile"] == "model.pt"


@pytest.mark.parametrize("name", ["args", "config"])
def test_generate_manifest_json_takes_its_argument_by_either_name(model, name: str) -> None:
    text = ModelExportUtils.generate_manifest_json(**{name: SimpleNamespace(**REQUEST)})
    assert json.loads(text)["model"]["handler"] == "handler.py"


def test_an_object_may_lack_nearly_everything(model) -> None:
    generate_model_archive(SimpleNamespace(model_name="m", checks=False))  # the default handler wants weights
    assert manifest(output("m"))["model"] == {"modelName": "m", "handler": "base_handler", "modelVersion": "1.0"}


def test_none_and_empty_strings_mean_that_nothing_is_given(model) -> None:
    empty = dict.fromkeys(UPSTREAM_FIELDS, None) | {"model_name": "m", "extra_files": "", "requirements_file": ""}
    assert members(build(**empty, checks=False)) == set()  # the default handler wants weights


@pytest.mark.parametrize(
    "extra_files",
    [
        ["model.py", "index_to_name.json"],
        ("model.py", Path("index_to_name.json")),
        ["model.py,index_to_name.json", "", None],
        "model.py, index_to_name.json",
        {"model.py", "index_to_name.json"},
        (path for path in (Path("model.py"), "index_to_name.json")),
    ],
)
def test_extra_files_may_be_any_iterable(model, extra_files) -> None:
    assert members(build(extra_files=extra_files, include={"handler.py"})) == PACKED - {"model.pt"}


def test_every_path_may_be_a_path_object(model) -> None:
    Path("config.yaml").write_text("minWorkers: 1\n")
    Path("requirements.txt").write_text("numpy\n")
    make("d/deep.txt")
    config = ModelArchiverConfig(
        model_name="m",
        handler=Path("handler.py"),
        serialized_file=Path("model.pt").absolute(),
        model_file=Path("model.py"),
        extra_files=Path("index_to_name.json"),
        export_path=Path("out"),
        requirements_file=Path("requirements.txt"),
        config_file=Path("config.yaml"),
        model_path=Path("d"),
        include=Path("d"),
    )
    generate_model_archive(config)
    packed = members(Path("out/m.mar"))
    assert packed == PACKED | {"requirements.txt", "config.yaml", "deep.txt", "d/deep.txt"}
    assert manifest(Path("out/m.mar"))["model"]["handler"] == "handler.py"
    assert manifest(Path("out/m.mar"))["model"]["serializedFile"] == "model.pt"


@pytest.mark.parametrize(("version", "written"), [(1, "1"), (0, "0"), (2.5, "2.5"), ("base", "base"), (None, "1.0")])
def test_a_version_may_be_a_number(model, version, written: str) -> None:
    assert manifest(build(version=version))["model"]["modelVersion"] == written


def test_force_may_be_none(model) -> None:
    build(force=None)
    with pytest.raises(ModelArchiverError, match="already exists"):
        build(force=None)
    build(force=True)


def test_a_pattern_to_exclude_may_be_one_string(work) -> None:
    make("d/a.txt", "d/t", "d/*")
    assert members(build(include="d", exclude="*.txt")) == {"d/t", "d/*"}


def test_a_manifest_of_the_callers_own_is_written_as_it_is_given(model) -> None:
    text = '{"model": {"modelName": "m", "handler": "handler.py", "mine": [1, "ü"]},\n "runtime":"python", "own": null}'
    package_model(SimpleNamespace(**REQUEST), text)
    assert contents(output("m"))[MANIFEST] == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "no json", "[1]", "null", "[" * 100_000, b"{}", {"model": {}}, '{"runtime": "\udce9"}'),
        *('{"model": []}', '{"model": "x"}', '{"model": null}'),
    ],
)
def test_a_manifest_that_is_not_a_json_object_is_refused(model, text: Any) -> None:
    with pytest.raises(ModelArchiverError, match="manifest-invalid"):
        package_model(SimpleNamespace(**REQUEST), text)
    assert not output("m").exists()


def test_generate_model_archive_without_a_config_reads_the_command_line(model, monkeypatch) -> None:
    words = ["prog", "--model-name", "m", "--handler", "handler.py"]
    monkeypatch.setattr(sys, "argv", words)
    generate_model_archive()
    assert members(output("m")) == {"handler.py"}
    monkeypatch.setattr(sys, "argv", [*words, "--force"])
    ModelArchiver.generate_model_archive()
    monkeypatch.setattr(sys, "argv", ["prog", "--model-flie", "x"])
    with pytest.raises(ModelArchiverError, match="did you mean --model-file"):
        generate_model_archive()


@pytest.mark.parametrize(("words", "extra_files"), [(["a,b"], "a,b"), (["a,b", "c"], ["a,b", "c"])])
def test_arg_parser_makes_a_config(monkeypatch, words, extra_files) -> None:
    flags = [word for value in words for word in ("--extra-files", value)]
    monkeypatch.setattr(sys, "argv", ["prog", *MODEL, *flags, "-f"])
    config = ArgParser.export_model_args_parser()
    assert isinstance(config, ModelArchiverConfig)
    assert (config.model_name, config.force, config.extra_files) == ("m", True, extra_files)


@pytest.mark.parametrize("flags", [["--dry-run"], ["--json"], ["--dry-run", "--json"]])
def test_a_script_that_reads_the_command_line_refuses_flags_that_it_would_ignore(model, monkeypatch, flags) -> None:
    monkeypatch.setattr(sys, "argv", ["prog", *MODEL, *flags])
    with pytest.raises(ModelArchiverError) as raised:
        generate_model_archive()
    assert [str(issue).partition(":")[0] for issue in raised.value.problems] == flags
    assert not output("m").exists()


def test_arg_parser_may_be_patched_as_a_name_of_model_packaging(model, monkeypatch) -> None:
    patched = SimpleNamespace(export_model_args_parser=lambda: SimpleNamespace(**REQUEST))
    monkeypatch.setattr("model_archiver.model_packaging.ArgParser", patched)
    generate_model_archive()
    assert members(output("m")) == PACKED


def test_model_packaging_may_be_loaded_by_its_path(model) -> None:
    spec = importlib.util.spec_from_file_location("model_packaging", model_packaging.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate_model_archive(module.ModelArchiverConfig(**REQUEST))
    assert members(output("m")) == PACKED


def test_the_config_has_upstreams_fields_in_upstreams_order() -> None:
    fields = dataclasses.fields(ModelArchiverConfig)
    assert tuple(field.name for field in fields[: len(UPSTREAM_FIELDS)]) == UPSTREAM_FIELDS
    without_default = [field.name for field in fields if field.default is dataclasses.MISSING]
    assert without_default == ["model_name"]


def test_the_config_may_be_made_by_position(model) -> None:
    values = ["m", "handler.py", "2", "model.pt", "model.py", None, "python3", "out", "zip-store", True, None, None]
    generate_model_archive(ModelArchiverConfig(*values))
    generate_model_archive(ModelArchiverConfig(*values))
    assert members(Path("out/m.mar")) == {"handler.py", "model.pt", "model.py"}
    assert manifest(Path("out/m.mar"))["runtime"] == "python3"


@dataclasses.dataclass
class Extended(ModelArchiverConfig):
    owner: str = "nobody"


class Annotated(ModelArchiverConfig):
    note: str
    LIMIT: ClassVar[int] = 3


@pytest.mark.parametrize("config_class", [ModelArchiverConfig, Extended, Annotated])
def test_the_config_is_a_dataclass(config_class) -> None:
    config = config_class("m", runtime="python3")
    assert vars(config) == dataclasses.asdict(config)
    assert dataclasses.replace(config, version="2") == config_class("m", runtime="python3", version="2") != config
    assert config.__eq__(3) is NotImplemented
    assert config_class.__match_args__ == tuple(field.name for field in dataclasses.fields(config))
    with pytest.raises(TypeError, match="unhashable"):
        hash(config)
    with pytest.raises(TypeError, match="nope"):
        config_class("m", nope=1)


def test_a_dataclass_that_derives_from_the_config_has_its_own_fields() -> None:
    assert Extended("m", owner="me").__replace__(version="2") == Extended("m", version="2", owner="me")
    assert Extended.from_args(SimpleNamespace(model_name="m", owner="me")) == Extended("m", owner="me")


def test_the_package_lists_its_public_names() -> None:
    assert dir(model_archiver) == sorted(model_archiver.__all__)


@pytest.mark.parametrize(
    "report",
    [ArchiveEntry, ArchiveReport, Difference, Extraction, FieldChange, FileChange, Problem, TrialAnswer, TrialReport],
)
def test_help_describes_every_field_of_a_report(report) -> None:
    shown = pydoc.plain(pydoc.render_doc(report))
    assert re.findall(r"^ \|      (\w+): ", shown, re.MULTILINE) == list(report._fields)


def test_from_args_reads_a_namespace() -> None:
    config = ModelArchiverConfig.from_args(argparse.Namespace(model_name="m", version=3, force=None, mine=1))
    assert config == ModelArchiverConfig(model_name="m", version=3)


def test_the_export_path_is_the_working_directory_at_the_time_of_the_call(model, tmp_path, monkeypatch) -> None:
    config = ModelArchiverConfig(model_name="m", handler="vllm_handler")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    generate_model_archive(config)
    assert [path.name for path in elsewhere.iterdir()] == ["m.mar"]
    assert not (model / "m.mar").exists()


@pytest.mark.parametrize("field", ["serialized_file", "model_file", "handler", "requirements_file", "config_file"])
def test_a_missing_input_is_a_file_not_found_error_of_ours(model, field: str) -> None:
    error = refusal(**{**REQUEST, field: "nowhere/none.x"})
    assert isinstance(error, FileNotFoundError)
    assert "nowhere/none.x" in str(error)


def test_an_error_carries_every_problem(model) -> None:
    error = refusal(model_name="m..", model_file="none.py", runtime="perl")
    assert [issue.code for issue in error.problems] == ["value-invalid", "name-invalid", "file-missing"]
    assert str(error) == "\n".join(map(str, error.problems))


def test_the_checks_run_for_callers_in_python_too(model) -> None:
    assert "version-unservable" in str(refusal(version="a/b"))
    assert "name-leading-digit" in str(refusal(model_name="1m", strict=True))
    build(version="a/b", checks=False)


def test_warnings_go_to_the_log(model, caplog) -> None:
    build(model_name="1m")
    assert ["name-leading-digit" in record.getMessage() for record in caplog.records] == [True]
    assert caplog.records[0].levelname == "WARNING"


def test_the_options_and_handlers_are_those_of_upstream() -> None:
    assert archiving_options == {"tgz": ".tar.gz", "no-archive": "", "zip-store": ".mar", "default": ".mar"}
    assert model_handlers["image_classifier"] == "vision"
    assert model_handlers["text_classifier"] == "text"
    assert {"base_handler", "image_segmenter", "object_detector", "dali_image_classifier"} < model_handlers.keys()


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert model_archiver.__version__ == importlib.metadata.version("torch-model-archiver")


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(model_archiver.__file__).with_name("py.typed").is_file()


NOT_PATHS = (3, ["w.pt"], b"w.pt", "a\0b", "a\ud800b", {}, 1.5)
INVALID_VALUES = [
    ("archive_format", "tgzz", "^--archive-format: 'tgzz' is not a valid choice; did you mean tgz"),
    ("runtime", "perl", "choose one of"),
    ("model_name", "", "no name"),
    ("model_name", "a/b", "name-invalid"),
    *(("jobs", value, "value-invalid") for value in (-1, "4", True)),
    *(("deflate", value, "value-invalid") for value in ("sometimes", 3)),
    ("server", "MMS", "value-invalid"),
]
WRONG_KINDS = {
    "model_name": (3, Path("m"), ["m"], b"m"),
    "version": (["1"], b"1", True),
    "extra_files": (3, [["handler.py"]], b"handler.py", [3], {"handler.py": 1}, ["a\0b"]),
    "include": (3, [b"d"]),
    "exclude": (3, [3], [b"*.txt"]),
    "force": ("no", [False]),
    "strict": ("yes",),
    **dict.fromkeys(("handler", "serialized_file", "model_file"), NOT_PATHS),
    **dict.fromkeys(("export_path", "requirements_file", "config_file", "model_path"), NOT_PATHS),
}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        *INVALID_VALUES,
        *((field, value, f"^{field}: .*value-invalid") for field in WRONG_KINDS for value in WRONG_KINDS[field]),
    ],
)
def test_a_value_that_a_field_cannot_have_is_refused(model, field: str, value: object, message: str) -> None:
    error = refusal(**{**REQUEST, field: value})
    assert re.search(message, str(error)), error
    assert len(error.problems) == 1
    assert not isinstance(error, FileNotFoundError)


def test_values_of_wrong_kinds_are_reported_at_once(model) -> None:
    error = refusal(model_name=3, serialized_file=["w.pt"], exclude=3)
    assert [issue.path for issue in error.problems] == ["model_name", "serialized_file", "exclude"]
