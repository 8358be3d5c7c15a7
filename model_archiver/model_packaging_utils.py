"""A shelf for names that other people's scripts import from here."""

from __future__ import annotations

from model_archiver.archive_format import ArchiveFormat
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.planning.findings import Findings
from model_archiver.planning.handler import BUILT_IN
from model_archiver.planning.planner import make_plan

__all__ = ["ModelExportUtils", "archiving_options", "model_handlers"]

archiving_options = {archive_format.value: archive_format.suffix for archive_format in ArchiveFormat}
"""What follows the model's name in the name of the output, by the value of ``--archive-format``."""

model_handlers = dict(BUILT_IN)
"""TorchServe's own handlers, and what each is for."""


class ModelExportUtils:
    """The manifest of a request, for callers that want to add to it before they call `package_model`."""

    @staticmethod
    def generate_manifest_json(config: object = None, *, args: object = None) -> str:
        """The text of the manifest for a request.

        Args:
            config: a `ModelArchiverConfig`, or any object with some of its fields as attributes. What is wrong with
                it otherwise is told by `package_model`.
            args: another name of `config`, which older callers use.

        Raises:
            ModelArchiverError: there can be no manifest, as where SOURCE_DATE_EPOCH is no moment in time.
        """
        findings = Findings()
        request = ModelArchiverConfig.from_args(args if config is None else config)
        plan = make_plan(request, None, findings)
        if not plan.fields:
            findings.raise_errors(strict=False)
        return plan.manifest
