"""Draw docs/archive.svg: what goes into an archive, what the archive holds, and which servers take it.

``python -m docs.make_diagram`` writes the picture. It needs nothing but Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("archive.svg")

WIDTH, HEIGHT = 980, 562
TOP, ROW, GAP = 78, 44, 8  # where the boxes begin; the height of one, and the space between two
LEFT, LEFT_WIDTH = 24, 270
MIDDLE, MIDDLE_WIDTH = 372, 262
RIGHT, RIGHT_WIDTH = 712, 244
INK, GRAY, PAPER = "#1f2328", "#57606a", "#ffffff"
BLUE, GREEN, SAND = "#ddf4ff", "#dafbe1", "#fff8c5"
SANS, MONO = "Helvetica, Arial, sans-serif", "Menlo, Consolas, monospace"

INPUTS = [
    ("weights", "--serialized-file", "digits.pt"),
    ("class of the model", "--model-file", "model.py"),
    ("handler", "--handler", "handler.py"),
    ("other files and folders", "--extra-files --include --model-path", "index_to_name.json, ..."),
    ("Python requirements", "--requirements-file", "requirements.txt"),
    ("configuration", "--config-file", "config.yaml"),
    ("requests and answers", "--samples", "samples.json"),
]
"""What it is, the flags that name it, and its name in the archive; the last one goes to MAR-INF."""

METADATA = [("SHA256SUMS", "checksum of each file"), ("MANIFEST.json", "name, version, what each file is")]
"""The files that the tool makes."""

SERVERS = [
    ("TorchServe", "NAME.mar, NAME.tar.gz or NAME/", "torch-model-archiver"),
    ("KServe", "model-store/NAME.mar", "--target kserve"),
    ("Vertex AI", "model.mar", "--target vertex"),
    ("SageMaker", "model.tar.gz", "--target sagemaker"),
    ("Multi Model Server", "NAME.mar or NAME/", "model-archiver"),
]
"""The server, what it takes, and how it is written."""


def picture() -> str:
    """Return the picture."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{SANS}">'
    yield "<title>What goes into an archive, and where it goes</title>"
    # With a background of its own, it can be read on light and on dark pages.
    yield _box((0, 0, WIDTH, HEIGHT), PAPER, "#d0d7de")
    yield _text(LEFT, 34, "What you have", 17, bold=True)
    yield _text(MIDDLE, 34, "The archive", 17, bold=True)
    yield _text(MIDDLE, 54, "a .mar, a .tar.gz or a folder", 12, GRAY)
    yield _text(RIGHT, 34, "Who serves it", 17, bold=True)
    bottom = _top(len(INPUTS) + len(METADATA)) - GAP
    inner = _top(len(INPUTS) - 1) - 14
    yield _box((MIDDLE, TOP - 12, MIDDLE_WIDTH, bottom - TOP + 24), GREEN, "#1a7f37")
    yield _box((MIDDLE + 10, inner, MIDDLE_WIDTH - 20, bottom - inner + 4), SAND, "#9a6700")
    yield _text(MIDDLE + MIDDLE_WIDTH - 20, inner + 18, "MAR-INF", 13, bold=True, anchor="end")
    for index, (what, flags, name) in enumerate(INPUTS):
        top = _top(index)
        yield _box((LEFT, top, LEFT_WIDTH, ROW), BLUE, "#0969da")
        yield _text(LEFT + 12, top + 18, what, 14)
        yield _text(LEFT + 12, top + 35, flags, 11, GRAY, font=MONO)
        yield _arrow(LEFT + LEFT_WIDTH, MIDDLE + (10 if index == len(INPUTS) - 1 else 0), top + ROW / 2)
        yield _text(MIDDLE + 22, top + 27, name, 13, font=MONO)
    yield _text(LEFT + LEFT_WIDTH, _top(len(INPUTS)) + 27, "made by the tool", 14, GRAY, anchor="end")
    yield _arrow(LEFT + LEFT_WIDTH, MIDDLE + 10, _top(len(INPUTS)) + ROW / 2)
    for index, (name, meaning) in enumerate(METADATA, len(INPUTS)):
        yield _text(MIDDLE + 22, _top(index) + 18, name, 13, font=MONO)
        yield _text(MIDDLE + 22, _top(index) + 35, meaning, 11, GRAY)
    height = (bottom - TOP - GAP * (len(SERVERS) - 1)) / len(SERVERS)
    for index, (server, archive, how) in enumerate(SERVERS):
        upper = TOP + index * (height + GAP)
        yield _box((RIGHT, upper, RIGHT_WIDTH, height), BLUE, "#0969da")
        yield _text(RIGHT + 12, upper + 24, server, 14, bold=True)
        yield _text(RIGHT + 12, upper + 44, archive, 12, font=MONO)
        yield _text(RIGHT + 12, upper + 63, how, 11, GRAY, font=MONO)
        yield _arrow(MIDDLE + MIDDLE_WIDTH, RIGHT, upper + height / 2)
    yield "</svg>"


def _top(index: int) -> int:
    return TOP + index * (ROW + GAP)


def _box(box: tuple[float, float, float, float], fill: str, stroke: str) -> str:
    left, top, width, height = box
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="6" fill="{fill}" stroke="{stroke}"/>'


def _text(  # noqa: PLR0913 - what SVG needs
    left: float, base: float, text: str, size: int, color: str = INK, *, bold: bool = False, font: str = "",
    anchor: str = "",
) -> str:  # fmt: skip
    more = f' font-family="{font}"' if font else ""
    more += ' font-weight="bold"' if bold else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{left:g}" y="{base:g}" font-size="{size}" fill="{color}"{more}>{escape(text)}</text>'


def _arrow(left: float, right: float, at: float) -> str:
    path = f"M{left + 6:g} {at:g}H{right - 6:g}m-8-5 8 5-8 5"
    return f'<path d="{path}" fill="none" stroke="{GRAY}" stroke-width="1.5"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
