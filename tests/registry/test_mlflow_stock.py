"""What people do with MLflow's registry, done by MLflow's own client against ours."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from registry.api.server import Server, bind
from registry.settings import Settings
from registry.trust import keys
from registry.usecases import catalogue
from registry.usecases.access import Role
from tests.registry import mlflow_stock as stock
from tests.registry.publishing import Publisher, onnx_model

FILES = {"model.onnx": onnx_model(), "MLmodel": b"flavors: {}\n", "extra/notes.txt": b"hello"}

# MLflow warns of its own stages, which we have not.
pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")


@pytest.fixture
def mlflow(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    return stock.configure(server, monkeypatch)


@pytest.fixture
def signed(tmp_path: Path, alice: Publisher) -> Path:
    folder = stock.write(tmp_path / "candidate", FILES)
    return stock.sign_folder(folder, FILES, alice)


def told(server: Server, model: str) -> list[str]:
    """The kinds of entries about a model, oldest first."""
    latest = catalogue.latest(server.app.state.registry, limit=100, model_name=model)
    return [str(one.entry.kind) for one in reversed(latest)]


def test_a_model_goes_from_a_folder_to_a_registered_alias_and_back(
    mlflow: Any, server: Server, signed: Path, tmp_path: Path
) -> None:
    import mlflow as package

    source = stock.upload(signed, "digits/candidate")
    version = package.register_model(source, "digits", tags={"team": "risk"})
    assert (version.version, version.status) == ("1", "PENDING_REGISTRATION")

    ready = mlflow.get_model_version("digits", "1")
    assert (ready.status, ready.current_stage, ready.tags) == ("READY", "None", {"team": "risk"})
    assert (ready.source, ready.user_id) == (source, "publisher:mlflow-ci")
    mlflow.set_registered_model_alias("digits", "champion", "1")

    target = tmp_path / "down"
    package.artifacts.download_artifacts("models:/digits@champion", dst_path=str(target))
    found = stock.read(target)
    assert found.pop("registered_model_meta")  # which the client itself writes
    assert found == FILES
    assert mlflow.get_model_version_by_alias("digits", "champion").aliases == ["champion"]
    assert told(server, "digits") == ["model_created", "registering", "published", "alias_moved"]


def test_what_model_signing_signed_is_ready(mlflow: Any, tmp_path: Path, alice: Publisher) -> None:
    folder = stock.write(tmp_path / "m", FILES)
    keys.write(alice.key, tmp_path / "alice.pem")
    subprocess.run(
        [sys.executable, "-m", "model_signing", "sign", "key", str(folder),
         "--private_key", str(tmp_path / "alice.pem"), "--signature", str(folder / "model.sig")],
        check=True, capture_output=True,
    )  # fmt: skip
    mlflow.create_registered_model("digits")
    version = mlflow.create_model_version("digits", stock.upload(folder, "m"))
    assert mlflow.get_model_version("digits", version.version).status == "READY"


def test_a_refused_version_says_why_to_the_client_and_in_the_log(
    mlflow: Any, server: Server, tmp_path: Path
) -> None:
    folder = stock.write(tmp_path / "m", FILES)
    mlflow.create_registered_model("digits")
    with stock.refused("INTERNAL_ERROR", "FAILED_REGISTRATION and message: nobody signed these"):
        mlflow.create_model_version("digits", stock.upload(folder, "m"))
    failed = mlflow.get_model_version("digits", "1")
    assert "model_signing sign" in failed.status_message
    with stock.refused("RESOURCE_CONFLICT", "FAILED_REGISTRATION: nobody signed"):
        mlflow.get_model_version_download_uri("digits", "1")
    with stock.refused("RESOURCE_CONFLICT", "is failed: an alias cannot point at it"):
        mlflow.set_registered_model_alias("digits", "champion", "1")
    assert told(server, "digits")[1:] == ["registering", "registration_failed"]


def test_a_broken_model_fails_with_the_inspector_s_reason(
    mlflow: Any, tmp_path: Path, alice: Publisher
) -> None:
    files = {"model.onnx": b"\x80\x04 a pickle, perhaps"}
    folder = stock.sign_folder(stock.write(tmp_path / "m", files), files, alice)
    mlflow.create_registered_model("digits")
    with stock.refused("INTERNAL_ERROR", "model.onnx"):
        mlflow.create_model_version("digits", stock.upload(folder, "m"))
    assert mlflow.get_registered_model("digits").latest_versions == []


def test_as_custodian_the_registry_signs_what_nobody_signed(
    settings: Settings,
    alice: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice.list_in(settings.publishers_file)
    server = Server(replace(settings, custodian=True))
    server.start()
    try:
        mlflow = stock.configure(server, monkeypatch)
        mlflow.create_registered_model("digits")
        mlflow.create_model_version("digits", stock.upload(stock.write(tmp_path / "m", FILES), "m"))
        registry = server.app.state.registry
        assert catalogue.version(registry, "digits", 1).variants[0].publisher == "custodian"
        trusted = [signer.name for signer in registry.trust_root().publishers]
        assert trusted == ["alice", "custodian"]
        assert (settings.data_dir / "keys" / "custodian.pem").stat().st_mode & 0o777 == 0o600
    finally:
        server.stop()


def test_names_tags_and_descriptions_are_what_people_made_them(mlflow: Any) -> None:
    made = mlflow.create_registered_model("UpdateRMTest", {"a": "1", "b": "2"}, "first")
    assert (made.name, made.tags, made.description) == (
        "UpdateRMTest",
        {"a": "1", "b": "2"},
        "first",
    )
    with stock.refused("RESOURCE_ALREADY_EXISTS", "Registered Model .+ already exists"):
        mlflow.create_registered_model("UpdateRMTest")

    assert mlflow.update_registered_model("UpdateRMTest", "second").description == "second"
    mlflow.rename_registered_model("UpdateRMTest", "UpdateRMTest 2")
    with stock.refused(
        "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=UpdateRMTest not found"
    ):
        mlflow.get_registered_model("UpdateRMTest")
    assert mlflow.get_registered_model("updatermtest").name == "UpdateRMTest 2"  # by its slug

    mlflow.set_registered_model_tag("UpdateRMTest 2", "a", "new")
    mlflow.delete_registered_model_tag("UpdateRMTest 2", "b")
    mlflow.delete_registered_model_tag("UpdateRMTest 2", "never there")
    assert mlflow.get_registered_model("UpdateRMTest 2").tags == {"a": "new"}
    for name in ("a/b", "a:b", " "):
        with stock.refused("INVALID_PARAMETER_VALUE"):
            mlflow.create_registered_model(name)


def test_a_number_is_never_given_out_twice(mlflow: Any, signed: Path) -> None:
    source = stock.upload(signed, "m")
    mlflow.create_registered_model("digits")
    for _ in range(3):
        mlflow.create_model_version("digits", source)
    mlflow.set_registered_model_alias("digits", "champion", "3")
    mlflow.delete_model_version("digits", "3")
    with stock.refused("RESOURCE_DOES_NOT_EXIST", "Model Version .+ not found"):
        mlflow.get_model_version("digits", "3")
    with stock.refused("INVALID_PARAMETER_VALUE", "alias champion not found"):
        mlflow.get_model_version_by_alias("digits", "champion")
    assert [one.version for one in mlflow.get_latest_versions("digits")] == ["2"]
    assert mlflow.create_model_version("digits", source).version == "4"

    mlflow.delete_registered_model("digits")
    with stock.refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=digits not found"):
        mlflow.get_registered_model("digits")
    mlflow.create_registered_model("digits")
    assert mlflow.create_model_version("digits", source).version == "5"


def test_a_version_is_copied_to_another_model_with_all_that_was_said_of_it(
    mlflow: Any, signed: Path, server: Server
) -> None:
    mlflow.create_registered_model("digits staging")
    mlflow.create_model_version("digits staging", stock.upload(signed, "m"), run_id="r1")
    mlflow.set_registered_model_alias("digits staging", "candidate", "1")
    copied = mlflow.copy_model_version("models:/digits staging@candidate", "digits")
    assert (copied.name, copied.version, copied.run_id) == ("digits", "1", "r1")
    assert mlflow.get_model_version("digits", "1").status == "READY"
    registry = server.app.state.registry
    origin, copy = (catalogue.version(registry, slug, 1) for slug in ("digits-staging", "digits"))
    assert copy.variants[0].publisher == "alice"
    assert [f.digest for f in copy.variants[0].files] == [
        f.digest for f in origin.variants[0].files
    ]


def test_versions_have_no_stages_and_the_refusal_says_what_to_do(mlflow: Any, signed: Path) -> None:
    mlflow.create_registered_model("digits")
    mlflow.create_model_version("digits", stock.upload(signed, "m"))
    assert mlflow.transition_model_version_stage("digits", "1", "None").current_stage == "None"
    with stock.refused(
        "INVALID_PARAMETER_VALUE", "set_registered_model_alias.'digits', 'production'"
    ):
        mlflow.transition_model_version_stage("digits", "1", "Production")
    assert mlflow.get_latest_versions("digits", stages=["Production"]) == []
    assert len(mlflow.get_latest_versions("digits", stages=["None"])) == 1


def test_versions_and_aliases_are_edited_and_checked_as_mlflow_does(
    mlflow: Any, signed: Path
) -> None:
    mlflow.create_registered_model("digits")
    mlflow.create_model_version("digits", stock.upload(signed, "m"), tags={"a": "1"})
    assert mlflow.update_model_version("digits", "1", "good").description == "good"
    mlflow.set_model_version_tag("digits", "1", "b", "2")
    mlflow.delete_model_version_tag("digits", "1", "a")
    assert mlflow.get_model_version("digits", "1").tags == {"b": "2"}

    for version, text in (("one", "Parameter 'version' must be an integer, got 'one'."),):
        with stock.refused("INVALID_PARAMETER_VALUE", text):
            mlflow.get_model_version("digits", version)
    with stock.refused("RESOURCE_DOES_NOT_EXIST", "Model Version .+ not found"):
        mlflow.set_registered_model_alias("digits", "champion", "9")
    for alias in ("latest", "v7", "a b", "a-b"):
        with stock.refused("INVALID_PARAMETER_VALUE"):
            mlflow.set_registered_model_alias("digits", alias, "1")
    mlflow.set_registered_model_alias("digits", "champion", "1")
    assert mlflow.get_registered_model("digits").aliases == {"champion": "1"}
    mlflow.delete_registered_model_alias("digits", "champion")
    mlflow.delete_registered_model_alias("digits", "champion")
    assert mlflow.get_registered_model("digits").aliases == {}
    assert mlflow.get_model_version_by_alias("digits", "latest").version == "1"


def test_uploads_are_listed_replaced_and_removed(mlflow: Any, tmp_path: Path) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files = {"a.txt": b"one", "b/c.txt": b"two", "b/d/e.txt": b"", "ä ö.txt": b"three"}
    stock.upload(stock.write(tmp_path / "m", files), "place/m")
    repository = get_artifact_repository("mlflow-artifacts:/place/m")
    top = {(one.path, one.is_dir, one.file_size) for one in repository.list_artifacts()}
    assert top == {("a.txt", False, 3), ("b", True, None), ("ä ö.txt", False, 5)}
    assert [one.path for one in repository.list_artifacts("b")] == ["b/c.txt", "b/d"]
    assert repository.list_artifacts("a.txt") == []
    assert stock.read(Path(repository.download_artifacts(""))) == files

    (tmp_path / "a.txt").write_bytes(b"newer")
    repository.log_artifact(str(tmp_path / "a.txt"))
    assert Path(repository.download_artifacts("a.txt")).read_bytes() == b"newer"
    repository.delete_artifacts("b")
    assert {one.path for one in repository.list_artifacts()} == {"a.txt", "ä ö.txt"}


def test_the_files_of_a_version_cannot_be_replaced(
    mlflow: Any, signed: Path, tmp_path: Path
) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    mlflow.create_registered_model("digits")
    source = stock.upload(signed, "m")
    mlflow.create_model_version("digits", source)
    get_artifact_repository(source).delete_artifacts("")
    uri = mlflow.get_model_version_download_uri("digits", "1")
    assert uri == "mlflow-artifacts:/models/digits/1"
    repository = get_artifact_repository(uri)
    with pytest.raises(Exception, match="403"):
        repository.log_artifact(str(signed / "MLmodel"))
    with pytest.raises(Exception, match="403"):
        repository.delete_artifacts("")
    assert stock.read(Path(repository.download_artifacts("", dst_path=str(tmp_path)))).keys() >= {
        "extra/notes.txt"
    }


def test_a_host_s_download_is_on_record_once(
    mlflow: Any,
    signed: Path,
    server: Server,
    client_of: Callable[..., httpx2.Client],
) -> None:
    mlflow.create_registered_model("digits")
    mlflow.create_model_version("digits", stock.upload(signed, "m"))
    host = client_of(Role.HOST, "edge-1")
    for path, content in FILES.items():
        url = f"/api/2.0/mlflow-artifacts/artifacts/models/digits/1/{path}"
        assert host.get(url).content == content
    assert told(server, "digits").count("pulled") == 1


def test_a_user_name_and_a_token_as_password_will_do(
    mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    with stock.refused("UNAUTHENTICATED"):
        mlflow.create_registered_model("digits")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", token)
    assert mlflow.create_registered_model("digits").name == "digits"


def test_with_its_own_address_the_registry_goes_beside_another_tracking_server(
    settings: Settings, alice: Publisher, signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow as package

    alice.list_in(settings.publishers_file)
    listener = bind(settings.listen[0])
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(replace(settings, url=url), [listener])
    server.start()
    try:
        stock.configure(server, monkeypatch)
        source = stock.upload(signed, "m").replace(
            "mlflow-artifacts:", f"{url}/api/2.0/mlflow-artifacts/artifacts"
        )
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.invalid")
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", url)
        package.register_model(source, "digits")
        found = package.artifacts.download_artifacts("models:/digits/1")
        assert stock.read(Path(found)).items() >= FILES.items()
    finally:
        server.stop()
