"""The JSON file of the results, docs/performance.json, from which docs/make_plot.py makes tables and a plot.

Each benchmark writes its own parts of it, and leaves the others as they are.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any


def save(path: Path, part: str, rows: list[dict[str, Any]], *, runs: int) -> None:
    """Write the rows of a part, with the machine, the date and the number of runs of each command."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    date = dt.datetime.now(dt.timezone.utc).date().isoformat()
    results[part] = {"date": date, "machine": machine(), "runs": runs, "rows": rows}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    has_sizes = hasattr(os, "sysconf")  # not on Windows
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if has_sizes else 0
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": found[1] if found else platform.processor() or platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
        "memory_gib": round(memory / (1 << 30)),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "isal": version("isal"),
    }
