"""Names that other people's scripts import."""

from model_archiver.manifest_components import manifest

__all__ = ["manifest"]
