"""``python -m model_archiver``: the same as ``torch-model-archiver``."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working directory first on its path, and a model's own yaml.py may lie there.
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib imports more that may lie there
    except OSError:  # it was removed
        folder = ""
    if sys.path[0] in ("", folder):
        del sys.path[0]

    from model_archiver.cli import main

    sys.exit(main())
