"""What is written to ``MAR-INF/MANIFEST.json``."""

from model_archiver.manifest_components import manifest, model

__all__ = ["manifest", "model"]
