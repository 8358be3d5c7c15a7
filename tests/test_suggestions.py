"""What was likely meant by a flag, a command or a value that does not exist: one right suggestion, or none."""

from __future__ import annotations

import pytest

from model_archiver.core.text import likely_meant
from tests.conftest import Command
from tests.packing import MODEL

FLAGS = """
    -h --help --tool-version --model-name --serialized-file --model-file --handler -v --version -r --requirements-file
    -c --config-file --runtime --extra-files --model-path --include --exclude --samples --export-path --archive-format
    --target -f --force --deflate --link --strict --no-checks --test --test-python --test-timeout
    --install-requirements --dry-run -j --jobs --ignore --json --output-format --quiet --debug
"""
VERIFY_FLAGS = "-h --help --strict --max-size --ignore --json --output-format --quiet --debug"
EXTRACT_FLAGS = "-h --help --to -f --force --max-size --json --quiet --debug"
TEST_FLAGS = """
    -h --help --input --form --expect --content-type --tolerance --cases --batch-size --device --envelope --python
    --timeout --install-requirements --log --max-size --ignore --json --output-format --quiet --debug
"""
COMMANDS = "inspect verify extract diff test build explain completion help version"
FORMATS = ["default", "zip-store", "tgz", "no-archive"]
CODES = ["handler-entry", "handler-class", "file-missing", "name-leading-digit", "trial-timeout", "weights-keys"]

FLAG_MISTAKES = {
    "--model-name": "--modle-name --mode-name --model_name --modelname --model-names --Model-Name --name",
    "--model-file": "--model-flie --modelfile",
    "--model-path": "--model-pth --modelpath --models-path",
    "--serialized-file": "--serialised-file --serialzied-file --serialized-fiel --serialized",
    "--handler": "--handlr --hander --hadnler --handler-file --model-handler",
    "--version": "--verison --versoin --model-version",
    "--tool-version": "--tool-verison --toolversion",
    "--requirements-file": "--requirement-file --requirements --requirments-file",
    "--config-file": "--configfile --conf-file --config-fiel",
    "--runtime": "--run-time --runtimes --rumtime",
    "--extra-files": "--extra-file-list --extrafiles --extra-flies --extra_files --files",
    "--include": "--inlcude --includes --include-files",
    "--exclude": "--exlude --excludes --exclude-files",
    "--samples": "--smaples --samples-file",
    "--export-path": "--exprot-path --export_path --exportpath",
    "--archive-format": "--archive-fromat --archiveformat --archive-fmt",
    "--output-format": "--outputformat --output-fromat --output_format",
    "--target": "--taget --tagret",
    "--force": "--froce --forced",
    "--link": "--lnik --links",
    "--strict": "--stirct --strikt --strict-mode",
    "--no-checks": "--nochecks --no_checks --no-cheks --no-check",
    "--test": "--tset --tests --test-model",
    "--test-python": "--python --test-pyton",
    "--test-timeout": "--timeout --test-timout --testtimeout",
    "--install-requirements": "--install-requirments --installrequirements",
    "--dry-run": "--dryrun --dry_run --dry-rnu",
    "--ignore": "--ignore-warnings --ignored --ignroe",
    "--json": "--jsno --jsn --json-output",
    "--quiet": "--quite --queit",
    "--debug": "--debgu --dbug --debug-mode",
    "--help": "--hlep --help-all --hepl",
}
NO_FLAGS = """
    --output --out --output-dir --output-path --output-file --out-dir --outdir --dest --path --file --dir
    --model-dir --model-folder --model-filename --model-type --model --weights --weights-file --checkpoint
    --state-dict --entrypoint --verbose --silent --overwrite --replace --yes --format --platform --compress
    --hardlink --check --checks --no-strict --no-force --no-test --skip-test --no-verify --simulate --threads
    --workers --target-dir --python-version --input --envelope --device --batch-size --max-size --list --info
    --clean --zzzzzz
"""
COMMAND_MISTAKES = {
    "inspect": "inspct insepct inspects inspect-archive INSPECT ins",
    "verify": "verfiy verifiy verity verify-all verify_archive",
    "extract": "extrct extarct extract-all ext",
    "diff": "dif diffs dfif",
    "test": "tset tets tests test-archive test-model",
    "build": "biuld bulid builds build-many build-all",
    "explain": "explan explian exlpain",
    "completion": "completions compeltion",
    "help": "hlep help-all",
    "version": "versoin verison",
}
NO_COMMANDS = """
    list ls info show pack package archive create make unpack unzip expand export compare check validate run serve
    convert install init upload digits digits.mar model.pt models.yaml build.yaml ver x d --
"""


