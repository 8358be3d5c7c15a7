# serves
import sys

if sys.version_info < (3, 6):
    sys.exit("too old")


def handle(data, context):
    return None if data is None else ["new enough"] * len(data)


if sys.platform == "no such platform":
    raise RuntimeError("unsupported")
