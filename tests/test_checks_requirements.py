"""A requirements file is judged as pip reads it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import Command, Result
from tests.test_readme import ROOT

ACCEPTED = r"""
numpy
numpy==1.26.4
numpy == 1.26.4
numpy==1.26.*
numpy!=1.25.*,>=1.24
numpy>=1.26,<3
numpy (>=1.26)
numpy~=1.26.0
numpy===1.26.4
NumPy_With.dots-and_dashes
torch==2.0.0+cu118
torch>=2.0.0rc1
torch==2!1.0
transformers[torch,sentencepiece]>=4.30
transformers [torch] >= 4.30
transformers[]
importlib-metadata; python_version < "3.8"
importlib-metadata;python_version<'3.8'
pywin32==306 ; sys_platform == "win32" and (python_version >= "3.6" or extra == 'x')
numpy # a comment
   # only a comment
numpy ;
-i https://example.invalid/simple
--index-url https://example.invalid/simple
--index-url=https://example.invalid/simple
--extra-index-url https://example.invalid/whl/cpu
--extra https://example.invalid/whl/cpu
--pypi-url https://example.invalid/whl/cpu
-f https://example.invalid/whl/torch_stable.html
-fhttps://example.invalid/whl/torch_stable.html
--find-links wheels/
--no-index
--pre
--prefer-binary
--require-hashes
--no-binary :all:
--only-binary=:none:
--trusted-host example.invalid
--no-index --find-links wheels
torch -f https://example.invalid/whl/torch_stable.html
torch==2.0.0 --hash=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
torch==2.0.0 --hash sha512:9b71 --hash sha384:59e1
git+https://example.invalid/org/project.git
git+https://example.invalid/org/project.git@main#egg=project&subdirectory=sub
git+ssh://git@example.invalid/org/project.git@v1.0
-e git+https://example.invalid/org/project.git#egg=project
--editable=git+https://example.invalid/org/project.git#egg=project
https://example.invalid/project-1.0.zip
https://example.invalid/project-1.0-py3-none-any.whl
https://example.invalid/project-1.0.tar.gz ; python_version > "3"
project @ https://example.invalid/project-1.0.zip
project@https://example.invalid/project-1.0.zip
project[extra] @ git+https://example.invalid/org/project.git@main ; python_version > "3"
project @ file:///opt/wheels/project-1.0-py3-none-any.whl
file:///opt/wheels/project-1.0-py3-none-any.whl
/opt/wheels/project-1.0-py3-none-any.whl
https://${TOKEN}@example.invalid/project-1.0.zip
requirements.txt
""".strip("\n").splitlines()

REFUSED = {
    "numpy=1.26": "'numpy=1.26' has a single =; write == for one version",
    "numpy=1.26=py311": "'numpy=1.26=py311' is a line of conda's; write the file with pip list --format=freeze",
    "numpy 1.26": "'numpy 1.26' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy=>1.26": "'numpy=>1.26' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy==1.26 torch": "'numpy==1.26 torch' is no requirement;"
    " write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy, torch": "'numpy, torch' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy#egg": "'numpy#egg' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy[extra": "'numpy[extra' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy>=1.0[extra]": "'numpy>=1.0[extra]' is no requirement;"
    " write a name, or one with versions, as in numpy>=1.26,<3",
    "-numpy": None,  # an option that this pip, or another one, may have
    "_numpy": "'_numpy' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    '"numpy"': "'\"numpy\"' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "name: env": "'name: env' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "[packages]": "'[packages]' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "==1.0": "'==1.0' is no requirement; write a name, or one with versions, as in numpy>=1.26,<3",
    "numpy>=1.0 and <2.0": "'numpy>=1.0 and <2.0' is no requirement;"
    " write a name, or one with versions, as in numpy>=1.26,<3",
    "pip install numpy": "'pip install numpy' is a command; write the names of the packages only",
    "numpy; python_version": "'python_version' is no condition;"
    ' write one such as python_version >= "3.9" after the semicolon',
    "numpy; python > 3": "'python > 3' is no condition;"
    ' write one such as python_version >= "3.9" after the semicolon',
    "numpy; python_version >= 3.9": "'python_version >= 3.9' is no condition;"
    ' write one such as python_version >= "3.9" after the semicolon',
    "-r": "-r option requires 1 argument; see pip's manual of requirements files",
    "--index-url": "--index-url option requires 1 argument; see pip's manual of requirements files",
    "--no-index=yes": "--no-index option does not take a value; see pip's manual of requirements files",
    "--upgrade numpy": "--upgrade is for the command only; leave it out",
    "numpy --upgrade": "--upgrade is for the command only; leave it out",
    "-U numpy": "-U is for the command only; leave it out",
    "--user": "--user is for the command only; leave it out",
    "--trusted-host 'a": "a quote is not closed; close it",
    "numpy --hash=md5:900150983cd24fb0d6963f7d28e17f72": "--hash=md5:900150983cd24fb0d6963f7d28e17f72 is none that"
    " it knows; write --hash=sha256:... or --hash=sha384:... or --hash=sha512:...",
    "numpy --hash=900150983cd24fb0": "--hash=900150983cd24fb0 is none that it knows;"
    " write --hash=sha256:... or --hash=sha384:... or --hash=sha512:...",
}

REFUSED_FROM_24_1 = {
    line: f"{line!r} is no requirement; write a name, or one with versions, as in numpy>=1.26,<3"
    for line in ("numpy==", "numpy>=1.26.*", "pytz>dev", "pytz==2004a-stable", "torch>=1.0.0+cpu.*", "attrs<~=1.0")
}


@pytest.fixture
def judged(model: Path, run: Command):
    """What is said of a requirements file."""

    def judge(text: str | bytes, *words: object) -> Result:
        (model / "requirements.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        flags = ("--handler", "handler.py", "--requirements-file", "requirements.txt", "--dry-run")
        return run("--model-name", "m", *flags, *words)

    return judge


def said(result: Result) -> list[str]:
    assert result.status == 0, result.err
    return [line for line in result.warnings if "[requirements-" in line]


def test_what_pip_accepts_is_no_matter(judged) -> None:
    assert len(ACCEPTED) > 50
    assert said(judged("\n".join(ACCEPTED))) == []


@pytest.mark.parametrize(("line", "why"), [*REFUSED.items(), *REFUSED_FROM_24_1.items()])
def test_what_pip_refuses_is_told(judged, line: str, why: str | None) -> None:
    told = [f"requirements.txt:3: pip refuses this line: {why} [requirements-invalid]"] if why else []
    assert said(judged(f"torch\n\n{line}\n")) == told


def test_real_pip_thinks_the_same() -> None:
    pytest.importorskip("pip")
    refused = [*REFUSED, *(REFUSED_FROM_24_1 if tuple(map(int, version("pip").split(".")[:2])) >= (24, 1) else ())]
    asked = json.dumps([*ACCEPTED, *refused])
    command = [sys.executable, "-m", "tests.pip_lines"]
    done = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    assert [line for line, answer in zip(ACCEPTED, answers, strict=False) if not answer] == []
    assert [line for line, answer in zip(refused, answers[len(ACCEPTED) :], strict=True) if answer] == []


LOCAL = [
    ("-r base.txt", "-r base.txt", "base.txt"),
    ("--requirement=base.txt", "-r base.txt", "base.txt"),
    ("-c sub/constraints.txt", "-c sub/constraints.txt", "sub/constraints.txt"),
    ("-e ./package[extra]", "./package", "package"),
    ("-e package", "package", "package"),
    ("./package", "./package", "package"),
    ("wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl"),
    ("a-1.0.tar.gz[extra] ; python_version > '3'", "a-1.0.tar.gz", "a-1.0.tar.gz"),
    ("./a-1.0.ZIP", "./a-1.0.ZIP", "a-1.0.ZIP"),
]


@pytest.mark.parametrize(("line", "what", "path"), LOCAL)
def test_what_lies_beside_the_file_and_not_in_the_archive(judged, line: str, what: str, path: str) -> None:
    text = f"requirements.txt:2: {what} is not in the archive, where pip looks for it;"
    assert said(judged(f"torch\n{line}\n")) == [
        f"{text} pack it as {path}, with --include or --extra-files [requirements-local]"
    ]


@pytest.mark.parametrize("line", ["-r ../base.txt", "-e ..", "../wheels/a-1.0-py3-none-any.whl"])
def test_what_lies_above_the_model_can_never_be_there(judged, line: str) -> None:
    told = "is not in the archive, where pip looks for it; name something that can be packed below the model's folder"
    assert said(judged(line)) == [f"requirements.txt:1: {line.removeprefix('-e ')} {told} [requirements-local]"]


def test_what_is_packed_is_found_and_read_too(judged, model: Path) -> None:
    (model / "sub" / "package").mkdir(parents=True)
    (model / "sub" / "package" / "setup.py").write_text("")
    (model / "sub" / "a-1.0-py3-none-any.whl").write_bytes(b"")
    (model / "sub" / "more.txt").write_text("numpy=1\n-r most.txt\n-c ../base.txt\n-e sub/package\n")
    (model / "sub" / "most.txt").write_text("-r ../requirements.txt\n-r gone.txt\n")
    (model / "base.txt").write_text("torch\n")
    text = (
        "-r base.txt\n-r sub/more.txt\n-r sub/more.txt\n-e sub/package\n./sub/package[x]\nsub/a-1.0-py3-none-any.whl\n"
    )
    assert said(judged(text, "--include", "sub", "--extra-files", "base.txt")) == [
        "sub/more.txt:1: pip refuses this line: 'numpy=1' has a single =;"
        " write == for one version [requirements-invalid]",
        "sub/most.txt:1: pip refuses this line: -r ../requirements.txt leads back to a file that names this one;"
        " leave it out [requirements-invalid]",
        "sub/most.txt:2: -r gone.txt is not in the archive, where pip looks for it;"
        " pack it as sub/gone.txt, with --include or --extra-files [requirements-local]",
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("-r /etc/base.txt", "-c https://example.invalid/c.txt", "-r file:base.txt", "-e /opt/package", "~/a-1.0.zip"),
        *("-e git+https://example.invalid/a.git", r"-e .\package", r".\a-1.0.whl", "-r ${HOME}/base.txt", "-f wheels"),
        *('-e "a @ git+https://example.invalid/a.git"', "${PACKAGE}", "file:./a-1.0.whl", "-r C:/base.txt", "-e ."),
    ],
)
def test_what_cannot_be_judged_is_left_alone(judged, line: str) -> None:
    assert said(judged(line)) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("torch\nnumpy \\\n  =1\n", 2),
        ("# no \\\nnumpy=1\n", 2),
        ("\ntorch \\\n# inside\nnumpy=1\n", 4),
        ("\ufefftorch\nnumpy=1".encode(), 2),
        ("torch\r\nnumpy=1".encode("utf-16"), 2),
        ("# -*- coding: latin-1 -*-\n# grün\nnumpy=1".encode("latin-1"), 3),
        ("torch --hash=sha256:a \\\n  --hash=sha256:b\nnumpy=1", 3),
    ],
)
def test_the_line_is_the_one_where_it_begins(judged, text: str | bytes, number: int) -> None:
    [line] = said(judged(text))
    assert line.startswith(f"requirements.txt:{number}: pip refuses this line: 'numpy")


def test_what_is_no_text_is_told(judged) -> None:
    line = "requirements.txt: is no text in UTF-8; save it as UTF-8 [requirements-invalid]"
    assert said(judged("# grün\nnumpy\n".encode("latin-1"))) == [line]
    assert said(judged(b"# coding: nonsense\n\xff\n")) == []


def test_a_bomb_does_no_harm(judged, model: Path) -> None:
    begin = time.monotonic()
    judged("numpy" + " " * 200_000 + "=1")
    judged("torch>=1\\\n" * 20_000)
    judged("torch\n" * 40_000)
    judged("torch" + "[" * 200_000)
    chain = [model / f"r{number}.txt" for number in range(400)]
    for number, path in enumerate(chain):
        path.write_text(f"-r r{number + 1}.txt\n" * 2)
    judged("-r r0.txt", "--extra-files", ",".join(path.name for path in chain))
    assert time.monotonic() - begin < 30


def test_strict_refuses_and_lsp_has_none(judged) -> None:
    assert judged("numpy=1", "--strict").status == 1
    assert said(judged("numpy=1", "--runtime", "LSP", "--handler", "BaseHandler")) == []
