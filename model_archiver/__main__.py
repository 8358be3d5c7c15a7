"""``python -m model_archiver``: the same as ``torch-model-archiver``."""

import sys

from model_archiver.cli import main

if __name__ == "__main__":
    sys.exit(main())
