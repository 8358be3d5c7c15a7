"""Names that other people's scripts import."""

from model_archiver.core.problems import MissingInputError, ModelArchiverError, UsageError

__all__ = ["MissingInputError", "ModelArchiverError", "UsageError"]
