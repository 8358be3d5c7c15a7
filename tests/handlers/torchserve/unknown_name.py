# fails: unnamed
from os.path import *  # noqa: F403

labels = LABELS["en"]  # noqa: F405


def handle(data, context):
    return None if data is None else labels
