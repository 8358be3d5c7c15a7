"""A name that other people's scripts import."""

from model_archiver.core.manifest import Model

__all__ = ["Model"]
