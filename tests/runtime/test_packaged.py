"""A runtime in an image that holds its version: every byte checked at the start, nobody asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.publication import Publication
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
BODY = {"instances": [[0.5] * 64]}


@pytest.fixture
def published(runtime: Runtime, registry: StandIn, tmp_path: Path) -> Iterator[Publication]:
    """A version's files and proofs in a folder, as in an image; the registry answers nothing."""
    made = registry.publish(models.onnx_digits())
    folder = tmp_path / "image"
    for path, content in made.contents.items():
        target = folder / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "envelope.json").write_bytes(registry.envelopes[made.model, made.version])
    runtime.models = [pin(made)]
    runtime.more = {"image": str(folder), "registry": None, "tokenFile": None}
    yield made
    assert registry.requests == []


def test_it_serves_without_a_registry(runtime: Runtime, published: Publication) -> None:
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.get("/readyz").status_code == 200
        answer = runtime.post(DIGITS, BODY)
        assert answer.status_code == 200
        assert answer.headers["plimsoll-digest"] == published.wanted.digest
    assert not list(runtime.cache.glob("versions/*"))


@pytest.mark.parametrize("name", ["files/model.onnx", "envelope.json"])
def test_what_was_changed_in_the_image_is_refused(
    runtime: Runtime, published: Publication, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "image" / name
    spoiled = bytearray(file.read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    file.write_bytes(bytes(spoiled))
    with running(runtime):
        assert "packaged" in str(runtime.until_state("REFUSED")["reason"])
        assert runtime.get("/readyz").status_code == 503
        assert runtime.post(DIGITS, BODY).status_code == 404


def test_what_was_added_to_the_image_is_refused(
    runtime: Runtime, published: Publication, tmp_path: Path
) -> None:
    (tmp_path / "image" / "files" / "more.bin").write_bytes(b"")
    with running(runtime):
        reason = str(runtime.until_state("REFUSED")["reason"])
        assert "'more.bin' is not part of the version" in reason


def test_another_version_than_the_one_inside_is_not_served(
    runtime: Runtime, published: Publication
) -> None:
    runtime.models = [pin(published) | {"digest": "sha256:" + "0" * 64}]
    with running(runtime):
        assert "pinned is sha256:000" in str(runtime.until_state("REFUSED")["reason"])


def test_a_trust_root_of_somebody_else_refuses_it(
    runtime: Runtime, published: Publication, registry: StandIn
) -> None:
    registry.signed_trust = StandIn().trust()
    with running(runtime):
        assert "signed by an unknown key" in str(runtime.until_state("REFUSED")["reason"])
