"""The site, built once and strictly, and the browser that reads it from its folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages.conftest import chromium

ROOT = Path(__file__).resolve().parents[2]
__all__ = ["chromium"]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the site; a warning of the build is an error of this fixture."""
    folder: Path = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder
