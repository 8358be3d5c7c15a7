"""Make the tables of docs/performance.md and README.md, and docs/performance.svg, from docs/performance.json.

The benchmarks write that file with ``--json``. ``python -m docs.make_plot`` writes all three, and with ``--check`` it
only says whether the tables are up to date. The plot needs matplotlib, and its bytes depend on the version of that.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("performance.json")
PAGE = Path(__file__).with_name("performance.md")
README = PAGE.parents[1] / "README.md"
PLOT = Path(__file__).with_name("performance.svg")
MARKS = r"(<!-- made of ([a-z]+) -->\n)(?:.*?)(<!-- end -->\n)"

Row = dict[str, Any]
COLORS = {"this tool": "#2f6fdf", "original": "#c2541b", "the limit": "#8a8f98"}
SMALLEST = "small-model"  # an input whose bars could not be seen

Works = dict[str, dict[str, Row]]
"""For each work, its rows by what this archiver is compared with: "original" or "the limit"."""


def works_of(rows: list[Row]) -> Works:
    """Return the rows of each work together. Whatever is not an archiver, such as one SHA-256, is a limit."""
    works: Works = {}
    for row in rows:
        other = "original" if row["against"].startswith("original") else "the limit"
        works.setdefault(row["work"], {})[other] = row
    return works


def build_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table of builds."""
    yield "| work | this tool | original | ratio | the limit | ratio | size, of original |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for work, compared in works_of(rows).items():
        flags, comma, contents = work.partition(",")
        cells = [f"`{flags}`{comma}{contents}", _seconds(next(iter(compared.values()))["median"])]
        for other in ("original", "the limit"):
            row = compared.get(other)
            cells += [_seconds(row["other_median"]), _ratio(row["median"] / row["other_median"])] if row else ["", ""]
        original = compared.get("original")
        yield _line([*cells, f"{100 * original['size'] / original['other_size']:.1f} %" if original else ""])


def startup_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table of short commands; the first of them is what the others are compared with."""
    yield "| command | instructions | ratio | time | ratio |"
    yield "|---|--:|--:|--:|--:|"
    for row in rows:
        cells = [row["command"]]
        for field, unit in (("million_instructions", "M"), ("milliseconds", "ms")):
            cells += [f"{row[field]:.0f} {unit}", _ratio(row[field] / rows[0][field])]
        yield _line(cells)


def memory_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table of memory."""
    yield "| flags | peak for 1 GiB | peak for 8 GiB |"
    yield "|---|--:|--:|"
    for row in rows:
        yield _line([f"`{row['flags']}`", *(f"{row[field]:.0f} MiB" for field in ("memory_1_gib", "memory_8_gib"))])


def registration_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table of what each format costs TorchServe."""
    yield "| contents | format | build | size | register |"
    yield "|---|---|--:|--:|--:|"
    for row in rows:
        is_empty = "packing" not in row
        sizes = (
            ["any", "", ""] if is_empty else [row["packing"], f"{row['build']:.1f} s", f"{row['size'] / 1e6:.0f} MB"]
        )
        yield _line([row["input"], *sizes, f"{row['register']:.1f} s"])


def many_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table of many models; the first row is the call that the others are compared with."""
    yield "| 200 small models | time | time of one call, as a share of it | peak for 20 models | peak for 200 models |"
    yield "|---|--:|--:|--:|--:|"
    for row in rows:
        share = _ratio(rows[0]["seconds"] / row["seconds"])
        yield _line([row["command"], _seconds(row["seconds"]), share, *(f"{peak:.0f} MiB" for peak in row["memory"])])


def readme_table(results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the short comparison in README.md: figures that docs/performance.md has too."""
    works = works_of(results["build"]["rows"])
    weights, deflated, files = (
        works[work]["original"]
        for work in ("default, 1 GiB float32", "--deflate always, 1 GiB float32", "default, 20,000 small files")
    )
    original, ours = (row["milliseconds"] for row in results["startup"]["rows"][:2])
    size = f"{100 * deflated['size'] / deflated['other_size']:.1f} % of the original's size"
    builds = [
        ("1 GiB of float32 weights, default format", weights),
        (f"the same with `--deflate always` ({size})", deflated),
        ("20,000 small files", files),
    ]
    yield "| work | original | this tool |"
    yield "|---|--:|--:|"
    for work, row in builds:
        yield _line([work, _seconds(row["other_median"]), _seconds(row["median"])])
    yield _line(["a small model", f"{original:.0f} ms", f"{ours:.0f} ms, with all checks"])


TABLES: dict[str, Callable[[list[Row]], Iterator[str]]] = {
    "build": build_table,
    "startup": startup_table,
    "many": many_table,
    "memory": memory_table,
    "registration": registration_table,
}


def with_tables(text: str, results: dict[str, Any]) -> str:
    """Return the text of a page with the tables of these results between its marks."""
    return re.sub(MARKS, lambda match: match[1] + _part(match[2], results) + match[3], text, flags=re.DOTALL)


def _part(name: str, results: dict[str, Any]) -> str:
    """Return a table, and a line that says where and how its figures were measured; README.md has only the table."""
    if name == "readme":
        return "\n".join([*readme_table(results), ""])
    part = results[name]
    machine = part["machine"]
    how = "one run of each command" if part["runs"] == 1 else f"medians of {part['runs']} runs"
    place = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    table = "\n".join(TABLES[name](part["rows"]))
    versions = f"Python {machine['python']}, isal {machine['isal']}"
    return f"\n{table}\n\n*Measured {part['date']}: {how}; {place}; {versions}.*\n\n"


def _line(cells: list[str]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def bars(rows: list[Row]) -> dict[str, list[tuple[str, float]]]:
    """Return the bars of each work: whose time, and the seconds."""
    shown = {}
    for work, compared in works_of([row for row in rows if row["input"] != SMALLEST]).items():
        times = {"this tool": next(iter(compared.values()))["median"]}
        times.update((other, row["other_median"]) for other, row in compared.items())
        shown[work] = [(name, times[name]) for name in COLORS if name in times]
    return shown


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the times of the builds as an SVG, with its text as text, on white."""
    import matplotlib as mpl  # noqa: PLC0415 - the tables do not need it

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    works = bars(results["build"]["rows"])
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "performance", "font.family": "sans-serif"}):
        figure, axes = plt.subplots(figsize=(9, 0.62 * len(works) + 1))
        for index, shown in enumerate(works.values()):
            for place, (name, seconds) in enumerate(shown):
                at = index + 0.26 * (place - (len(shown) - 1) / 2)
                axes.barh(at, seconds, 0.24, color=COLORS[name])
                axes.annotate(_seconds(seconds), (seconds, at), (4, 0), textcoords="offset points", va="center", size=8)
        for name, color in COLORS.items():
            axes.barh(0, float("nan"), color=color, label=name)
        axes.set_yticks(range(len(works)), [work.replace(", ", "\n") for work in works])
        axes.invert_yaxis()
        axes.set_xscale("log")  # the slowest takes hundreds of times as long as the fastest
        axes.margins(x=0.1, y=0.01)
        axes.set_xlabel("seconds of the whole process, logarithmic scale: less is better")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", frameon=False)
        figure.tight_layout()
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})
        plt.close(figure)


def main() -> int:
    """Do what the command line says; return 1 if the tables are not up to date."""
    parser = argparse.ArgumentParser(description="Make the tables and the plot from docs/performance.json.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a table is not up to date")
    is_check = parser.parse_args().check
    results = json.loads(DATA.read_text(encoding="utf-8"))
    texts = {page: page.read_text(encoding="utf-8") for page in (PAGE, README)}
    made = {page: with_tables(text, results) for page, text in texts.items()}
    if is_check:
        print("up to date" if texts == made else "out of date: run python -m docs.make_plot")  # noqa: T201
        return int(texts != made)
    for page, text in made.items():
        page.write_text(text, encoding="utf-8")
    draw(results, PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
