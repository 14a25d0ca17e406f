"""Variables from a file: set for this process and its children, shown by nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from registry.errors import InvalidConfig
from runtime import environment
from tests.runtime.process import ROOT

_ASKED = """
import os, subprocess, sys
from pathlib import Path
from runtime import environment
environment.take(Path(sys.argv[1]))
child = [sys.executable, "-c", "import os; print(os.environ['TOKEN'])"]
print(os.environ["TOKEN"], subprocess.check_output(child, text=True), end="")
print(b"a-value" in Path("/proc/self/environ").read_bytes())
"""


def written(folder: Path, content: Any) -> Path:
    path = folder / "environment.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_process_and_its_children_have_them_and_the_kernel_shows_none(tmp_path: Path) -> None:
    path = written(tmp_path, {"TOKEN": "a-value"})
    done = subprocess.run(
        [sys.executable, "-c", _ASKED, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["a-value", "a-value", "False"]


@pytest.mark.parametrize(
    "content",
    [
        {"TOKEN": 5, "OTHER": "a-value"},
        {"TOKEN": None},
        {"a=b": "a-value"},
        {"": "a-value"},
        {"TOKEN": "a-value\x00"},
        ["a-value"],
        '{"TOKEN": "a-value"',
        '{"TOKEN": "a-value", "TOKEN": "a-value"}',
    ],
)
def test_what_is_wrong_is_said_without_a_value(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InvalidConfig) as caught:
        environment.read(written(tmp_path, content))
    assert "environment.json" in caught.value.detail
    assert "a-value" not in caught.value.detail


def test_a_file_that_is_not_there_is_said_and_none_at_all_is_fine(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        environment.read(tmp_path / "environment.json")
    before = dict(os.environ)
    environment.take(None)
    assert dict(os.environ) == before


def test_the_runtime_reads_them_before_it_loads_anything(tmp_path: Path) -> None:
    """A wrong file ends it with the sentence, before a registry is asked."""
    path = written(tmp_path, "[]")
    told = {
        "listen": "127.0.0.1:1", "cache": str(tmp_path), "registry": "http://registry.invalid",
        "tokenFile": "t", "trustFile": "t", "host": "edge-1", "models": [],
        "controlTokenFile": None, "environmentFile": str(path),
    }  # fmt: skip
    config = tmp_path / "runtime.json"
    config.write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-m", "runtime", "--config", str(config)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "environment.json: is no JSON object" in done.stderr


def printed(code: str, **variables: str) -> str:
    """What a process with just these settings of BLAS prints."""
    given = {name: value for name, value in os.environ.items() if "OPENBLAS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=given | {"PYTHONPATH": str(ROOT)} | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_numpy_starts_no_threads_and_engines_are_told_nothing_of_it() -> None:
    code = (
        "import os; from runtime import environment; environment.import_numpy()\n"
        "print(len(os.listdir('/proc/self/task')), os.environ.get('OPENBLAS_NUM_THREADS'))"
    )
    assert printed(code) == "1 None\n"
    assert printed(code, OPENBLAS_NUM_THREADS="2").endswith(" 2\n")


def test_a_start_imports_nothing_that_no_first_answer_needs() -> None:
    code = (
        "import sys; from runtime import config, server\n"
        "print(*sorted({'prometheus_client', 'cryptography.x509', 'numpy.random',\n"
        "    'runtime.explaining.desk', 'runtime.backends.steps.stepped'} & set(sys.modules)))"
    )
    assert printed(code) == "\n"
