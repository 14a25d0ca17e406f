"""A peer that is missing is said so, with the way out; its row is never left out in silence."""

from pathlib import Path

import pytest

from bench import distribution, mlflow, nginx, postgres
from registry import errors


def test_a_missing_docker_registry_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotFound) as raised, distribution.running(tmp_path / "peer"):
        pass
    assert raised.value.fix == "apt-get install docker-registry"


def test_a_missing_postgresql_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_VERSIONS", tmp_path)
    with pytest.raises(errors.NotFound) as raised, postgres.cluster():
        pass
    assert raised.value.fix == "apt-get install postgresql"


def test_a_missing_nginx_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(errors.NotFound) as raised, nginx.serving(tmp_path, folder=tmp_path / "n"):
        pass
    assert raised.value.fix == "apt-get install nginx-light"


def test_an_mlflow_that_cannot_be_installed_is_said_and_tried_again_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):
        with pytest.raises(errors.Unavailable, match=f"mlflow-{mlflow.VERSION}") as raised:
            mlflow.installed(tmp_path)
        assert "package index" in raised.value.fix
