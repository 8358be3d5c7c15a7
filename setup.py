"""Build and installation of torch-model-archiver."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "model_archiver" / "_version.py").read_text(), re.MULTILINE)
assert VERSION is not None  # noqa: S101 - a build without a version must stop here

# Elsewhere the standard library's zlib serves, and nobody needs a compiler.
HAS_WHEELS = "platform_machine in 'x86_64 AMD64 aarch64 arm64 ARM64' and platform_python_implementation == 'CPython'"

# With these alone, the tests that need torch or another library of models are skipped.
TEST_CORE = ["jsonschema>=4.18", "pyte", "pytest", "pytest-timeout", "pytest-xdist", "shtab>=1.13"]

setup(
    name="torch-model-archiver",
    version=VERSION[1],
    description="Package a trained model as one file that TorchServe or Multi Model Server can serve",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["model_archiver", "model_archiver.*"]),
    package_data={"model_archiver": ["py.typed", "core/codes.yaml", "cli/*.yaml"]},
    # isal 1.5.0 was withdrawn because it leaks memory.
    install_requires=[f"isal>=1.5.1; {HAS_WHEELS}", "packaging>=22", "PyYAML>=6", "tqdm>=4.60"],
    extras_require={
        "completion": ["shtab>=1.13"],
        "dask": ["distributed>=2024.1"],
        "test-core": TEST_CORE,
        "test": [
            *TEST_CORE,
            *("distributed", "matplotlib", "numpy", "pyflakes", "scikit-learn", "torch"),
            *("onnx", "safetensors", "tokenizers"),  # for the models of the server tests
        ],
        "lint": ["import-linter", "mypy", "ruff", "types-PyYAML", "types-setuptools", "types-tqdm"],
    },
    entry_points={
        "console_scripts": [
            "torch-model-archiver = model_archiver.cli:main",
            "model-archiver = model_archiver.cli:mms_main",
        ]
    },
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: System :: Archiving :: Packaging",
        "Typing :: Typed",
    ],
)
