"""The pages of the documentation: their blocks, which a reader types, and their links; see CONTRIBUTING.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")
OWN = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in OWN), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
TIMEOUT = 300

KINDS = ("console", "sh", "python", "text")
NEEDS = ("torchserve", "mms", "dask", "sources")  # the last one is met by test_contributing.py
BLOCK = re.compile(r"^(?:(<!--[^\n]*-->)\n)?```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (file|edit|needs|not run here): (.+) -->")
# These have been typed already, by whoever made the environment of the tests.
INSTALLING = re.compile(r"(sudo )?(\S*/)?(pip3? install|python3? -m (venv|pip)|apt-get|brew) ")
FAILED = re.compile(r"\berror: |^(loads|answers): no\b|: rejected\b| differ\b", re.MULTILINE)
READS = {
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "python": lambda text: compile(text, "block", "exec"),
}

# What another machine, or another version of a library, prints differently.
FIGURE = re.compile(
    r"sha256:[0-9a-f]+|\b[0-9a-f]{64}\b"
    r"|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    r"|\d[\d.,]*(?= (?:bytes|[KMGT]?i?B|m?s)\b)"
    r"|\d{1,3}(?:,\d{3})+"
    r"|\d+(?:\.\d+)+(?:e[-+]?\d+)?(?:\+\w+)?"
    r"|(?<=  )\d+\b"
)


class PageError(Exception):
    """Something is wrong with a page; tells where and what."""


@dataclass(frozen=True)
class Block:
    """A fenced block, with the mark before it and the text of its section before it."""

    place: str
    kind: str
    text: str
    mark: str
    value: str
    section: str

    @property
    def needs(self) -> str:
        return self.value if self.mark == "needs" else ""

    def error(self, what: str) -> PageError:
        return PageError(f"{self.place}: {what}")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def times_of(page: Path) -> int:
    """Return how often a page is typed: what the first page says works when it is repeated."""
    return 2 if name_of(page) == "README.md" else 1


def blocks_of(text: str, name: str = "page") -> list[Block]:
    """Return the blocks of a page; a PageError says where one is not as the rules say."""
    blocks = []
    for found in BLOCK.finditer(text):
        comment, kind, inside = found.groups("")
        mark = MARK.fullmatch(comment)
        section = re.split("^#+ ", prose_of(text[: found.start()]), flags=re.MULTILINE)[-1]
        place = f"{name}:{text.count(chr(10), 0, found.start()) + 1}"
        block = Block(place, kind, inside, *(mark.groups() if mark else ("", "")), section)
        if wrong := "unknown mark" if comment and not mark else _wrong_with(block):
            raise block.error(wrong)
        blocks.append(block)
    if re.search(r"^\s*(```|~~~)", prose_of(text), re.MULTILINE):
        raise PageError(f"{name}: a block does not begin and end with three backticks at the start of the line")
    if re.search(f"^{MARK.pattern}$", prose_of(text), re.MULTILINE):
        raise PageError(f"{name}: no block follows this mark")
    return blocks


def _wrong_with(block: Block) -> str:
    if block.mark in ("", "needs") and block.kind not in KINDS:
        return f"unknown kind of block, {block.kind or 'without a name'}"
    if block.mark == "needs":
        return "" if block.value in NEEDS else f"unknown need, {block.value}"
    if block.mark == "not run here" and not re.search(r"not\s+run\b", block.section):
        return "the section does not tell the reader that the tests do not run this block"
    if block.mark == "file" and (Path(block.value).is_absolute() or ".." in Path(block.value).parts):
        return "the file is outside of the page's folder"
    try:
        READS.get(block.kind, str)(block.text)
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        return f"not valid: {error}"
    return ""


def prose_of(text: str) -> str:
    """Return a page without its blocks."""
    return BLOCK.sub("", text)


def commands_in(block: Block) -> list[tuple[str, str]]:
    """Return each command of a console block, with what it shows."""
    before, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    if before or not parts:
        raise block.error("a console block begins with a command, after a dollar sign")
    split = [re.match(r"((?:.*\\\n)*.*\n)((?:.*\n)*)", part) for part in parts]
    return [(match[1], match[2]) for match in split if match]


def left_to_type(script: str) -> str:
    """Return a script without what installs something, and without what .ci/run runs."""
    lines = [line.split(" && ") for line in script.replace("\\\n", " ").splitlines()]
    return "".join(f"{' && '.join(part for part in parts if not _is_typed_already(part))}\n" for parts in lines)


def _is_typed_already(command: str) -> bool:
    return bool(INSTALLING.match(command) or (re.match("(pytest|ruff|mypy|lint-imports)", command) and command in CI))


def normalized(printed: str) -> str:
    lines = [re.sub(r"[-\d.,e ]*\.\.\.$", "...", FIGURE.sub("#", line.rstrip())) for line in printed.splitlines()]
    return "".join(f"{re.sub(' +', ' ', line)}\n" for line in lines)


def is_like(printed: str, shown: str) -> bool:
    """Return whether *printed* is what is shown, figures that vary aside; ``...`` stands for any lines."""
    try:
        return bool(approximately(json.loads(shown)) == json.loads(printed))
    except ValueError:
        lines = normalized(shown).splitlines()
        pattern = "".join("(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in lines)
        return re.fullmatch(pattern, normalized(printed)) is not None


def approximately(shown: Any) -> Any:
    """Return something that is equal to *shown*, figures rounded."""
    if isinstance(shown, dict):
        return {key: approximately(value) for key, value in shown.items()}
    if isinstance(shown, list):
        return [approximately(value) for value in shown]
    return pytest.approx(shown, rel=1e-3, abs=2e-4) if isinstance(shown, float) else shown


class Reader:
    """Somebody who types what a page says, in the root of a clone of their own."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.temp = folder / "temp"
        self.temp.mkdir()
        for name in ("examples", "docs"):
            shutil.copytree(ROOT / name, self.clone / name)
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ |= {"PATH": path, "LC_ALL": "C.UTF-8", "TMPDIR": str(self.temp)}

    def reads(self, blocks: list[Block], *needs: str) -> None:
        """Type the blocks whose needs are among these; a PageError says where what comes is not what is shown."""
        for number, block in enumerate(blocks):
            if block.needs and block.needs not in needs:
                continue
            self.prepares(block)
            if block.mark == "file":
                path = self.clone / block.value
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.mark in ("edit", "not run here"):
                continue
            elif block.kind == "console":
                for command, shown in commands_in(block):
                    self._types(block, command, shown)
            elif block.kind == "sh":
                for script in self.scripts_of(block):
                    self._types(block, script)
            elif block.kind == "python":
                script = self.temp / "script.py"
                script.write_text(block.text, encoding="utf-8")
                after = [
                    after.text for after in blocks[number + 1 : number + 2] if after.kind == "text" and not after.mark
                ]
                self._types(block, f'"{sys.executable}" "{script}"', *after)

    def prepares(self, block: Block) -> None:
        """Have what the block needs."""

    def scripts_of(self, block: Block) -> list[str]:
        """Return what of a shell block is typed at once."""
        return [block.text]

    def run(self, script: str) -> tuple[int, str]:
        """Return the exit status of a script, and what it prints."""
        streams: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        words = ["/bin/sh", "-ec", script]
        done = subprocess.run(
            words, cwd=self.clone, env=self.environ, text=True, timeout=TIMEOUT, check=False, **streams
        )
        return done.returncode, done.stdout

    def _types(self, block: Block, script: str, shown: str | None = None) -> None:
        script = left_to_type(script)
        status, printed = self.run(script)
        if status and not (shown and block.kind == "console" and FAILED.search(shown)):
            raise block.error(f"status {status} of {script}{printed}")
        if shown is not None and not is_like(printed, shown):
            raise block.error(f"{script}printed\n{printed}and not\n{shown}")


