"""Names that other people's scripts import, or replace in their tests."""

from __future__ import annotations

from model_archiver.cli.scripts import ArgParser, ModelExportUtils, package_model
from model_archiver.commands.package import package
from model_archiver.core.request import ModelArchiverConfig, Request

__all__ = ["ArgParser", "ModelArchiverConfig", "ModelExportUtils", "generate_model_archive", "package", "package_model"]


def generate_model_archive(config: Request | None = None) -> None:
    """Package a model, as `model_archiver.cli.scripts.generate_model_archive` does.

    It is defined here because scripts replace ``ArgParser`` in this module.
    """
    package(ArgParser.export_model_args_parser() if config is None else config)


if __name__ == "__main__":  # scripts call python -m model_archiver.model_packaging, too
    import runpy

    runpy.run_module("model_archiver", run_name="__main__")
