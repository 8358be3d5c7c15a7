"""The version of this package, and nothing else: the build reads it without importing the package."""

__version__ = "1.0.0"
