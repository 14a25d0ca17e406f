"""A publisher says inputs and outputs of a format that does not; over HTTP, version and variant."""

from typing import Any

import httpx2

from tests.formats import safetensors_models
from tests.registry.publishing import Publisher, onnx_model, upload

FILES = safetensors_models.files()
SAID = {
    "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}],
    "outputs": [{"name": "y", "dtype": "int64", "shape": None}],
}
ONNX = {"model.onnx": onnx_model()}


def body(publisher: Publisher, files: dict[str, bytes], form: str, **said: Any) -> dict[str, Any]:
    return publisher.body(files) | {"format": form} | said


def sent(client: httpx2.Client, path: str, files: dict[str, bytes], wanted: Any) -> httpx2.Response:
    for data in files.values():
        upload(client, data)
    return client.post(f"/v1/models/digits/versions{path}", json=wanted)


def test_a_version_shows_what_its_publisher_declared(
    client: httpx2.Client, alice: Publisher
) -> None:
    answer = sent(client, "", FILES, body(alice, FILES, "safetensors", signature=SAID))
    assert answer.status_code == 201, answer.text
    assert client.get("/v1/models/digits/versions/1").json()["signature"] == SAID


def test_without_a_word_of_the_publisher_nothing_is_made_up(
    client: httpx2.Client, alice: Publisher
) -> None:
    answer = sent(client, "", FILES, body(alice, FILES, "safetensors"))
    assert answer.json()["signature"] == {"inputs": [], "outputs": []}


def test_a_variant_has_its_own(client: httpx2.Client, alice: Publisher) -> None:
    sent(client, "", ONNX, body(alice, ONNX, "onnx"))
    wanted = body(alice, FILES, "safetensors", signature=SAID)
    del wanted["version"]
    answer = sent(client, "/1/variants", FILES, wanted)
    assert answer.status_code == 201, answer.text
    first, second = answer.json()["variants"]
    assert first["signature"]["inputs"][0]["name"] == "x"
    assert second["signature"] == SAID


def test_what_the_file_says_is_not_overruled_and_nothing_is_published(
    client: httpx2.Client, alice: Publisher
) -> None:
    answer = sent(client, "", ONNX, body(alice, ONNX, "onnx", signature=SAID))
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"
    assert "the model" in answer.json()["detail"]
    assert client.get("/v1/models/digits").status_code == 404


def test_a_declaration_of_no_known_type_is_refused_by_its_name(
    client: httpx2.Client, alice: Publisher
) -> None:
    wrong = SAID | {"inputs": [{"name": "x", "dtype": "complex64", "shape": None}]}
    answer = sent(client, "", FILES, body(alice, FILES, "safetensors", signature=wrong))
    assert answer.status_code == 422
    assert "complex64" in answer.json()["detail"]
