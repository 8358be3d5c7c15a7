"""Write docs/errors.md from the table of codes, model_archiver/core/codes.yaml.

``python -m docs.make_errors`` writes the page, and with ``--check`` only says whether it is up to date. With ``--run``,
every example is run first, and the lines that it prints are written to the table. Examples that need TorchServe's
worker are run only if ``--python`` names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).parents[1] / "model_archiver" / "core" / "codes.yaml"
PAGE = Path(__file__).with_name("errors.md")
LEVELS = {"error": "error", "warning": "warning", "both": "error or warning"}
SHARED = ("handler.py", "net.py", "files.py")
INTRODUCTION = f"""\
# Errors and warnings

<!-- Made from {TABLE.relative_to(TABLE.parents[2]).as_posix()} by `python -m docs.make_errors`. -->

Each problem is one line. It says where the problem is, what is wrong and what to do, and ends with a code. This page
explains each code. Codes do not change between versions, so scripts can rely on them.

* An **error** makes the command fail. Nothing is written, and an existing archive stays as it was. A check reports an
  error only if the model certainly cannot be served by TorchServe 0.12.0 with torch 2.6 or newer, or by Multi Model
  Server 1.1.
* A **warning** is likely a mistake. With `--strict`, every warning is an error.
* The checks run no code of your model, and load no pickle. A custom handler may load files in its own way. The checks
  do not report that. `--no-checks` skips the checks.

"""


def page(table: dict[str, Any]) -> str:
    """Return the page for a table."""
    codes = table["codes"]
    rows = [f"| [`{code}`](#{code}) | {LEVELS[entry['level']]} | {entry['meaning']} |" for code, entry in codes.items()]
    index = "\n".join(["| code | level | meaning |", "|---|---|---|", *rows])
    files = "".join(_file(name, table["files"][name]) for name in SHARED)
    beside = "Every example has these files next to it. `python files.py` has made `weights.pt` and `torchscript.pt`."
    sections = "\n".join(_section(code, entry) for code, entry in codes.items())
    return f"{INTRODUCTION}{index}\n\n## Files of the examples\n\n{beside}\n\n{files}{sections}"


def _section(code: str, entry: dict[str, Any]) -> str:
    level = "" if entry["level"] == "both" else f"*{entry['level'].capitalize()}.* "
    cases = [f"*{level.capitalize()}:* {case}" for level, case in entry.get("when", {}).items()]
    fix = f"**What to do:** {entry['fix']}"
    text = "\n\n".join(map(_wrapped, [level + entry["meaning"], *cases, entry["explanation"], fix]))
    files = "".join(_file(name, content) for name, content in entry["example"].get("files", {}).items())
    return f"## {code}\n\n{text}\n\n{files}```console\n{entry['example']['run']}```\n"


def _file(name: str, text: str) -> str:
    suffix = name.rpartition(".")[2]
    kinds = {"py": "python", "txt": "text", "pt": "text", "bin": "text"}
    return f"`{name}`:\n\n```{kinds.get(suffix, suffix)}\n{text}```\n\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def with_printed_lines(text: str, transcripts: dict[str, str]) -> str:
    """Return the text of the table with these transcripts in place of its own, and all else as it is."""
    return "\n".join(_lines(text.splitlines(), transcripts)) + "\n"


def _lines(lines: list[str], transcripts: dict[str, str]) -> Iterator[str]:
    code, is_replaced = "", False
    for line in lines:
        if is_replaced and line.startswith(8 * " "):
            continue
        is_replaced = False
        if entry := re.fullmatch(r"  ([a-z-]+):", line):
            code = entry[1]
        yield line
        if line == "      run: |" and code in transcripts:
            is_replaced = True
            yield from (f"        {printed}" for printed in transcripts[code].splitlines())


def _run(table: dict[str, Any], python: Path | None) -> dict[str, str]:
    """Return the transcript of each example, run now; of those that need a server only with its interpreter."""
    sys.path.insert(0, str(TABLE.parents[2]))
    from tests.examples import Examples, needs_server  # noqa: PLC0415 - the page alone needs no package

    with tempfile.TemporaryDirectory() as folder:
        examples = Examples(Path(folder).resolve(), python)
        codes = {code: entry for code, entry in table["codes"].items() if python or not needs_server(entry)}
        return {code: examples.run(code, entry) for code, entry in codes.items()}


def main() -> int:
    """Do what the command line says; return 1 if the page is not up to date, or an example does not show its code."""
    parser = argparse.ArgumentParser(description="Write docs/errors.md from the table of codes.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if the page is not up to date")
    parser.add_argument("--run", action="store_true", help="run every example, and update the printed lines")
    parser.add_argument("--python", type=Path, metavar="PATH", help="with --run: the interpreter that has TorchServe")
    args = parser.parse_args()
    text = TABLE.read_text(encoding="utf-8")
    if args.run:
        transcripts = _run(yaml.safe_load(text), args.python)
        silent = [code for code, transcript in transcripts.items() if f"[{code}]" not in transcript]
        if silent:
            print(f"nothing is written, because these examples do not print their codes: {', '.join(silent)}")  # noqa: T201
            return 1
        text = with_printed_lines(text, transcripts)
    made = page(yaml.safe_load(text))
    if args.check:
        is_same = text == TABLE.read_text(encoding="utf-8") and made == PAGE.read_text(encoding="utf-8")
        print("up to date" if is_same else "out of date: run python -m docs.make_errors")  # noqa: T201
        return int(not is_same)
    TABLE.write_text(text, encoding="utf-8")
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
