"""A name that other people's scripts import."""

from model_archiver.cli.scripts import ArgParser

__all__ = ["ArgParser"]
