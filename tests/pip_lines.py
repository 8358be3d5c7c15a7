"""What real pip thinks of lines of a requirements file; it installs nothing, and asks no index.

Run as ``python -m tests.pip_lines`` in a folder: reads a JSON list of lines, and prints one of truth values.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path

from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements


def accepts(line: str, folder: Path) -> bool:
    """Whether pip's own parser takes a line."""
    file = folder / "asked.txt"
    file.write_text(line, encoding="utf-8")
    try:
        for parsed in parse_requirements(str(file), session=PipSession()):
            install_req_from_parsed_requirement(parsed)
    except (Exception, SystemExit):  # noqa: BLE001 - by whatever pip says no
        return False
    return True


def main() -> None:
    """Answer."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        answers = [accepts(line, Path(folder)) for line in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