# What a page names


def anchors_of(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page, and those that the page names itself."""
    anchors: set[str] = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.+)$", prose_of(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        anchors.add(next(name for name in (anchor, *(f"{anchor}-{n}" for n in range(1, 99))) if name not in anchors))
    return anchors


def wrong_names(page: Path, text: str) -> list[str]:
    """Return the links, anchors and names of files on a page that lead nowhere."""
    prose = prose_of(text)
    links = re.findall(r"\]\(([^)\s]+)\)|<(?:a|img) [^>]*(?:href|src)=\"([^\"]+)\"", re.sub(r"`[^`\n]+`", "`", prose))
    wrong = [f"link {link}" for link in map("".join, links) if not _leads_somewhere(link, page, text)]
    made = "".join(found[0] for found in BLOCK.finditer(text))
    tables = re.findall(r"^\| file \|.*\n\|[-| :]+\n((?:\|.*\n)*)", prose, re.MULTILINE)
    listed = re.findall(r"^\| `([^`]+)` \|", "".join(tables), re.MULTILINE)
    paths = re.findall(r"`((?:docs|examples|tests|benchmarks|model_archiver|\.ci)/[\w./-]*|[\w-]+\.(?:md|yml))`", prose)
    names = [name for name in dict.fromkeys([*listed, *paths]) if name not in made]
    return wrong + [f"file {name}" for name in names if not any((at / name).exists() for at in (ROOT, page.parent))]


def _leads_somewhere(link: str, page: Path, text: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT):
        return link.startswith("https:")
    there = text if target == page or not anchor else target.read_text(encoding="utf-8")
    return not anchor or anchor in anchors_of(there)
