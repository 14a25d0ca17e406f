"""MLflow's own client, pointed at a registry of ours by nothing but its usual settings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry.api.server import Server
from registry.core.canonical import Json
from registry.trust import sign
from registry.usecases import access
from registry.usecases.access import Role
from tests.registry.conftest import ROOT
from tests.registry.publishing import Publisher, listed

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "DO_NOT_TRACK": "true",
}


def configure(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, role: Role = Role.PUBLISHER
) -> Any:
    """The stock client with a token of this role."""
    opened = server.app.state.registry
    token = access.mint(opened, role=role, name="mlflow-ci", by=ROOT)
    settings = {"MLFLOW_TRACKING_URI": server.addresses[0], "MLFLOW_TRACKING_TOKEN": token}
    for name, value in (QUIET | settings).items():
        monkeypatch.setenv(name, value)
    from mlflow import MlflowClient

    return MlflowClient()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def sign_folder(folder: Path, files: dict[str, bytes], publisher: Publisher) -> Path:
    """As `model_signing sign key FOLDER --signature FOLDER/model.sig` does."""
    bundle: dict[str, Json] = sign.sign_model(folder.name, listed(files), publisher.key)
    (folder / "model.sig").write_text(json.dumps(bundle))
    return folder


def upload(folder: Path, where: str) -> str:
    """By the stock client's artifact repository; gives the address to register."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    uri = f"mlflow-artifacts:/{where}"
    get_artifact_repository(uri).log_artifacts(str(folder))
    return uri


def read(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@contextmanager
def refused(code: str, text: str | None = None) -> Iterator[None]:
    """The stock client raises its exception with this code and text."""
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=text) as caught:
        yield
    assert caught.value.error_code == code
