"""Names that other people's scripts import."""

from model_archiver.manifest_components import manifest, model

__all__ = ["manifest", "model"]
