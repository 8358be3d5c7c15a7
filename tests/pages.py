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
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
TIMEOUT = 300


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def times_of(page: Path) -> int:
    """Return how often a page is typed: what the first page says works when it is repeated."""
    return 2 if name_of(page) == "README.md" else 1


KINDS = ("console", "sh", "python", "text")
SERVERS = ("torchserve", "mms")
NEEDS = (*SERVERS, "dask")
MARK = re.compile(r"<!-- (file|needs|not run here): (.+) -->")
FENCE = re.compile(r"(\s*)(```+|~~~+)\s*(\S*)\s*$")
# These have been typed already, by whoever made the environment of the tests.
INSTALLING = re.compile(r"(sudo )?(\S*/)?(pip3? install|python3? -m (venv|pip)|apt-get|brew) ")
FAILED = re.compile(r"\berror: |^(loads|answers): no\b|: rejected\b| differ\b", re.MULTILINE)

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
    """A fenced block: its place, its kind, its lines, the mark before it, and the section above it."""

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


def blocks_of(text: str, name: str = "page") -> list[Block]:
    """Return the blocks of a page, each of which is of a known kind.

    Raises:
        PageError: a block or a mark is not as the rules say.
    """
    blocks: list[Block] = []
    lines = text.splitlines()
    section: list[str] = []
    number = 0
    while number < len(lines):
        line, place = lines[number], f"{name}:{number + 1}"
        mark = MARK.fullmatch(lines[number - 1]) if number else None
        number += 1
        fence = FENCE.match(line)
        if fence is None:
            if not MARK.fullmatch(line):
                section = [line] if line.startswith("#") else [*section, line]
            elif not (number < len(lines) and FENCE.match(lines[number])):
                raise PageError(f"{place}: no block follows this mark")
            continue
        if fence[1] or fence[2] != "```":
            raise PageError(f"{place}: a block begins with three backticks at the start of the line")
        if "```" not in lines[number:]:
            raise PageError(f"{place}: this block does not end")
        end = lines.index("```", number)
        inside = "".join(f"{inner}\n" for inner in lines[number:end])
        block = Block(place, fence[3], inside, *(mark.groups() if mark else ("", "")), "\n".join(section))
        if not mark and lines[number - 2].startswith("<!--"):
            raise block.error("unknown mark")
        _check(block)
        blocks.append(block)
        number = end + 1
    return blocks


def _check(block: Block) -> None:
    if block.mark in ("", "needs") and block.kind not in KINDS:
        raise block.error(f"unknown kind of block, {block.kind or 'without a name'}")
    if block.mark == "needs" and block.value not in NEEDS:
        raise block.error(f"unknown need, {block.value}")
    if block.mark == "not run here" and not re.search(r"not\s+run\b", block.section):
        raise block.error("the section does not tell the reader that the tests do not run this block")
    if block.mark == "file" and (Path(block.value).is_absolute() or ".." in Path(block.value).parts):
        raise block.error("the file is outside of the page's folder")
    if block.mark in ("file", "not run here"):
        reads = {
            "json": json.loads,
            "yaml": lambda text: list(yaml.safe_load_all(text)),
            "python": lambda text: compile(text, block.place, "exec"),
        }
        try:
            reads.get(block.kind, str)(block.text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            raise block.error(f"not valid: {error}") from None


def commands_in(block: Block) -> list[tuple[str, str]]:
    """Return each command of a console block, with what it shows."""
    before, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    if before or not parts:
        raise block.error("a console block begins with a command, after a dollar sign")
    split = [re.match(r"((?:.*\\\n)*.*\n)((?:.*\n)*)", part) for part in parts]
    return [(match[1], match[2]) for match in split if match]


def left_to_type(script: str) -> str:
    """Return a script without what installs something, and without what .ci/run runs."""
    left = [
        " && ".join(part for part in line.split(" && ") if not INSTALLING.match(part) and part not in CI)
        for line in script.replace("\\\n", " ").splitlines()
    ]
    return "".join(f"{line}\n" for line in left)


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
        """Type the blocks whose needs, if any, are among these, and see that what comes is what is shown.

        Raises:
            PageError: it is not.
        """
        for number, block in enumerate(blocks):
            if block.needs and block.needs not in needs:
                continue
            self.prepares(block)
            if block.mark == "file":
                path = self.clone / block.value
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.mark == "not run here":
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
                shown = [
                    after.text for after in blocks[number + 1 : number + 2] if (after.kind, after.mark) == ("text", "")
                ]
                self._types(block, f'"{sys.executable}" "{script}"', *shown)

    def prepares(self, block: Block) -> None:
        """Have what the block needs."""

    def scripts_of(self, block: Block) -> list[str]:
        """Return what of a shell block is typed at once."""
        return [block.text]

    def run(self, script: str) -> tuple[int, str]:
        """Return the exit status of a script, and what it prints."""
        done = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=self.clone,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return done.returncode, done.stdout

    def _types(self, block: Block, script: str, shown: str | None = None) -> None:
        script = left_to_type(script)
        if not script.strip():
            return
        status, printed = self.run(script)
        if status and not (shown and block.kind == "console" and FAILED.search(shown)):
            raise block.error(f"status {status} of {script}{printed}")
        if shown is not None and not is_like(printed, shown):
            raise block.error(f"{script}printed\n{printed}and not\n{shown}")


# What a page names


def prose_of(text: str) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


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
    without_code = re.sub(r"`[^`\n]+`", "`", prose)
    links = re.findall(r"\]\(([^)\s]+)\)|<(?:a|img) [^>]*(?:href|src)=\"([^\"]+)\"", without_code)
    wrong = [f"link {link}" for link in map("".join, links) if not _leads_somewhere(link, page, text)]
    typed = "\n".join(re.findall(r"^```.*?^```$|^<!-- file: .* -->$", text, re.MULTILINE | re.DOTALL))
    listed = _listed_files(prose)
    for name in dict.fromkeys(re.findall(r"`([^`\n]+)`", prose)):
        is_path = re.fullmatch(r"(docs|examples|tests|benchmarks|model_archiver|\.ci)/[\w./-]*|[\w-]+\.(md|yml)", name)
        places = (ROOT / name, page.parent / name)
        if (is_path or name in listed) and name not in typed and not any(place.exists() for place in places):
            wrong.append(f"file {name}")
    return wrong


def _listed_files(prose: str) -> list[str]:
    """Return the names in the first column of tables of files."""
    tables = re.findall(r"^\| file \|.*\n\|[-| :]+\n((?:\|.*\n)*)", prose, re.MULTILINE)
    return [name for table in tables for name in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)]


def _leads_somewhere(link: str, page: Path, text: str) -> bool:
    if re.match(r"(https|mailto):", link):
        return True
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT):
        return False
    if not anchor:
        return True
    there = text if target == page else target.read_text(encoding="utf-8")
    return target.suffix == ".md" and anchor in anchors_of(there)
