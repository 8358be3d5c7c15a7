"""A name that other people's scripts import."""

from model_archiver.core.request import ModelArchiverConfig

__all__ = ["ModelArchiverConfig"]
