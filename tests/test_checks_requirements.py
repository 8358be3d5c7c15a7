"""A requirements file is judged as pip reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.steps import counted


def split(text: str) -> list[str]:
    return [line.strip() for line in text.split("|")]


ACCEPTED = split(r"""
numpy | numpy==1.26.4 | numpy == 1.26.4 | numpy==1.26.* | numpy!=1.25.*,>=1.24 | numpy>=1.26,<3 | numpy (>=1.26) |
numpy~=1.26.0 | numpy===1.26.4 | NumPy_With.dots-and_dashes | torch==2.0.0+cu118 | torch>=2.0.0rc1 | torch==2!1.0 |
transformers[torch,sentencepiece]>=4.30 | transformers [torch] >= 4.30 | transformers[] |
importlib-metadata; python_version < "3.8" | importlib-metadata;python_version<'3.8' |
pywin32==306 ; sys_platform == "win32" and (python_version >= "3.6" or extra == 'x') | numpy # a comment |
   # only a comment | numpy ; | -i https://example.invalid/simple | --index-url https://example.invalid/simple |
--index-url=https://example.invalid/simple | --extra-index-url https://example.invalid/whl/cpu |
--extra https://example.invalid/whl/cpu | --pypi-url https://example.invalid/whl/cpu |
-f https://example.invalid/whl/torch_stable.html | -fhttps://example.invalid/whl/torch_stable.html |
--find-links wheels/ | --no-index | --pre | --prefer-binary | --require-hashes | --no-binary :all: |
--only-binary=:none: | --trusted-host example.invalid | --no-index --find-links wheels |
torch -f https://example.invalid/whl/torch_stable.html |
torch==2.0.0 --hash=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 |
torch==2.0.0 --hash sha512:9b71 --hash sha384:59e1 |
git+https://example.invalid/org/project.git |
git+https://example.invalid/org/project.git@main#egg=project&subdirectory=sub |
git+ssh://git@example.invalid/org/project.git@v1.0 | -e git+https://example.invalid/org/project.git#egg=project |
--editable=git+https://example.invalid/org/project.git#egg=project | https://example.invalid/project-1.0.zip |
https://example.invalid/project-1.0-py3-none-any.whl |
https://example.invalid/project-1.0.tar.gz ; python_version > "3" | project @ https://example.invalid/project-1.0.zip |
project@https://example.invalid/project-1.0.zip |
project[extra] @ git+https://example.invalid/org/project.git@main ; python_version > "3" |
project @ file:///opt/wheels/project-1.0-py3-none-any.whl | file:///opt/wheels/project-1.0-py3-none-any.whl |
/opt/wheels/project-1.0-py3-none-any.whl | https://${TOKEN}@example.invalid/project-1.0.zip | requirements.txt
""")

ELSEWHERE = split(r"""
-r /etc/base.txt | -c https://example.invalid/c.txt | -r file:base.txt | -e /opt/package | ~/a-1.0.zip |
-e git+https://example.invalid/a.git | -e .\package | .\a-1.0.whl | -r ${HOME}/base.txt | -f wheels |
-e "a @ git+https://example.invalid/a.git" | ${PACKAGE} | file:./a-1.0.zip | -r C:/base.txt | -e . |
-r "with space.txt" | -r base.txt -c more.txt | torch --global-option -v
""")
"""Lines whose verdict depends on the server's own files, or that are too rare to be judged."""

