"""Numbers of bytes the way people say them."""

from __future__ import annotations

import re


def human_size(size: float) -> str:
    """A number of bytes, such as ``12.3 MiB``."""
    if size == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def parse_size(text: str) -> int:
    """The number of bytes that a text such as ``2000000``, ``500M`` or ``1.5 GiB`` means; units are powers of 1024.

    Raises:
        ValueError: it means none.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*(?:([KMGT]?)(?:i?B)?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(text)
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
