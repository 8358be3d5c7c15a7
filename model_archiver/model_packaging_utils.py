"""Names that other people's scripts import."""

from model_archiver.cli.scripts import ModelExportUtils, archiving_options, model_handlers

__all__ = ["ModelExportUtils", "archiving_options", "model_handlers"]
