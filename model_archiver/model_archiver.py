"""The class that scripts call."""

from __future__ import annotations

from model_archiver.model_packaging import generate_model_archive


class ModelArchiver:
    """Packages models.

    Example:
        >>> config = ModelArchiverConfig("digits", serialized_file="digits.pt", model_file="model.py")
        >>> ModelArchiver.generate_model_archive(config)
    """

    @staticmethod
    def generate_model_archive(config: object | None = None) -> None:
        """Package a model; see `model_archiver.model_packaging.generate_model_archive`."""
        generate_model_archive(config)
