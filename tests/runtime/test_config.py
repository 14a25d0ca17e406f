"""The configuration file is read strictly; each error names the file and the field."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from registry.core.canonical import Json
from registry.errors import InvalidConfig, InvalidInput
from runtime import config, tuning
from tests.runtime.process import ROOT

PIN = {
    "model": "digits",
    "version": 2,
    "digest": "sha256:" + "0" * 64,
    "format": "onnx",
    "active": True,
}
GOOD: dict[str, Any] = {
    "listen": "0.0.0.0:8501",
    "cache": "/var/lib/plimsoll",
    "registry": "http://registry:8080/",
    "tokenFile": "/run/plimsoll/token",
    "trustFile": "/run/plimsoll/trust.json",
    "host": "edge-1",
    "models": [PIN],
    "controlTokenFile": None,
}


def parsed(document: dict[str, Any]) -> config.Config:
    return config.parse(json.dumps(document).encode(), what="runtime.json")


def test_a_complete_file_is_read() -> None:
    found = parsed(GOOD)
    assert found.address == ("0.0.0.0", 8501)  # noqa: S104
    assert found.registry == "http://registry:8080"
    assert found.models == (config.Pin("digits", 2, PIN["digest"], "onnx", True),)  # type: ignore[arg-type]


def test_an_ipv6_address_is_read() -> None:
    assert parsed(GOOD | {"listen": "[::]:8501"}).address == ("::", 8501)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for more in (
        {"limits": {"queue": 7}, "controlTokenFile": "/run/control"},
        {"tokenFile": None, "enrolmentTokenFile": "/run/once", "registryCaFile": "/run/ca.pem"},
    ):
        found = parsed(GOOD | more)
        config.write(tmp_path / "runtime.json", found)
        assert config.read(tmp_path / "runtime.json") == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lisen": "x"}, "runtime.json: unknown field 'lisen'"),
        ({"listen": "8501"}, "runtime.json: 'listen' is '8501'"),
        ({"listen": "x:99999"}, "runtime.json: 'listen' is 'x:99999'"),
        ({"listen": 8501}, "runtime.json: 'listen' must be a string, found int"),
        ({"registry": "registry:8080"}, "runtime.json: 'registry' is 'registry:8080'"),
        ({"host": "Edge 1"}, "runtime.json: 'host' 'Edge 1' is not allowed"),
        ({"models": {}}, "runtime.json: 'models' must be a list"),
        ({"models": [{**PIN, "tag": "x"}]}, "runtime.json: models[0]: unknown field 'tag'"),
        ({"models": [{**PIN, "version": "2"}]}, "runtime.json: models[0]: version '2'"),
        ({"models": [{**PIN, "version": True}]}, "runtime.json: models[0]: version True"),
        ({"models": [PIN, {**PIN, "digest": "latest"}]}, "runtime.json: models[1]: 'latest' is no"),
        ({"models": [{**PIN, "format": "h5"}]}, "runtime.json: models[0]: 'format' is 'h5'"),
        ({"models": [{**PIN, "active": 1}]}, "runtime.json: models[0]: 'active' must be"),
        ({"models": [PIN, PIN]}, "runtime.json: models lists digits@2 twice"),
        ({"models": [PIN, {**PIN, "version": 3}]}, "models has two active versions of 'digits'"),
        ({"limits": {"queue": 0}}, "runtime.json: limits: 'queue' must be above zero"),
        (
            {"limits": {"bodyBytes": 9, "bodiesBytes": 8}},
            "runtime.json: limits: 'bodiesBytes' 8 has no room for one body of 'bodyBytes' 9",
        ),
        ({"limits": {"size": 1}}, "runtime.json: limits: unknown field 'size'"),
        ({"enrolmentTokenFile": "/x"}, "one of them must be there"),
        ({"enrolmentTokenFile": 7}, "'enrolmentTokenFile' must be a string"),
        ({"registryCaFile": []}, "'registryCaFile' must be a string"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parsed(GOOD | change)
    assert said in caught.value.detail


@pytest.mark.parametrize("field", sorted(GOOD.keys() - {"controlTokenFile"}))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidConfig, match=field):
        parsed({name: value for name, value in GOOD.items() if name != field})


def test_the_process_says_what_is_wrong_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.write_text(json.dumps(GOOD | {"lisen": "x"}))
    ended = subprocess.run(
        [sys.executable, "-m", "runtime", "--config", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "error (invalid_config): runtime.json: unknown field 'lisen'" in ended.stderr
    assert "fix: the fields are cache," in ended.stderr


def test_importing_the_server_stays_light() -> None:
    """Engines are imported by the first version that needs them, not by the process."""
    program = "import sys, runtime.__main__; print(sorted(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for heavy in ("tensorflow", "onnxruntime", "pydantic", "structlog", "rich"):
        assert f"'{heavy}'" not in ended.stdout


def test_how_a_version_runs_is_read_and_written_back() -> None:
    declared = {
        "instances": 2,
        "threads": 1,
        "batching": {
            "maxBatchSize": 32,
            "delayMicroseconds": 500,
            "preferredSizes": [8, 16],
            "priorities": [{"size": 10}, {"timeoutMilliseconds": 50}],
            "defaultPriority": 2,
        },
        "cache": {"bytes": 1000},
        "memoryBytes": 1 << 30,
    }
    assert tuning.parse(declared, what="x").document() == declared
    assert tuning.parse({}, what="x") == tuning.Tuning()


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"threads": 0}, "'threads' must be above zero"),
        ({"batching": {}}, "'maxBatchSize'"),
        ({"cache": {"bytes": 0}}, "cache: 'bytes' must be above zero"),
        ({"cache": {"size": 1}}, "cache: unknown field 'size'"),
        ({"batching": {"maxBatchSize": 8, "delay": 1}}, "unknown field 'delay'"),
        ({"batching": {"maxBatchSize": 8, "preferredSizes": [16]}}, "'preferredSizes' has 16"),
        ({"batching": {"maxBatchSize": 8, "queue": {}, "priorities": []}}, "are both there"),
        ({"batching": {"maxBatchSize": 8, "defaultPriority": 1}}, "there are 0 priorities"),
        ({"batching": {"maxBatchSize": 8, "queue": {"size": "all"}}}, "'size'"),
    ],
)
def test_what_cannot_be_run_so_names_itself(declared: dict[str, Json], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        tuning.parse(declared, what="models[0]")
