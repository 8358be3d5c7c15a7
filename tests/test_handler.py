"""How ``--handler`` resolves, and what the manifest says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_archiver.model_packaging_utils import model_handlers
from tests.archives import manifest, members, output
from tests.conftest import Command
from tests.packing import make, packed, refused

CODE = "def handle(data, context):\n    return data\n\n\nentry = entry_2 = run = handle\n"


def _entry() -> str:
    return manifest(output("m"))["model"]["handler"]


@pytest.mark.parametrize("name", sorted(model_handlers))
def test_a_built_in_handler_packs_nothing(work, run: Command, name: str) -> None:
    assert packed(run, "--handler", name, "--no-checks") == set()
    assert _entry() == name


def test_a_built_in_handler_comes_before_a_file(work, run: Command) -> None:
    make("image_classifier.py", text=CODE)
    assert packed(run, "--handler", "image_classifier", "--no-checks") == set()
    assert packed(run, "-f", "--handler", "image_classifier.py") == {"image_classifier.py"}


@pytest.mark.parametrize(
    ("given", "kind"), [("/dev/zero", "device"), ("/dev/zero:entry", "device"), ("d/sub", "folder")]
)
def test_a_device_or_a_folder_is_refused_as_what_it_is(work, run: Command, given: str, kind: str) -> None:
    make("d/sub/h.py", text=CODE)
    [error] = refused(run, "--handler", given)
    assert error.startswith(f"{given.partition(':')[0]}: is a {kind}, not a file (--handler); ")
    [error] = refused(run, "--handler", "base_handler", "--serialized-file", "/dev/zer", "--no-checks")
    assert "did you mean" not in error


@pytest.mark.parametrize("name", ["BaseHandler", "TorchScriptHandler"])
def test_the_handlers_of_lsp_are_built_in_there_only(work, run: Command, name: str) -> None:
    assert packed(run, "--handler", name, "--runtime", "LSP") == set()
    assert "file-missing" in refused(run, "-f", "--handler", name)[0]


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        ("h.py", "h.py"),
        ("h", "h"),
        ("./h.py", "h.py"),
        ("h.py:entry", "h.py:entry"),
        ("h:entry", "h:entry"),
        ("src/deep/k.py", "k.py"),
        ("src/deep/k", "k"),
        ("src/deep/k.py:entry_2", "k.py:entry_2"),
        ("src/deep/k:entry", "k:entry"),
        ("dir.py/k.py", "k.py"),
        ("dir.py/k.py:entry", "k.py:entry"),
        ("dir.py/k", "k"),
        ("v1.2/k.py", "k.py"),
        ("a:b/k.py", "k.py"),
    ],
)
def test_a_file_goes_to_the_root_and_the_manifest_has_its_base_name(work, run: Command, given, entry) -> None:
    make("h.py", "src/deep/k.py", "dir.py/k.py", "v1.2/k.py", "a:b/k.py", text=CODE)
    module = entry.partition(":")[0].removesuffix(".py")
    assert packed(run, "--handler", given) == {f"{module}.py"}
    assert packed(run, "-f", "--handler", Path(given).absolute()) == {f"{module}.py"}
    assert _entry() == entry


def test_a_file_with_dots_in_its_name_keeps_them(work, run: Command) -> None:
    make("my.handler.py", text=CODE)
    assert packed(run, "--handler", "my.handler.py", "--no-checks") == {"my.handler.py"}


MODULES = ("svc", "svc.py", "pkg.svc", "pkg", "pkg/svc.py", "pkg/svc", "with-dash")


@pytest.mark.parametrize("given", [*MODULES, *(f"{module}:run" for module in MODULES)])
@pytest.mark.parametrize("server", ["torch", "mms"])
def test_a_module_of_model_path_is_named_as_it_is_given(work, run: Command, run_mms: Command, given, server) -> None:
    make("d/svc.py", "d/with-dash.py", "d/pkg/__init__.py", "d/pkg/svc.py", text=CODE)
    command = run if server == "torch" else run_mms
    assert command("--model-name", "m", "--model-path", "d", "--handler", given).status == 0
    assert members(output("m")) == {"svc.py", "with-dash.py", "pkg/__init__.py", "pkg/svc.py"}
    assert _entry() == given


def test_model_path_comes_before_built_in_handlers_and_files(work, run: Command) -> None:
    make("d/h.py", "h.py", text=CODE)
    Path("h.py").write_text(f"different = 1\n{CODE}")
    assert packed(run, "--model-path", "d", "--handler", "h.py") == {"h.py"}
    make("d/image_classifier.py", text=CODE)
    assert packed(run, "-f", "--model-path", "d", "--handler", "image_classifier") == {"h.py", "image_classifier.py"}


def test_a_file_outside_of_model_path_is_packed_too(work, run: Command) -> None:
    make("d/a.py", "h.py", text=CODE)
    assert packed(run, "--model-path", "d", "--handler", "h.py:handle") == {"a.py", "h.py"}
    assert _entry() == "h.py:handle"


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["--extra-files", "d"], "svc:handle"),
        (["--extra-files", "d"], "pkg.svc:handle"),
        (["--include", "d/pkg"], "pkg.svc:handle"),
        (["--include", "d/svc.py"], "svc.py"),
    ],
)
def test_a_module_that_other_flags_pack_serves_too(work, run: Command, words, given: str) -> None:
    make("d/svc.py", "d/pkg/__init__.py", "d/pkg/svc.py", text=CODE)
    assert run("--model-name", "m", *words, "--handler", given).status == 0
    assert _entry() == given


WRONG = {
    "image_clasifier": (
        "image_clasifier: is not a built-in handler, and there is no such file (--handler); "
        "did you mean image_classifier? [file-missing]"
    ),
    "src/my_servce.py:handle": (
        "src/my_servce.py: no such file or folder (--handler); did you mean src/my_service.py? [file-missing]"
    ),
    "folder.py": "folder.py: is a folder, not a file (--handler)",
    "model.pt": "a .py file",
    "handler.py:": "handler.py:handle",
    "handle.py": "did you mean handler.py?",
    "b.txt": "b.txt: no such file or folder (--handler)",
    "vlm_handler.pyc": "vlm_handler.pyc: no such file or folder (--handler); paths are relative",
    "src": "src: is a folder, not a file (--handler)",
    "my_service.py": "my_service.py: no such file or folder (--handler); did you mean MyService.py? [file-missing]",
    "my_service": "my_service.py: no such file or folder (--handler); did you mean MyService.py? [file-missing]",
    "my-service.py:run": "did you mean MyService.py?",
    "handler.oy": "handler.oy: no such file or folder (--handler); did you mean handler.py? [file-missing]",
    "handler.handle": "did you mean handler.py?",
    "vlm_handler": "did you mean vllm_handler?",
    "text_clasifier": "did you mean text_classifier?",
    # Nothing near: a built-in handler is not near to a file or a path, nor is every name with _handler.
    "my_handler.py": "my_handler.py: no such file or folder (--handler); did you mean handler.py? [file-missing]",
    "my_handler": "my_handler.py: no such file or folder (--handler); did you mean handler.py? [file-missing]",
    "my_own_trt_handler": "my_own_trt_handler.py: no such file or folder (--handler); paths are relative",
    "lib/vllm_handler": "lib/vllm_handler.py: no such file or folder (--handler); the folder lib does not exist",
    "secret.py": "secret.py: no such file or folder (--handler); paths are relative",
    "compiled.py": "compiled.py: no such file or folder (--handler); paths are relative",
    "nothing.onnx": "nothing.onnx: no such file or folder (--handler); paths are relative",
}


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_handler_is_refused_with_what_to_do(model, run: Command, given: str) -> None:
    make("src/my_service.py", "MyService.py", "our_service.py", ".secret.py", "compiled.pyc", "folder.py/x", text=CODE)
    [error] = refused(run, "--handler", given)
    assert error.startswith(given.removesuffix(":handle").removesuffix(":run"))
    assert WRONG[given] in error


@pytest.mark.parametrize("given", ["myhandler", "myhandler.so"])
def test_the_lsp_runtime_takes_a_shared_library(work, run: Command, given: str) -> None:
    Path("myhandler.so").write_bytes(b"\x7fELF")
    assert packed(run, "--runtime", "LSP", "--handler", given) == {"myhandler.so"}
    assert _entry() == given


def test_mms_names_the_modules_of_the_folder(work, run_mms: Command) -> None:
    make("d/svc.py", "d/pkg/x.py", text=CODE)
    result = run_mms("--model-name", "m", "--model-path", "d", "--handler", "serve:handle")
    assert (result.status, result.out, len(result.lines)) == (1, "", 1)
    assert result.err.startswith("model-archiver: error: ")
    assert "choose from pkg/x.py, svc.py" in result.errors[0]


@pytest.mark.parametrize("given", ["toolkit.handler_service", "toolkit.handler_service:handle", "lib/svc.py:handle"])
def test_mms_takes_a_handler_that_is_installed_with_the_server_with_a_warning(work, run_mms: Command, given) -> None:
    make("d/other.py", "lib/svc.py", text=CODE)
    words = ["--model-path", "d", "--archive-format", "no-archive", "--handler", given]
    result = run_mms("--model-name", "m", *words)
    assert result.status == 0, result.err
    assert ["handler-outside" in warning for warning in result.warnings] == [True]
    assert members(Path("m")) == {"other.py"}
    assert manifest(Path("m"))["model"]["handler"] == given


INSTALLED = ("toolkit.handler_service", "toolkit.serving.svc:handle", "a.b.c.d")


@pytest.mark.parametrize("given", INSTALLED)
def test_a_handler_that_is_installed_with_the_server_gives_a_warning(model, run: Command, given: str) -> None:
    words = ("--model-name", "m", "--serialized-file", "model.pt", "--extra-files", "model.py", "--handler", given)
    result = run(*words)
    outside = f"{given}: is not a file and is not packed (--handler); install it where the server runs"
    assert (result.status, result.warnings) == (0, [f"{outside} [handler-outside]"]), result.err
    assert members(output("m")) == {"model.pt", "model.py"}
    assert _entry() == given
    assert "[handler-outside]" in run("verify", "m.mar").warnings[0]
    assert run(*words, "-f", "--strict").status == 1


def test_a_handler_that_is_here_and_is_not_packed_gives_a_warning_with_the_flag(work, run: Command) -> None:
    make("pkg/sub/svc.py", "my.svc.py", text=CODE)
    [warning] = run("--model-name", "m", "--handler", "pkg.sub.svc").warnings
    assert warning.endswith("; add --include pkg [handler-outside]")
    assert packed(run, "-f", "--handler", "pkg.sub.svc", "--include", "pkg") == {"pkg/sub/svc.py"}
    assert packed(run, "-f", "--handler", "my.svc", "--no-checks") == {"my.svc.py"}


@pytest.mark.parametrize("given", ["weights.pt", "net.onnx", "svc.pyc", "notes.txt", "a b.c", "1.2", "a..b", "x/y.z"])
def test_what_is_no_name_of_a_module_is_a_missing_file(work, run: Command, given: str) -> None:
    assert "[file-missing]" in refused(run, "--handler", given)[0]


@pytest.mark.parametrize("given", ["pkg.svce:handle", "svce.py", "pkg/svce.py:handle", "none", "none.txt"])
def test_mms_refuses_a_mistyped_module_of_the_folder(work, run_mms: Command, given: str) -> None:
    make("d/pkg/svc.py", "d/svc.py", text=CODE)
    result = run_mms("--model-name", "m", "--model-path", "d", "--handler", given)
    assert result.status == 1
    assert "handler-missing" in result.errors[0]
