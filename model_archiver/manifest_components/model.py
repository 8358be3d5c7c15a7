"""The manifest's ``model`` object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """What the server needs to know of a model; file names are paths inside the archive.

    Attributes:
        model_name: the model's name.
        serialized_file: the weights.
        handler: the handler, as the server is to import it.
        model_file: the Python file that defines the model class.
        model_version: the model's version.
        requirements_file: Python requirements.
        config_file: the model's configuration, YAML.
    """

    model_name: str
    serialized_file: str | None
    handler: str
    model_file: str | None = None
    model_version: str | None = None
    requirements_file: str | None = None
    config_file: str | None = None

    def to_dict(self) -> dict[str, str]:
        """The fields that are there, in the order in which TorchServe's users know them."""
        fields = {
            "modelName": self.model_name,
            "serializedFile": self.serialized_file,
            "handler": self.handler,
            "modelFile": self.model_file,
            "modelVersion": self.model_version,
            "requirementsFile": self.requirements_file,
            "configFile": self.config_file,
        }
        return {name: value for name, value in fields.items() if value is not None}