NAME = "write a name, or one with versions such as numpy>=1.26,<3"
CONDITION = 'is not a valid condition; write one such as python_version >= "3.9"'
NO_NAMES = split("""
numpy 1.26 | numpy=>1.26 | numpy==1.26 torch | numpy, torch | numpy#egg | numpy[extra | _numpy | numpy>=1.0[extra] |
"numpy" | name: env | [packages] | ==1.0 | numpy>=1.0 and <2.0
""")
REFUSED_FROM_24_1 = ["numpy==", "numpy>=1.26.*", "pytz>dev", "pytz==2004a-stable", "torch>=1.0.0+cpu.*", "attrs<~=1.0"]
WHEEL = "is not a wheel's name; write the name that the wheel was built with, such as NAME-1.0-py3-none-any.whl"
REFUSED = {
    **{
        line: f"{name!r} {WHEEL}"
        for line, name in {
            "/opt/wheels/ours-1.0-py3-any.whl": "ours-1.0-py3-any.whl",
            "/opt/ours-1.0-py3-none-any-1.whl ; python_version > '3'": "ours-1.0-py3-none-any-1.whl",
            "https://example.invalid/whl/ours.whl": "ours.whl",
        }.items()
    },
    **{
        line: f"{line!r} has a single =; write NAME==VERSION to require one version"
        for line in ("numpy=1.26", "numpy=1.26=py311")
    },
    "pip install numpy": "'pip install numpy' is a command; write only the names of the packages",
    **{f"numpy; {marker}": f"{marker!r} {CONDITION}" for marker in ("python_version", "python > 3", "os_name == a")},
    **{
        line: f"pip does not accept {line.split()[0]} in a file; remove it"
        for line in ("--upgrade numpy", "-U numpy", "--user")
    },
    "numpy --upgrade": "pip does not accept --upgrade in a file; remove it",
    **{line: f"{line!r} is not a requirement; {NAME}" for line in (*NO_NAMES, *REFUSED_FROM_24_1)},
}
NOT_JUDGED = ["-numpy", "-r", "--index-url", "--no-index=yes", "--trusted-host 'a", "numpy --hash=md5:9001"]
"""Lines that pip rejects too. Another version of pip may have other options."""


