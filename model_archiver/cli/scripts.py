"""What other people's scripts call: the classes and functions of the original packages."""

from __future__ import annotations

from model_archiver.cli.parser import torch_parser
from model_archiver.commands.package import package
from model_archiver.core.problems import Problem, ProblemList, raise_errors
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig, Request
from model_archiver.planning.handler import BUILT_IN
from model_archiver.planning.planner import make_plan

archiving_options = {archive_format.value: archive_format.suffix for archive_format in ArchiveFormat}
"""What follows the model's name in the name of the output, by the value of ``--archive-format``."""

model_handlers = dict(BUILT_IN)
"""TorchServe's built-in handlers, and what each is for."""


class ArgParser:
    """The command line of ``torch-model-archiver`` as a request."""

    @staticmethod
    def export_model_args_parser() -> ModelArchiverConfig:
        """Return the request that ``sys.argv`` makes.

        Raises:
            UsageError: the command line is invalid, or asks for output that only the command prints.
        """
        args = torch_parser().parse_args()
        other_format = args.output_format != "text" and not args.json
        given = {"--dry-run": args.dry_run, "--json": args.json, "--output-format": other_format}
        message, hint = "only the command prints this", "leave it out, or call model_archiver.cli.main"
        raise_errors([Problem("error", "usage-invalid", message, hint, flag) for flag in given if given[flag]])
        if len(args.extra_files or ()) == 1:  # a string: callers split it at its commas
            [args.extra_files] = args.extra_files
        return ModelArchiverConfig.from_args(args)


class ModelArchiver:
    """Packages models.

    Example:
        >>> config = ModelArchiverConfig("digits", serialized_file="digits.pt", model_file="model.py")
        >>> ModelArchiver.generate_model_archive(config)
    """

    @staticmethod
    def generate_model_archive(config: Request | None = None) -> None:
        """Package a model; raise a `ModelArchiverError` with all problems if something is wrong."""
        generate_model_archive(config)


class ModelExportUtils:
    """Makes the manifest of a request, for callers that change it before they call `package_model`."""

    @staticmethod
    def generate_manifest_json(config: Request | None = None, *, args: Request | None = None) -> str:
        """Return the text of the manifest for a request.

        Args:
            config: a `ModelArchiverConfig`, or any object with some of its fields as attributes. Other problems of the
                request are reported by `package_model`.
            args: the name that older callers use for `config`.

        Raises:
            ModelArchiverError: there can be no manifest, for example because SOURCE_DATE_EPOCH is invalid.
        """
        problems = ProblemList()
        request = ModelArchiverConfig.from_args(args if config is None else config)
        plan = make_plan(request, None, problems)
        if not plan.fields:
            problems.raise_errors(strict=False)
        return plan.manifest


def generate_model_archive(config: Request | None = None) -> None:
    """Package a model.

    Args:
        config: a `ModelArchiverConfig`, or any object with some of its fields as attributes; None reads the command
            line.

    Raises:
        ModelArchiverError: everything that is wrong with the request, or what went wrong with the build. It is a
            FileNotFoundError too if an input is missing.
    """
    package(ArgParser.export_model_args_parser() if config is None else config)


def package_model(config: Request | None = None, manifest: str | None = None, *, args: Request | None = None) -> None:
    """Package a model with the caller's own manifest, which is written as given.

    Args:
        config: as for `generate_model_archive`.
        manifest: the text of ``MAR-INF/MANIFEST.json``, such as `ModelExportUtils.generate_manifest_json` returns.
        args: the name that older callers use for `config`.

    Raises:
        ModelArchiverError: as for `generate_model_archive`.
    """
    package(args if config is None else config, manifest)
