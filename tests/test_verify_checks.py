"""What packaging finds in the files is found again in an archive of any format, from what is kept while it is read."""

from __future__ import annotations

import json

import pytest

FORMATS = {"default": "m.mar", "zip-store": "m.mar", "tgz": "m.tar.gz", "no-archive": "m"}
NET = "import torch\n\nclass Net(torch.nn.Linear):\n    def __init__(self):\n        super().__init__(4, 2)\n"
LARGE = 3 << 20
"""More than is kept of the ends of a file, so that its middle is not there any more."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Weights with a middle that is let go."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("saved")
    net = torch.nn.Linear(4, LARGE // 4)
    torch.save(net.state_dict(), folder / "state.pt")
    torch.jit.trace(net, torch.zeros(1, 4)).save(folder / "script.pt")
    torch.save({"weight": torch.zeros(LARGE), "args": torch.nn.ReLU()}, folder / "unsafe.pt")
    (folder / "cut.pt").write_bytes((folder / "state.pt").read_bytes()[:-1000])
    (folder / "net.py").write_text(NET)
    (folder / "two.py").write_text(NET + "\nclass Other:\n    pass\n")
    (folder / "handler.py").write_text("def predict(data, context):\n    return data\n")
    (folder / "config.yaml").write_text("minWorkers: 1\nmaxWorkers: 1\nbatch_size: 2\n")
    (folder / "empty.yaml").write_text("")
    (folder / "index_to_name.json").write_text("[]")
    return folder


CASES = {
    "a state_dict without its class": ("weights-without-model-file", "--serialized-file {0}/state.pt"),
    "TorchScript with a class": ("weights-with-model-file", "--serialized-file {0}/script.pt --model-file {0}/net.py"),
    "weights cut short": ("weights-unreadable", "--serialized-file {0}/cut.pt --model-file {0}/net.py"),
    "weights of what is not safe": ("weights-unsafe", "--serialized-file {0}/unsafe.pt --model-file {0}/net.py"),
    "two classes": ("model-file-class", "--serialized-file {0}/state.pt --model-file {0}/two.py"),
    "no function": ("handler-entry", "--handler {0}/handler.py"),
    "a misspelt key": ("config-unknown-key", "--serialized-file {0}/script.pt --config-file {0}/config.yaml"),
    "an empty config": ("config-invalid", "--serialized-file {0}/script.pt --config-file {0}/empty.yaml"),
    "labels": ("labels-invalid", "--serialized-file {0}/script.pt --extra-files {0}/index_to_name.json"),
}


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize(("code", "words"), CASES.values(), ids=CASES.keys())
def test_it_is_found_in_the_archive_too(work, run, saved, code, words, archive_format):
    words = ("--model-name", "m", *words.format(saved).split(), "--archive-format", archive_format)
    errors = run(*words, "--strict").errors
    assert [line.rpartition("[")[2] for line in errors] == [f"{code}]"]
    assert run(*words, "--no-checks").status == 0
    result = run("verify", FORMATS[archive_format], "--json", "--strict")
    assert result.status == 1
    (issue,) = json.loads(result.out)["problems"]
    assert (issue["code"], issue["level"]) == (code, "error")
    assert not issue["path"].startswith(str(saved))
    assert issue["message"] in errors[0]


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_correct_archive_gives_no_word(work, run, saved, archive_format):
    for name, words in {
        "m": ("--serialized-file", saved / "script.pt"),
        "n": ("--serialized-file", saved / "state.pt", "--model-file", saved / "net.py"),
    }.items():
        assert run("--model-name", name, *words, "--archive-format", archive_format, "--strict").status == 0
        output = FORMATS[archive_format].replace("m", name, 1)
        assert json.loads(run("verify", output, "--json", "--strict").out)["problems"] == []


def test_kept_content_is_bounded_and_other_content_is_not_checked(work, run, saved):
    many = work / "many"
    many.mkdir()
    for number in range(40):
        (many / f"{number:02}.bin").write_bytes(bytes(LARGE))
    words = ("--model-name", "m", "--serialized-file", saved / "state.pt", "--archive-format", "no-archive")
    assert run(*words, "--extra-files", many, "--no-checks").status == 0
    assert json.loads(run("verify", "m", "--json").out)["problems"] == []
