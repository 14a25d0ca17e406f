"""Another version is pinned without touching one byte else."""

import pytest

from reconciler.core import edit
from registry.errors import InvalidDesiredState, InvalidInput
from tests.reconciler.core.wishes import deployment_file, digest_of, host_file

COMMENTED = """\
# Who to call: Ada
apiVersion:   plimsoll.dev/v1   # odd spacing stays
kind: ModelDeployment
metadata: {name: digits, environment: production}

spec:
  model: {digest: 'DIGEST', version: 1 , name: digits}  # in flow style, digest first
  targets: {hosts: [h1]}
  runtime: {image: "runtime:1", format: onnx, resources: {memory: 512Mi, cpus: 1}}
  strategy: {blueGreen: {}}
# ünïcode, and no newline at the end"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_only_version_and_digest_change(ending: str) -> None:
    before = COMMENTED.replace("DIGEST", digest_of(1)).replace("\n", ending)
    after = edit.repin(before.encode(), version=12, digest=digest_of(12)).decode()
    expected = before.replace(digest_of(1), digest_of(12)).replace("version: 1 ", "version: 12 ")
    assert after == expected
    assert edit.pin_of("x.yaml", after.encode()) == edit.Pin("digits", 12, digest_of(12))


def test_pinning_what_is_pinned_changes_nothing() -> None:
    data = deployment_file("digits", 3, ["h1"]).encode()
    assert edit.repin(data, version=3, digest=digest_of(3)) == data


@pytest.mark.parametrize("data", [b"kind: [", b"a: b", host_file("h1").encode()])
def test_a_file_that_is_no_deployment_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDesiredState, match=r"models\.d/x\.yaml:\d+:\d+: "):
        edit.repin(data, version=1, digest=digest_of(1), path="models.d/x.yaml")


@pytest.mark.parametrize(("version", "digest"), [(0, digest_of(1)), (1, "sha256:12")])
def test_what_is_no_version_is_never_written(version: int, digest: str) -> None:
    data = deployment_file("digits", 3, ["h1"]).encode()
    with pytest.raises(InvalidInput):
        edit.repin(data, version=version, digest=digest)
