"""Names that other people's scripts import."""

from model_archiver.core.manifest import Manifest, RuntimeType

__all__ = ["Manifest", "RuntimeType"]