@pytest.fixture
def judged(model: Path, run: Command):
    def judge(text: str | bytes, *words: object) -> list[str]:
        (model / "requirements.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        flags = ("--handler", "handler.py", "--requirements-file", "requirements.txt", "--dry-run")
        result = run("--model-name", "m", *flags, *words)
        return [line for line in (*result.errors, *result.warnings) if "[requirements-" in line]

    return judge


def test_no_problem_in_a_line_that_pip_accepts_or_may_accept(judged) -> None:
    assert judged("\n".join([*ACCEPTED, *ELSEWHERE, *NOT_JUDGED])) == []


@pytest.mark.parametrize(("line", "why"), REFUSED.items())
def test_a_line_that_pip_rejects(judged, line: str, why: str) -> None:
    assert judged(f"torch\n\n{line}\n") == [f"requirements.txt:3: {why} [requirements-invalid]"]


CONDA = "is in a folder of conda, which the server does not have; write NAME==VERSION"
ELSEWHERE_ONLY = {
    "ours @ https://example.invalid/ours-latest.whl#sha256=2cf24d": f"'ours-latest.whl' {WHEEL}",
    "ours @ file:///opt/ours-1.0.whl": f"'ours-1.0.whl' {WHEEL}",
    "python": "pip cannot install 'python'; remove it",
    "python>=3.8,<3.12": "pip cannot install 'python'; remove it",
    "pkg-resources==0.0.0": "pip cannot install 'pkg-resources'; remove it",
    "pkg_resources": "pip cannot install 'pkg_resources'; remove it",
    "pytorch==1.13.0": "pip cannot install 'pytorch'; write torch",
    **{
        f"{name} @ file:///{folder}/{name}": f"'{name} @ file:///{folder}/{name}' {CONDA}"
        for name, folder in {
            "certifi": "croot/certifi_1690232220950",
            "six": "home/conda/feedstock_root/build_artifacts/six_1620240208055",
            "tqdm": "tmp/build/80754af9/tqdm_1650891076910",
        }.items()
    },
}
"""Lines that pip reads without an error, and cannot install on a server."""


@pytest.mark.parametrize(("line", "why"), ELSEWHERE_ONLY.items())
def test_a_line_that_pip_cannot_install_on_a_server(judged, line: str, why: str) -> None:
    assert judged(f"torch\n{line}\n") == [f"requirements.txt:2: {why} [requirements-invalid]"]


INSTALLABLE = split("""
python-dateutil | pytorch-lightning==2.0 | pytorch_metric_learning | opencv-python | Pillow | pillow[PIL] |
PIL; python_version < "3" | python @ https://example.invalid/python-1.0.zip |
-e git+https://example.invalid/PIL#egg=PIL |
croot | ours @ file:///opt/build/ours | ours @ file:///home/me/croot.zip | ours-1.0-py3-none-any.whl |
ours-1.0-1-py3-none-any.whl | ours-1.0-2b-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl |
https://example.invalid/torch-2.0.0%2Bcpu-cp311-cp311-linux_x86_64.whl | https://example.invalid/get?file=ours.whl |
https://example.invalid/ours.zip#egg=ours.whl | ours-1.0-py3-none-any.whl[extra] | --find-links ours.whl
""")


def test_lines_that_look_alike_are_silent(judged, model: Path) -> None:
    for name in ("ours-1.0-py3-none-any.whl", "ours-1.0-1-py3-none-any.whl"):
        (model / name).write_bytes(b"")
    (model / "ours-1.0-2b-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl").write_bytes(b"")
    assert judged("\n".join(INSTALLABLE), "--extra-files", "ours*.whl") == []


@pytest.mark.parametrize("name", ["my_model_package.whl", "wheels/ours-1.0.whl", "ours.WHL.whl"])
def test_a_packed_wheel_needs_the_name_of_a_wheel_too(judged, model: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"")
    [line] = judged(f"{name}\n", "--include", name.partition("/")[0])
    assert line == f"requirements.txt:1: {Path(name).name!r} {WHEEL} [requirements-invalid]"


@pytest.mark.filterwarnings("ignore")
def test_real_pip_agrees(tmp_path: Path) -> None:
    """Let pip parse the lines. It installs nothing, and asks no index."""
    pip = pytest.importorskip("pip")
    from pip._internal.network.session import PipSession  # noqa: PLC0415
    from pip._internal.req.constructors import install_req_from_parsed_requirement  # noqa: PLC0415
    from pip._internal.req.req_file import parse_requirements  # noqa: PLC0415

    def accepts(line: str) -> bool:
        (tmp_path / "asked.txt").write_text(line, encoding="utf-8")
        try:
            for parsed in parse_requirements(str(tmp_path / "asked.txt"), session=PipSession()):
                install_req_from_parsed_requirement(parsed)
        except (Exception, SystemExit):  # noqa: BLE001 - pip rejects a line with many kinds of exceptions
            return False
        return True

    is_new = tuple(map(int, pip.__version__.split(".")[:2])) >= (24, 1)
    assert [line for line in ACCEPTED if not accepts(line)] == []
    refused = (line for line in (*REFUSED, *NOT_JUDGED) if is_new or line not in REFUSED_FROM_24_1)
    assert [line for line in refused if accepts(line)] == []


MISSING = "is not in the archive, where pip looks for it"
LOCAL = [
    ("-r base.txt", "-r base.txt"),
    ("--requirement=base.txt", "-r base.txt"),
    ("-c sub/constraints.txt", "-c sub/constraints.txt"),
    ("-e ./package[extra]", "-e ./package"),
    ("-e package", "-e package"),
    ("./package", "./package"),
    ("wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl"),
    ("a-1.0.tar.gz[extra] ; python_version > '3'", "a-1.0.tar.gz"),
    ("./a-1.0.ZIP", "./a-1.0.ZIP"),
    *((line, line) for line in ("-r ../base.txt", "-e ..", "../wheels/a-1.0-py3-none-any.whl")),
]


@pytest.mark.parametrize(("line", "what"), LOCAL)
def test_a_file_or_folder_that_is_not_in_the_archive(judged, line: str, what: str) -> None:
    hint = "pack it with --include or --extra-files, and name its path in the archive"
    assert judged(f"torch\n{line}\n") == [f"requirements.txt:2: {what} {MISSING}; {hint} [requirements-local]"]


def test_what_is_packed_is_found_and_not_read(judged, model: Path) -> None:
    (model / "sub" / "package").mkdir(parents=True)
    (model / "sub" / "package" / "setup.py").write_text("")
    (model / "sub" / "a-1.0-py3-none-any.whl").write_bytes(b"")
    (model / "sub" / "more.txt").write_text("numpy=1\n-r gone.txt\n-r ../requirements.txt\n")
    (model / "base.txt").write_text("torch\n")
    text = "-r base.txt\n-rsub/more.txt\n-e sub/package\n./sub/package[x]\nsub/a-1.0-py3-none-any.whl\n"
    assert judged(text, "--include", "sub", "--extra-files", "base.txt") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\ntorch \\\n# inside\nnumpy=1\n", 4),
        ("\ufefftorch\nnumpy=1".encode(), 2),
        ("torch --hash=sha256:a \\\n  --hash=sha256:b\nnumpy=1", 3),
    ],
)
def test_a_problem_has_the_line_where_the_requirement_begins(judged, text: str | bytes, number: int) -> None:
    [line] = judged(text)
    assert line.startswith(f"requirements.txt:{number}: 'numpy")


