"""Numbers of bytes the way people say them."""

from __future__ import annotations


def human_size(size: float) -> str:
    """A number of bytes, such as ``12.3 MiB``."""
    if size == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
