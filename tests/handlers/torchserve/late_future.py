# fails: unnamed
import os
from __future__ import annotations


def handle(data, context):
    return None if data is None else [os.sep]