@pytest.mark.parametrize("text", ["torch\nnumpy \\\n  =1\n", "# no \\\nnumpy=1\n", "torch \\\nnumpy=1"])
def test_a_line_of_several_parts_is_not_judged(judged, text: str) -> None:
    assert judged(text) == []


def test_the_encoding(judged) -> None:
    for text in (
        "# grün\nnumpy=1\n".encode("latin-1"),
        *map("numpy=1\n".encode, ("utf-16", "utf-32")),
    ):
        assert judged(text) == []


@pytest.mark.parametrize("depth", [21, 199, 200, 201, 485, 4000])
@pytest.mark.parametrize("operator", ["==", "??"])
def test_a_line_that_a_library_refuses_is_not_a_mistake(judged, depth: int, operator: str) -> None:
    """Newer versions of packaging reject more than 200 parentheses, and older ones exhaust the stack."""
    assert judged(f"numpy; {'(' * depth}os_name {operator} 'a'{')' * depth}\n") == []


def test_a_line_too_long_to_be_a_requirement_is_not_judged(judged) -> None:
    [line] = judged("numpy" + "=" * 2000 + "\n?\n")
    assert line.startswith("requirements.txt:2: '?' is not a requirement")


def test_few_of_many_mistakes_are_reported(judged) -> None:
    lines = judged("?\n-r gone.txt\n" * 10_000)
    assert [line.split(":")[1] for line in lines] == [*map(str, range(1, 40, 2)), *map(str, range(2, 41, 2))]


@pytest.mark.parametrize("text", ["-r " + "x" * 900, "-e ./" + "x" * 900, "x=" + "1" * 900, "x; " + "y" * 900])
def test_a_problem_fits_on_one_line(judged, text: str) -> None:
    [line] = judged(text)
    assert len(line) < 400


LARGE = {
    "spaces": "numpy" + " " * 200_000 + "=1",
    "comment": "numpy" + " " * 200_000 + "#",
    "continued": "torch>=1\\\n" * 20_000,
    "brackets": "torch" + "[" * 200_000,
    "lines": "-r more.txt\n" * 2000,
    "bytes": "\n" * (1 << 22),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_file_takes_few_steps(judged, model: Path, kind: str) -> None:
    for number in range(200):
        (model / f"r{number}.txt").write_text(f"-r r{number + 1}.txt\n" * 2)
    (model / "more.txt").write_text("-r requirements.txt\n-r r0.txt\n" + "torch\n" * 500)
    names = ",".join(["more.txt", *(f"r{number}.txt" for number in range(200))])
    lines, steps = counted(lambda: judged(LARGE[kind], "--extra-files", names))
    assert lines == []
    assert steps < 2_000_000


def test_strict_refuses_a_warning_and_the_runtime_lsp_has_none(judged) -> None:
    assert judged("numpy=1", "--strict") != []
    assert judged("numpy=1", "--runtime", "LSP", "--handler", "BaseHandler") == []
