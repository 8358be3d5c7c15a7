"""The scripts that complete a command line in bash, zsh and fish, made by shtab."""

from __future__ import annotations

import re

from model_archiver.cli.command_parser import SHELLS, command_parser
from model_archiver.cli.parser import MMS, mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from model_archiver.core.codes import read_codes
from model_archiver.core.problems import ModelArchiverError

_FILES = {"FILE", "PATH", "PATHS", "ARCHIVE", "A", "B"}

# What shtab 1.13 lacks. It offers commands after flags, where they are no longer possible. bash splits words at = and :
# and leaves quotes in them. fish completes quoted paths only for a command without completions of its own.
_BASH = r"""
PREFIX_any() {
  local word raw is_joined="" last=-1 words=() replies
  for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    raw=${word//[\\\"\']/}
    if [[ $raw == "=" && ${words[last]} == --* ]]; then words[++last]="" is_joined=1 raw=""
    elif [[ $raw =~ ^[=:]+$ && $last -ge 0 ]]; then words[last]+=$raw is_joined=1 raw=""
    elif [[ $is_joined ]]; then words[last]+=$raw is_joined=""
    else words[++last]=$raw
    fi
  done
  local COMP_WORDS=("${words[@]}") COMP_CWORD=$last
  [[ ${words[1]} != -* ]] || local PREFIX_subparsers=() PREFIX_pos_0_choices=()
  PREFIX
  replies=("${COMPREPLY[@]}") COMPREPLY=()
  for word in "${replies[@]}"; do
    [[ $word != "${words[last]}"* ]] || COMPREPLY+=("${word#"${words[last]%"$raw"}"}")
  done
}
complete -o bashdefault -F PREFIX_any PROGRAM
"""
_ZSH = """
PREFIX_flags=($PREFIX_options)
functions[PREFIX_any]=$functions[PREFIX]
PREFIX() {
  if [[ $words[2] == -* ]] && (( CURRENT > 2 )); then _arguments -s $PREFIX_flags; else PREFIX_any; fi
}
"""
_FISH = """
function PREFIX_files
  complete -C 'PREFIX_none '(commandline -ct)
end
function PREFIX_using
  PREFIX_scan
  set -l words (commandline -opc)
  if string match -q -- '-*' "$words[2]"
    set -g PREFIX_cmdpath ''
    set -g PREFIX_npos 1
  end
  test "$PREFIX_cmdpath" = "$argv"
end
"""


def completion_script(program: str, shell: str) -> str:
    """Return the script that completes a program's command line in a shell; raise an error if shtab is not usable."""
    try:
        return _script(program, shell)
    except Exception as failure:  # a broken package can raise anything
        reason = "shell completion needs the extra [completion]: pip install 'shtab>=1.13'"
        raise ModelArchiverError(reason) from failure


def _script(program: str, shell: str) -> str:
    import shtab  # noqa: PLC0415 - an extra

    prefix = re.sub(r"\W", "_", f"_shtab_{program}")
    files, folders = {**shtab.FILE, "fish": f"({prefix}_files)"}, {**shtab.DIR, "zsh": "_path_files -/"}
    codes = read_codes()
    warnings = [code for code, facts in codes.items() if facts["level"] != "error"]
    choices = {"CODE": list(codes), "CODES": warnings, "COMMAND": list(COMMANDS), "SHELL": list(SHELLS)}
    root = mms_parser() if program == MMS else torch_parser()
    commands, actions = root.add_subparsers(prog=program), list(root._actions)
    for name, text in COMMANDS.items():
        parser = command_parser(program, name)
        commands.add_parser(name, help=text, parents=[parser], add_help=False, description=parser.description)
        actions += parser._actions
    for action in actions:
        known = choices.get(str(action.metavar), action.choices)
        action.choices = getattr(action.type, "choices", known)
        is_file = action.metavar in _FILES or (action.dest == "handler" and program != MMS)
        if is_file or action.metavar == "DIR":
            action.complete = files if is_file else folders  # type: ignore[attr-defined]
    own = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell].replace("PREFIX", prefix).replace("PROGRAM", program)
    if shell != "zsh":
        return f"{shtab.complete(root, shell)}\n{own}"
    script = shtab.complete(root, shell, preamble=own)
    script = script.replace("== eval ]]", "== (eval|file) ]]")  # so that `source` registers it too
    script = script.replace('"(*):', '"*:')  # several files, not one
    return re.sub(r'(--[\w-]+)(}?"?\[(?:\\.|[^]\\])*\]:)', r"\1=\2", script)  # --flag=value, not only --flag value
