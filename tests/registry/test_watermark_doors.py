"""Marks whatever door a version comes in by, and whatever ends the process in the middle."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from registry import errors
from registry.core import dsse, oms, statement
from registry.core.oms import File
from registry.core.watermark import records
from registry.settings import Settings
from registry.usecases import (
    catalogue,
    log,
    oci,
    opening,
    publish,
    registered_models,
    registration,
    settling,
    sweep,
    watermark_keys,
)
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from registry.usecases.registration import Wanted
from tests.registry.backups import back_up, put_back
from tests.registry.keeping import AT_ONCE
from tests.registry.marking import WEIGHTS, files, marking, originals, publish_marked
from tests.registry.publishing import ALICE, Publisher, digest_of, store, upload
from tests.registry.test_mlflow_registration import signed, stage

FILES = files()


def settled(registry: Registry, source: str) -> int:
    number = registration.register(registry, Wanted("digits", source), ALICE).row.version
    while settling.settle_next(registry, "tester"):
        pass
    return number


def test_what_comes_in_by_mlflow_is_marked_and_so_is_a_copy_of_it(
    registry: Registry, alice: Publisher
) -> None:
    registered_models.create(registry, "digits", description="", tags={}, by=ALICE)
    source = stage(registry, "candidate", signed(FILES, alice))
    assert settled(marking(registry), source) == 1
    # The copy is marked although nothing is marked any more that nobody asks for.
    assert settled(registry, "models:/digits/1") == 2
    first, second = (catalogue.version(registry, "digits", number) for number in (1, 2))
    assert (first.status, second.status) == ("ready", "ready"), second.status_message
    marks = [one.variants[0].watermark for one in (first, second)]
    assert all(mark is not None and mark["weights"] == WEIGHTS for mark in marks)
    assert list(first.variants[0].files) == list(second.variants[0].files)
    assert set(originals(registry, 1)) == set(originals(registry, 2))


def test_over_http_a_version_says_its_mark_and_its_original_stays_in(
    server: object, client_of: Callable[..., httpx2.Client], alice: Publisher
) -> None:
    client = client_of(Role.PUBLISHER)
    for data in FILES.values():
        upload(client, data)
    answer = client.post("/v1/models/digits/versions", json=alice.body(FILES) | {"watermark": "on"})
    assert answer.status_code == 201, answer.text
    mark = answer.json()["watermark"]
    assert (mark["scheme"], mark["weights"]) == ("wm/v1", WEIGHTS)
    assert client.get("/v1/models/digits/versions/1").json()["watermark"] == mark
    original = digest_of(FILES["model.onnx"])
    refused = client.get(f"/v1/blobs/{original}")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert client.head(f"/v1/blobs/{original}").status_code == 200, "it need not be sent again"
    given = {file["path"]: file["digest"] for file in answer.json()["files"]}
    assert client.get(f"/v1/blobs/{given['model.onnx']}").status_code == 200
    assert client_of(Role.ADMIN).get(f"/v1/blobs/{original}").content == FILES["model.onnx"]
    wrong = client.post("/v1/models/digits/versions", json=alice.body(FILES) | {"watermark": "?"})
    assert wrong.status_code == 422


def test_oci_clients_find_the_derivation_and_a_model_signature_over_the_marked_files(
    registry: Registry, alice: Publisher
) -> None:
    version = publish_marked(registry, alice)
    about: Any = oci.referrers(
        registry, "digits", version.digest or "", artifact_type="", after=""
    ).items
    types = [item["annotations"]["dev.sigstore.bundle.predicateType"] for item in about]
    assert sorted(types) == sorted(
        [records.PREDICATE_TYPE, oms.PREDICATE_TYPE, oms.PREDICATE_TYPE, statement.PREDICATE_TYPE]
    )
    files = [File(one.path, one.digest, one.size) for one in version.variants[0].files]
    ours = dsse.signer("registry", registry.signing_key.public_pem)
    signers = set()
    for item in about:
        carrier = oci.manifest(registry, "digits", item["digest"])
        layer = json.loads(carrier.content)["layers"][0]["digest"]
        document = oci.blob(registry, "digits", layer)
        assert document is not None
        with suppress(errors.SignatureInvalid, errors.InvalidInput):
            signers.add(oms.verify(json.loads(document), files, [ours]))
    assert signers == {"registry"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_in_the_middle_of_marking_leaves_nothing_that_anybody_sees(
    tmp_path: Path, alice: Publisher, moment: str
) -> None:
    folder = tmp_path / "data"
    registry = opening.open_registry(Settings(data_dir=folder))
    store(registry, FILES)
    registry.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.registry.dying", str(folder), moment], check=False
    )
    assert done.returncode == -signal.SIGKILL
    registry = opening.open_registry(Settings(data_dir=folder))
    alice.list_in(registry.settings.publishers_file)
    with pytest.raises(errors.NotFound):
        catalogue.model(registry, "digits")
    assert log.size(registry) == 0
    version = publish.publish(marking(registry), alice.draft(FILES), ALICE).version
    assert version.variants[0].watermark is not None
    swept = sweep.sweep(registry, AT_ONCE)
    assert not swept.missing.count
    registry.close()


def test_a_backup_brings_back_originals_and_the_keys_that_find_marks(
    tmp_path: Path, alice: Publisher
) -> None:
    registry = opening.open_registry(Settings(data_dir=tmp_path / "data"))
    alice.list_in(registry.settings.publishers_file)
    version = publish_marked(registry, alice)
    back_up(registry, tmp_path / "backup")
    before = watermark_keys.current(registry)
    registry.close()
    restored = put_back(tmp_path / "backup", tmp_path / "new", database_url="", storage="")
    assert restored.findings.flaws == []
    again = opening.open_registry(Settings(data_dir=tmp_path / "new"))
    assert watermark_keys.current(again) == before
    for file in originals(again):
        assert again.blobs.size(file.digest) == file.size
    same = publish_marked(again, alice)
    assert {one.digest for one in same.variants[0].files} == {
        one.digest for one in version.variants[0].files
    }
    again.close()
