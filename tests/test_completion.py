"""Completion in real shells: each loads its script, and says what it would offer after the last word."""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from model_archiver.cli.command_parser import command_parser
from model_archiver.cli.completion import completion_script
from model_archiver.cli.parser import MMS, TORCH, mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import ModelArchiverError
from model_archiver.core.request import Platform
from tests.packing import make

pytest.importorskip("shtab")
pty = pytest.importorskip("pty")

Offers = Callable[[str], list[str]]
ROOT = Path(__file__).parent.parent
SECONDS = 60  # within which a shell answers; it needs a fraction of one
CHECKS = {"bash": ("bash", "-n"), "zsh": ("zsh", "-f", "-n"), "fish": ("fish", "--no-config", "-n")}
FILES = ["model.pt", "model.py", "my file.pt"]

# What bash does before it calls the function: it splits the line at spaces, and before and after = and :, and keeps
# backslashes.
BASH = """\
source "$1"
line=${2//\\\\ /$'\\a'}
line=${line//=/ = }
read -r -a COMP_WORDS <<< "${line//:/ : }"
COMP_WORDS=("${COMP_WORDS[@]//$'\\a'/\\\\ }")
[[ $2 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
registered=$(complete -p "${COMP_WORDS[0]}")
registered=${registered##*-F }
"${registered%% *}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# compadd is what a completion function calls with what it offers; with -O, -A or -D it offers nothing.
ZSH = """\
autoload -Uz compinit && compinit -D -u
compadd() {
  local -a hits before=("${(@)@[1,(i)(-|--)]}")
  if [[ -z ${(M)before:#-(O|A|D)*} ]]; then builtin compadd -A hits "$@"; offered+=($hits); fi
  builtin compadd "$@"
}
offer() { local -a offered; _main_complete; print -rl -- $offered > $ZDOTDIR/offered; print -n '<OFFERED>'; }
zle -C offer complete-word offer
bindkey '^I' offer
print -n '<READY>'
"""


@pytest.fixture(params=CHECKS)
def shell(request: pytest.FixtureRequest) -> str:
    """The name of a shell that is installed."""
    return installed(request.param)


@pytest.fixture
def offers(shell: str, model: Path, tmp_path: Path) -> Offers:
    """What a shell offers after a line, sorted; the working directory has files and two folders."""
    return asking(shell, tmp_path)


def installed(shell: str) -> str:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    return shell


def asking(shell: str, folder: Path, **options: str) -> Offers:
    make("my file.pt", "archives/a.mar", "output/b.mar")
    for program in (TORCH, MMS):
        (folder / program).write_text(completion_script(program, shell))
    ask = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}[shell]
    return lambda line: sorted(set(ask(line, folder / line.split()[0], **options)))


def ask_bash(line: str, script: Path) -> Sequence[str]:
    return filter(None, printed("bash", "--norc", "-c", BASH, "bash", script, line).splitlines())


def ask_fish(line: str, script: Path) -> Sequence[str]:
    shown = printed("fish", "--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', script, line)
    return [offer.partition("\t")[0].rstrip("/") for offer in shown.splitlines()]


def ask_zsh(line: str, script: Path, load: str = "{ZSH}source {script}\n") -> Sequence[str]:
    (script.parent / ".zshrc").write_text(load.replace("{script}", str(script)).replace("{ZSH}", ZSH))
    typed(["zsh", "-i", "+o", "globalrcs"], "<READY>", f"{line}\t", "<OFFERED>", ZDOTDIR=str(script.parent))
    return filter(None, (script.parent / "offered").read_text().replace("\\ ", " ").splitlines())


def printed(*words: object) -> str:
    """Return what a shell prints; it must print no error."""
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def typed(command: Sequence[str], ready: str, text: str, end: str, **environ: str) -> str:
    """Return what a shell shows in a terminal from when it is ready and the text is typed, until the end."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, {"PATH": os.environ["PATH"], "TERM": "dumb", **environ})
    try:
        shown_until(terminal, ready)
        os.write(terminal, text.encode())
        return shown_until(terminal, end)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def shown_until(terminal: int, end: str) -> str:
    shown = b""
    while end.encode() not in shown:
        assert select.select([terminal], [], [], SECONDS)[0], shown
        shown += os.read(terminal, 65536)
    return shown.decode()


def flags_in_help(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long flags that the help of a parser shows."""
    shown = [action.option_strings for action in parser._actions if action.help != argparse.SUPPRESS]
    return sorted(flag for flags in shown for flag in flags if flag.startswith("--"))


@pytest.mark.parametrize("program", [TORCH, MMS])
def test_the_script_has_no_syntax_errors(shell: str, program: str, work: Path) -> None:
    Path("script").write_text(completion_script(program, shell))
    assert printed(*CHECKS[shell], "script") == ""


@pytest.mark.parametrize("program", [TORCH, MMS])
def test_the_first_word_is_completed_to_a_command(offers: Offers, program: str) -> None:
    assert (offers(f"{program} insp"), offers(f"{program} ")) == (["inspect"], sorted(COMMANDS))


def test_all_flags_of_packaging_are_offered_and_no_hidden_ones(offers: Offers) -> None:
    assert offers(f"{TORCH} --targ") == ["--target"]
    assert offers(f"{TORCH} --") == flags_in_help(torch_parser())
    assert offers(f"{MMS} --") == flags_in_help(mms_parser())


@pytest.mark.parametrize("command", COMMANDS)
def test_all_flags_of_a_command_are_offered(offers: Offers, command: str) -> None:
    assert offers(f"{TORCH} {command} --") == flags_in_help(command_parser(TORCH, command))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--target ", [platform.value for platform in Platform]),
        ("--model-name m --target ", [platform.value for platform in Platform]),
        ("--target=v", ["vertex"]),
        ("--model-name=m --archive-format zip", ["zip-store"]),
        ("--serialized-file m", FILES),
        ("--serialized-file=mo", ["model.pt", "model.py"]),
        (r"--serialized-file my\ f", ["my file.pt"]),
        ("-c mo", ["model.pt", "model.py"]),
        ("--extra-files han", ["handler.py"]),
        ("--handler han", ["handler.py"]),
        ("--export-path ", ["archives", "output"]),
        ("--export-path=o", ["output"]),
        ("--ignore handler-ou", ["handler-outside"]),
        ("verify m", FILES),
        ("verify --strict mo", ["model.pt", "model.py"]),
        ("verify model.pt --str", ["--strict"]),
        ("diff model.pt m", FILES),
        ("extract model.pt --to ", ["archives", "output"]),
        ("test --form a=b model.p", ["model.pt", "model.py"]),
        ("verify a.mar b.mar m", FILES),
        ("explain handler-ent", ["handler-entry"]),
        ("help insp", ["inspect"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("--output-format g", ["github"]),
    ],
)
def test_values_are_completed(offers: Offers, line: str, expected: list[str]) -> None:
    found = [offer.partition("=")[2] or offer for offer in offers(f"{TORCH} {line}")]  # fish repeats --flag=
    assert found == sorted(expected)


@pytest.mark.parametrize(
    "line",
    [
        f"{TORCH} --model-name m insp",  # a command comes first
        f"{TORCH} --json extract --max",
        f"{TORCH} --target=insp",
        f"{TORCH} --ignore file-miss",  # always an error
        f"{TORCH} --model-name mod",  # a new name, and no file's
        f"{TORCH} --extra-files model.py,mod",
        f"{TORCH} --export-path mod",  # not a folder
        f"{TORCH} extract --stric",  # of another command
        f"{TORCH} inspect a.mar insp",
        f"{MMS} --serialized",
        f"{MMS} --model-path output --handler mod",  # a module of that folder
    ],
)
def test_nothing_wrong_is_offered(offers: Offers, line: str) -> None:
    assert offers(line) == []


def test_a_model_named_like_a_command_is_not_one(offers: Offers) -> None:
    assert offers(f"{TORCH} --model-name verify --handl") == ["--handler"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--target=v\t", "[--target=vertex]"),
        (r"--serialized-file my\ f" + "\t", "[--serialized-file][my file.pt]"),
        ("--serialized-file my\t", "[--serialized-file][my file.pt]"),
        ('--serialized-file "my\t', "[--serialized-file][my file.pt]"),
        ("--export-path=out\t", "[--export-path=output/]"),
        ("insp\tarch\ta\t", "[inspect][archives/a.mar]"),
    ],
)
def test_bash_inserts_what_was_offered(line: str, expected: str, model: Path, tmp_path: Path) -> None:
    installed("bash")
    asking("bash", tmp_path)
    text = f"PS1=; source {tmp_path / TORCH}; {TORCH}() {{ printf '[%s]' \"$@\"; echo '<'END'>'; }}\n{TORCH} {line}\n"
    assert f"{expected}<END>" in typed(["bash", "--norc"], "READY", text, "<END>", PS1="READY", INPUTRC=os.devnull)


@pytest.mark.parametrize("load", ['{ZSH}eval "$(<{script})"\n', "fpath=($ZDOTDIR/functions $fpath)\n{ZSH}"])
def test_zsh_loads_the_script_in_other_ways(load: str, model: Path, tmp_path: Path) -> None:
    offers = asking(installed("zsh"), tmp_path, load=load)
    (tmp_path / "functions").mkdir()
    shutil.copy(tmp_path / TORCH, tmp_path / "functions" / f"_{TORCH}")
    assert offers(f"{TORCH} insp") == ["inspect"]


def test_the_script_does_not_depend_on_terminal_or_machine(
    shell: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = set()
    for columns in ("20", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        scripts.add(completion_script(TORCH, shell))
    (script,) = scripts
    assert not [path for path in (ROOT, work, Path.home(), sys.prefix) if f"{path}/" in script]


@pytest.mark.parametrize("failure", ["ImportError", "RuntimeError", "SyntaxError", ""])
def test_a_broken_extra_is_named_in_one_line(failure: str, work: Path) -> None:
    text = f"raise {failure}('shtab is\\nbroken')\n" if failure else ""  # empty: a version that is too old
    make("broken/shtab.py", text=text)
    assert without_shtab("", PYTHONPATH=f"broken{os.pathsep}{ROOT}") == MISSING


def test_a_missing_extra_is_named_in_one_line(work: Path) -> None:
    assert without_shtab("import sys; sys.modules['shtab'] = None", PYTHONPATH=str(ROOT)) == MISSING


MISSING = "shell completion needs the extra [completion]: pip install 'shtab>=1.13' ()\n"


def without_shtab(first: str, **environ: str) -> str:
    program = f"""{first}
from model_archiver.cli.completion import {completion_script.__name__} as script
from model_archiver.core.problems import {ModelArchiverError.__name__} as Failure
try:
    script("{TORCH}", "bash")
except Failure as failure:
    print(failure, failure.problems)
"""
    done = [sys.executable, "-c", program]
    return subprocess.run(done, env={**os.environ, **environ}, check=True, capture_output=True, text=True).stdout
