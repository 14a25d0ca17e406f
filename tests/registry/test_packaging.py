"""A version's runnable image: composed of documents, reproducible, read whole and in part."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import oras.client
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2

from registry import errors
from registry.api.server import Server
from registry.core import bom, dsse, envelope, image, oci, trustchain
from registry.core.envelope import Verified, Wanted
from registry.core.oci_documents import BUNDLE_TYPE
from registry.db import versions
from registry.making import packaging
from registry.settings import Encryption, Settings
from registry.usecases import access, catalogue, deletion, erasure
from registry.usecases import oci as repositories
from registry.usecases.access import Role
from registry.usecases.images import Layer
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked
from tests.registry import artifacts, runtimes
from tests.registry.artifacts import refused
from tests.registry.conftest import ROOT
from tests.registry.publishing import ALICE, Publisher, digest_of
from tests.registry.test_oci_clients import run
from tests.registry.test_oci_versions import FILES, published, pulls

BASE = (b"python, and what it needs", b"our own code")
RUN = {"Accept": f"{oci.INDEX}, {oci.IMAGE}"}


@pytest.fixture
def digits(server: Server, alice: Publisher) -> Registry:
    return published(server.app.state.registry, alice)


def package(client: httpx2.Client, base: str, version: int = 1, **more: str) -> dict[str, Any]:
    path = f"/v1/models/digits/versions/{version}/images"
    answer = client.post(path, json={"base": base, **more})
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found


def blob(client: httpx2.Client, digest: str) -> bytes:
    answer = client.get(f"/v2/digits/blobs/{digest}")
    assert answer.status_code == 200, answer.text
    assert digest_of(answer.content) == digest
    return answer.content


def entries(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        opened = {one.name: archive.extractfile(one) for one in archive.getmembers()}
    return {name: file.read() for name, file in opened.items() if file is not None}


def test_the_tag_of_a_packaged_version_is_a_runnable_image_and_the_version_itself(
    digits: Registry, client: httpx2.Client
) -> None:
    version = client.get("/v2/digits/manifests/1")
    made = package(client, runtimes.push(client, *BASE))
    for tag in ("1", "champion"):
        index = client.get(f"/v2/digits/manifests/{tag}", headers=RUN)
        assert index.headers["docker-content-digest"] == made["digest"] == digest_of(index.content)
    assert index.headers["content-type"] == oci.INDEX
    runnable, itself = index.json()["manifests"]
    assert runnable["platform"] == {"architecture": "amd64", "os": "linux"}
    assert itself["digest"] == digest_of(version.content)
    # Who wants a single manifest gets the version, as before.
    plain = client.get("/v2/digits/manifests/1")
    assert plain.content == version.content
    assert "Accept" in plain.headers["vary"]

    found = client.get(f"/v2/digits/manifests/{runnable['digest']}").json()
    layers = [blob(client, one["digest"]) for one in found["layers"]]
    assert [len(one) for one in layers] == [one["size"] for one in found["layers"]]
    assert tuple(layers[:2]) == BASE
    config = json.loads(blob(client, found["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [digest_of(one) for one in layers]
    assert config["config"]["Entrypoint"] == runtimes.ENTRYPOINT
    assert config["config"]["Cmd"] == ["--config", "/opt/plimsoll/image/runtime.json"]
    assert config["config"]["User"] == "10001:10001"
    assert entries(layers[2]) == {f"{image.FILES}/{path}": data for path, data in FILES.items()}
    proofs = {path.rpartition("/")[2]: data for path, data in entries(layers[3]).items()}
    said = json.loads(proofs["runtime.json"])["models"][0]
    wanted = Wanted("digits", 1, digest_of(version.content))
    assert (said["digest"], said["format"]) == (wanted.digest, "onnx")
    trust = trustchain.read(proofs["trust.json"])
    assert isinstance(envelope.verify(proofs["envelope.json"], trust, wanted), Verified)


def test_any_range_of_the_models_layer_is_cut_out_of_the_whole(
    digits: Registry, client: httpx2.Client
) -> None:
    made = package(client, runtimes.push(client, *BASE))
    whole = blob(client, made["layer"])
    path = f"/v2/digits/blobs/{made['layer']}"
    for start, stop in ((0, 1), (500, 520), (511, 513), (700, 2000), (len(whole) - 1, len(whole))):
        answer = client.get(path, headers={"Range": f"bytes={start}-{stop - 1}"})
        assert (answer.status_code, answer.content) == (206, whole[start:stop])
    head = client.head(path)
    assert (head.headers["content-length"], head.content) == (str(len(whole)), b"")
    assert client.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_the_same_version_on_the_same_base_is_the_same_image(
    digits: Registry, client: httpx2.Client
) -> None:
    base = runtimes.push(client, *BASE)
    first = package(client, base)
    for _ in range(3):
        artifacts.push(client, "other", b"the log grows")
    again = package(client, base)
    assert again == first | {"hashed": 0}
    assert first["hashed"] == first["layerSize"]
    by_tag = package(client, "plimsoll/runtime:1")
    assert by_tag["digest"] == first["digest"]
    kinds = [one.entry.kind for one in catalogue.latest(digits, limit=50)]
    assert kinds.count("packaged") == 1  # type: ignore[comparison-overlap]


def test_a_new_base_moves_the_tag_and_hashes_nothing(
    digits: Registry, client: httpx2.Client
) -> None:
    first = package(client, runtimes.push(client, *BASE))
    moved = package(client, runtimes.push(client, b"a patched python", tag="2"))
    assert moved["digest"] != first["digest"]
    assert (moved["layer"], moved["hashed"]) == (first["layer"], 0)
    index = client.get("/v2/digits/manifests/1", headers=RUN)
    assert digest_of(index.content) == moved["digest"]
    assert client.get(f"/v2/digits/manifests/{first['digest']}").status_code == 200


def test_a_variant_has_an_image_of_its_own(digits: Registry, client: httpx2.Client) -> None:
    base = runtimes.push(client, *BASE)
    first, second = package(client, base), package(client, base, variant="onnx-int8")
    assert first["layer"] != second["layer"]
    for tag, made in (("1", first), ("1-onnx-int8", second)):
        answer = client.get(f"/v2/digits/manifests/{tag}", headers=RUN)
        assert answer.headers["docker-content-digest"] == made["digest"]


def test_what_is_no_runtime_is_no_base(digits: Registry, client: httpx2.Client) -> None:
    artifacts.push(client, "notes", b"text", reference="1")
    path = "/v1/models/digits/versions/1/images"
    for base, status in (("notes:1", 422), ("nowhere:1", 404), ("plimsoll/runtime", 422)):
        assert client.post(path, json={"base": base}).status_code == status, base
    assert client.get("/v2/digits/manifests/1", headers=RUN).headers["content-type"] == oci.IMAGE


def test_an_image_cannot_be_deleted_and_goes_with_its_version(
    digits: Registry, client: httpx2.Client
) -> None:
    made = package(client, runtimes.push(client, *BASE), version=2)
    place = f"/v2/digits/manifests/{made['digest']}"
    assert refused(client.delete(place)) == (403, "DENIED")
    deleted = client.request(
        "DELETE", "/api/2.0/mlflow/model-versions/delete", json={"name": "digits", "version": "2"}
    )
    assert deleted.status_code == 200, deleted.text
    assert client.get(place).status_code == 404
    assert client.get(f"/v2/digits/blobs/{made['layer']}").status_code == 404


def bundles(client: httpx2.Client, digest: str) -> dict[str, dict[str, Any]]:
    """What the registry signed of an image: statements by predicate type."""
    found = {}
    for one in artifacts.referrers(client, "digits", digest, artifactType=BUNDLE_TYPE):
        [layer] = client.get(f"/v2/digits/manifests/{one['digest']}").json()["layers"]
        bundle = json.loads(blob(client, layer["digest"]))
        signer = dsse.signer("registry", client.get("/v1/trust").json()["registry"]["publicKey"])
        statement = json.loads(dsse.verify(bundle, [signer]).payload)
        found[statement["predicateType"]] = statement
    return found


def test_an_image_is_signed_with_its_provenance_and_its_bill_of_materials(
    digits: Registry, client: httpx2.Client
) -> None:
    base = runtimes.push(client, *BASE)
    made = package(client, base)
    said = bundles(client, made["digest"])
    assert set(said) == {
        "https://sigstore.dev/cosign/sign/v1",
        "https://slsa.dev/provenance/v1",
        "https://cyclonedx.org/bom",
    }
    about = {made["digest"], *(one["digest"] for one in made["images"])}
    for statement in said.values():
        assert {f"sha256:{one['digest']['sha256']}" for one in statement["subject"]} == about
    # Read by in-toto's own definition of the predicate: an unknown field would raise.
    predicate = said["https://slsa.dev/provenance/v1"]["predicate"]
    read = json_format.ParseDict(predicate, provenance_pb2.Provenance())
    assert read.build_definition.build_type == "https://plimsoll.dev/image/v1"
    assert read.run_details.builder.id == "https://plimsoll.local/log"
    used = {f"{one.uri}@sha256:{one.digest['sha256']}" for one in
            read.build_definition.resolved_dependencies}  # fmt: skip
    version = digest_of(client.get("/v2/digits/manifests/1").content)
    assert used == {f"oci://{base}", f"oci://digits@1@{version}"}


def test_the_bill_of_materials_is_valid_and_lists_every_file(
    digits: Registry, client: httpx2.Client
) -> None:
    base = runtimes.push(client, *BASE)
    made = package(client, base)
    [one] = artifacts.referrers(client, "digits", made["digest"], artifactType=bom.MEDIA_TYPE)
    [layer] = client.get(f"/v2/digits/manifests/{one['digest']}").json()["layers"]
    document = blob(client, layer["digest"])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None
    assert json.loads(document) == bundles(client, made["digest"])[bom.PREDICATE_TYPE]["predicate"]
    found = json.loads(document)
    assert found["metadata"]["component"]["hashes"][0]["content"] == made["digest"][7:]
    model, below = found["components"]
    assert model["type"] == "machine-learning-model"
    listed = {one["name"]: f"sha256:{one['hashes'][0]['content']}" for one in model["components"]}
    assert listed == {path: digest_of(data) for path, data in FILES.items()}
    assert f"{below['name']}@sha256:{below['hashes'][0]['content']}" == base


def test_images_come_and_go_on_every_database(registry: Registry, alice: Publisher) -> None:
    published(registry, alice)
    base = runtimes.keep(registry, *BASE)
    made = packaging.package(registry, Asked("digits", 2), base, ALICE)
    other = packaging.package(registry, Asked("digits", 1), base, ALICE)
    assert made.is_new
    assert not packaging.package(registry, Asked("digits", 2), base, ALICE).is_new
    found = repositories.manifest(registry, "digits", "2", is_run=True)
    assert (found.digest, found.media_type) == (made.digest, oci.INDEX)
    [image_of] = made.images
    composed = repositories.manifest(registry, "digits", image_of.digest)
    version = repositories.manifest(registry, "digits", "2")
    assert (composed.version, composed.of) == (2, version.digest)
    deletion.delete_version(registry, "digits", 2, ALICE)
    for gone in (made.digest, image_of.digest):
        with pytest.raises(errors.NotFound):
            repositories.manifest(registry, "digits", gone)
    with pytest.raises(errors.NotFound):
        repositories.blob(registry, "digits", made.layer.digest)
    assert repositories.manifest(registry, "digits", "1", is_run=True).digest == other.digest
    assert isinstance(repositories.blob(registry, "digits", other.layer.digest), Layer)
    erasure.erase(registry, model="digits", version=1, reason="asked for", by=ROOT)
    for gone in ("1", other.digest, other.images[0].digest):
        with pytest.raises(errors.NotFound):
            repositories.manifest(registry, "digits", gone, is_run=True)
    with pytest.raises(errors.NotFound):
        repositories.blob(registry, "digits", other.layer.digest)


def test_a_hosts_pull_of_an_image_is_a_pull_of_the_version(
    digits: Registry, client: httpx2.Client, client_of: Callable[..., httpx2.Client]
) -> None:
    made = package(client, runtimes.push(client, *BASE))
    host = client_of(Role.HOST, "edge-1")
    index = host.get("/v2/digits/manifests/1", headers=RUN).json()
    assert pulls(digits) == []
    host.get(f"/v2/digits/manifests/{index['manifests'][0]['digest']}")
    version = digest_of(client.get("/v2/digits/manifests/1").content)
    assert pulls(digits) == [("edge-1", version, 1)]
    assert host.get(f"/v2/digits/blobs/{made['layer']}").status_code == 200
    viewer = client_of(Role.VIEWER, "eve")
    asked = viewer.post("/v1/models/digits/versions/1/images", json={"base": "plimsoll/runtime:1"})
    assert asked.status_code == 403


def test_hosts_that_get_files_encrypted_are_not_given_them_in_an_image(
    settings: Settings, alice: Publisher
) -> None:
    encrypted = Encryption(provider="file", require_delivery=True)
    alice.list_in(settings.publishers_file)
    server = Server(replace(settings, encryption=encrypted))
    server.start()
    try:
        registry = published(server.app.state.registry, alice)
        made = packaging.package(
            registry, Asked("digits", 1), runtimes.keep(registry, *BASE), ALICE
        )
        for role, status in ((Role.HOST, 403), (Role.VIEWER, 200)):
            token = access.mint(registry, role=role, name="one", by=ROOT)
            answer = httpx2.get(
                f"{server.addresses[0]}/v2/digits/blobs/{made.layer.digest}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
            assert answer.status_code == status, answer.text
        # Decrypted on its way, as it was hashed.
        assert digest_of(answer.content) == made.layer.digest
    finally:
        server.stop()


def test_what_nobody_would_load_is_not_packaged(registry: Registry, alice: Publisher) -> None:
    published(registry, alice)
    base = runtimes.keep(registry, *BASE)
    with registry.database.writing() as session:
        found, other = (
            versions.variants(session, versions.version(session, "digits", number).id)[0]
            for number in (1, 2)
        )
        found.registry_bundle = other.registry_bundle
        session.commit()
    with pytest.raises(errors.IntegrityError, match="digits@1 is refused"):
        packaging.package(registry, Asked("digits", 1), base, ALICE)
    assert repositories.manifest(registry, "digits", "1", is_run=True).media_type == oci.IMAGE


def test_who_runs_images_takes_one_by_the_tag_and_who_wants_files_the_version_by_digest(
    digits: Registry, server: Server, client: httpx2.Client, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = package(client, runtimes.push(client, *BASE))
    host = server.addresses[0].removeprefix("http://")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    platform = ("--override-os", "linux", "--override-arch", "amd64")
    run("skopeo", *platform, "copy", "--src-tls-verify=false", f"--src-creds=x:{token}",
        f"docker://{host}/digits:1", f"dir:{tmp_path}/image")  # fmt: skip
    taken = (tmp_path / "image" / "manifest.json").read_bytes()
    assert digest_of(taken) == made["images"][0]["digest"]
    run("skopeo", "copy", "--all", "--src-tls-verify=false", f"--src-creds=x:{token}",
        f"docker://{host}/digits:1", f"oci:{tmp_path}/all:1")  # fmt: skip
    plain = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="basic")
    plain.login(hostname=host, username="x", password=token, tls_verify=False,
                config_path=str(tmp_path / "oras.json"))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    version = digest_of(client.get("/v2/digits/manifests/1").content)
    plain.pull(target=f"{host}/digits@{version}", outdir="digits")
    brought = {file.read_bytes() for file in Path("digits").rglob("*") if file.is_file()}
    assert brought == set(FILES.values())
