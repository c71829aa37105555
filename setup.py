"""The README as a package index shows it; everything else is in pyproject.toml."""

import sys
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))

from readme_for_index import readme_for_index  # noqa: E402

setup(
    long_description=readme_for_index(
        (ROOT / "README.md").read_text(encoding="utf-8"),
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"],
    ),
    long_description_content_type="text/markdown",
)