def pairs(mistakes: dict[str, str], wrong: str = "") -> list[tuple[str, str | None]]:
    right = [(given, meant) for meant, words in mistakes.items() for given in words.split()]
    return [*right, *((given, None) for given in wrong.split())]


@pytest.mark.parametrize(("given", "meant"), pairs(FLAG_MISTAKES, NO_FLAGS))
def test_a_flag_of_packaging(given: str, meant: str | None) -> None:
    assert likely_meant(given, FLAGS.split()) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    pairs(
        {
            "--timeout": "--test-timeout --timout",
            "--python": "--test-python --pyhton",
            "--input": "--inputs --input-file",
            "--expect": "--expected",
            "--tolerance": "--tolerence",
            "--batch-size": "--batchsize --max-batch-size",
            "--log": "--logs",
        },
        "--size --min-size --limit --force --strict --model-name --output --verbose",
    ),
)
def test_a_flag_of_the_command_test(given: str, meant: str | None) -> None:
    assert likely_meant(given, TEST_FLAGS.split()) == meant


@pytest.mark.parametrize("known", [VERIFY_FLAGS.split(), EXTRACT_FLAGS.split()])
@pytest.mark.parametrize("given", ["--test-timeout", "--output", "--output-dir", "--batchsize", "--limit", "--archive"])
def test_a_flag_that_a_command_lacks_is_like_none_of_its_own(given: str, known: list[str]) -> None:
    assert likely_meant(given, known) is None
    assert likely_meant("--size", known) == "--max-size"


@pytest.mark.parametrize(("given", "meant"), pairs(COMMAND_MISTAKES, NO_COMMANDS))
def test_a_command(given: str, meant: str | None) -> None:
    assert likely_meant(given, COMMANDS.split()) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    pairs(
        {"zip-store": "zip zip-stor zip_store store", "tgz": "TGZ tgzz", "no-archive": "noarchive no_archive"},
        "archive rar mar folder none",
    ),
)
def test_a_value_of_a_flag(given: str, meant: str | None) -> None:
    assert likely_meant(given, FORMATS) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    pairs(
        {
            "handler-entry": "handler_entry handler-entries",
            "name-leading-digit": "leading-digit name-leading-digits",
            "trial-timeout": "timeout",
            "file-missing": "filemissing file-missng",
        },
        "handler unknown-flag E501 all",
    ),
)
def test_a_code(given: str, meant: str | None) -> None:
    assert likely_meant(given, CODES) == meant


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([*MODEL, "--name", "n"], "unknown flag --name; did you mean --model-name? [flag-unknown]"),
        ([*MODEL, "--overwrite"], "unknown flag --overwrite; see torch-model-archiver --help [flag-unknown]"),
        ([*MODEL, "--verbose"], "unknown flag --verbose; see torch-model-archiver --help [flag-unknown]"),
        ([*MODEL, "--ignore-warnings"], "unknown flag --ignore-warnings; did you mean --ignore? [flag-unknown]"),
        ([*MODEL, "--no-strict"], "unknown flag --no-strict; see torch-model-archiver --help [flag-unknown]"),
        (["test", "m.mar", "--test-timeout=3"], "unknown flag --test-timeout; did you mean --timeout? [flag-unknown]"),
        ([*MODEL, "--archive-format", "zip"], "'zip' is not a valid choice; did you mean zip-store? [usage-invalid]"),
        (["unpack", "m.mar"], "unknown command unpack; see torch-model-archiver --help [command-unknown]"),
        (["verify-archive", "m.mar"], "unknown command verify-archive; did you mean verify? [command-unknown]"),
    ],
)
def test_the_commands_print_it(work, run: Command, words: list[str], error: str) -> None:
    result = run(*words)
    assert result.status == 2
    assert [line.removeprefix("argument --archive-format: ") for line in result.errors] == [error]
