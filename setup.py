"""Build a wheel with the same bytes whatever the umask and the folder; pyproject.toml describes the package."""

from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class BuildWheel(bdist_wheel):
    """Builds a wheel from new files with the mode 0644."""

    def run(self) -> None:
        """Build in an empty folder: ``build/`` may have modules that the sources no longer have."""
        with TemporaryDirectory() as folder:
            self.reinitialize_command("build", reinit_subcommands=True, build_lib=folder)
            self.skip_build = False
            super().run()

    def write_wheelfile(self, *args: object) -> None:
        """Write the last file before the archive is made, and give all files one mode."""
        super().write_wheelfile(*args)
        for path in Path(self.bdist_dir).rglob("*"):
            if path.is_file():
                path.chmod(0o644)


setup(cmdclass={"bdist_wheel": BuildWheel})
