"""Copies for hosts on the wire: ranges, tags, heads; encrypted to the host; nothing to others."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from registry.api.server import Server
from registry.core.age import Identity
from registry.core.oms import File
from registry.settings import Encryption, Settings
from registry.usecases import access, hosts
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from runtime import identity, pull, unsealing
from tests.registry import copies
from tests.registry.copies import CLEAR, EDGE_1, ENCRYPTED, model_of, pulled
from tests.registry.test_hosts import enrol

ROOT = Caller(Role.ADMIN, "root")
ACCEPT = {"accept": unsealing.ACCEPT}
PLAIN: dict[str, str] = {}


@pytest.fixture
def encryption() -> Encryption:
    return CLEAR


@pytest.fixture
def settings(tmp_path: Path, encryption: Encryption) -> Settings:
    return copies.published(tmp_path / "data", encryption)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    running = Server(settings)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def registry(server: Server) -> Registry:
    opened: Registry = server.app.state.registry
    return opened


@pytest.fixture
def me(tmp_path: Path, registry: Registry) -> Identity:
    made = identity.load_or_create(tmp_path / "identity.age")
    enrol(registry, "edge-1", made.recipient)
    return made


@pytest.fixture
def own(registry: Registry, me: Identity) -> File:
    """edge-1's own model; the bundle was asked for."""
    return model_of(pulled(registry, EDGE_1))


both = pytest.mark.parametrize("encryption", [CLEAR, ENCRYPTED], ids=["clear", "encrypted"])


@both
@pytest.mark.parametrize("headers", [PLAIN, ACCEPT], ids=["plain", "age"])
def test_a_copy_is_sent_like_any_blob_whole_or_in_part(
    own: File, client_of: Callable[..., httpx2.Client], headers: dict[str, str], encryption: object
) -> None:
    host, path = client_of(Role.HOST, "edge-1"), f"/v1/blobs/{own.digest}"
    whole = host.get(path, headers=headers)
    size, tag = len(whole.content), whole.headers["etag"]
    assert own.digest in tag
    head = host.head(path, headers=headers)
    assert (head.headers["content-length"], head.headers["etag"]) == (str(size), tag)
    assert not head.content
    for start, stop in ((0, 1), (5, 70_000), (size // 2, size // 2 + 9), (size - 1, size)):
        asked = headers | {"range": f"bytes={start}-{stop - 1}", "if-range": tag}
        part = host.get(path, headers=asked)
        assert (part.status_code, part.content) == (206, whole.content[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    other = host.get(path, headers=headers | {"range": "bytes=5-9", "if-range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert host.get(path, headers=headers | {"range": f"bytes={size}-"}).status_code == 416
    if headers is PLAIN:
        assert "sha256:" + hashlib.sha256(whole.content).hexdigest() == own.digest


@both
def test_the_runtime_pulls_its_copy_encrypted_and_goes_on_where_it_was_cut_off(
    own: File, server: Server, registry: Registry, me: Identity, tmp_path: Path, encryption: object
) -> None:
    token = access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)
    (tmp_path / "token").write_text(token)
    pulling = pull.Registry(server.addresses[0], tmp_path / "token", me)
    target = tmp_path / "model.onnx"
    for left in (0, 1000, 70_000):
        with target.open("ab") as file:
            file.truncate(left)
        pulling.download(own, target, tmp_path / "pieces")
        assert "sha256:" + hashlib.sha256(target.read_bytes()).hexdigest() == own.digest


def test_nobody_but_its_host_is_told_that_a_copy_is_here(
    own: File, registry: Registry, client_of: Callable[..., httpx2.Client]
) -> None:
    client = client_of()
    for role, name in ((Role.ADMIN, "edge-1"), (Role.PUBLISHER, "edge-1"), (Role.HOST, "edge-2")):
        token = access.mint(registry, role=role, name=name, by=ROOT)
        bearer = {"authorization": f"Bearer {token}"}
        for method in ("GET", "HEAD"):
            for door in (f"/v1/blobs/{own.digest}", f"/v2/digits/blobs/{own.digest}"):
                answer = client.request(method, door, headers=ACCEPT | bearer)
                assert answer.status_code == 404, (role, method, door)


def test_a_host_gets_the_versions_own_files_by_no_door(
    registry: Registry, own: File, client_of: Callable[..., httpx2.Client]
) -> None:
    owners = model_of(pulled(registry, ROOT))
    host = client_of(Role.HOST, "edge-1")
    for door in (
        f"/v1/blobs/{owners.digest}",
        f"/v2/digits/blobs/{owners.digest}",
        "/api/2.0/mlflow-artifacts/artifacts/models/digits/1/onnx/model.onnx",
    ):
        for headers in (PLAIN, ACCEPT):
            assert host.get(door, headers=headers).status_code in {403, 404}, door
    auditor = client_of(Role.AUDITOR, "somebody").get(f"/v1/blobs/{owners.digest}")
    assert auditor.status_code == 200


def test_a_revoked_host_gets_nothing_of_its_copy(
    registry: Registry, own: File, client_of: Callable[..., httpx2.Client]
) -> None:
    host, path = client_of(Role.HOST, "edge-1"), f"/v1/blobs/{own.digest}"
    assert host.head(path, headers=ACCEPT).status_code == 200
    hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
    for headers in (PLAIN, ACCEPT):
        assert host.get(path, headers=headers).status_code in {401, 403, 404}
    bundle = host.get("/v1/models/digits/versions/1/bundle")
    assert bundle.status_code in {401, 403}


def test_the_numbers_say_how_many_copies_were_made(server: Server, own: File) -> None:
    shown = httpx2.get(f"{server.addresses[0]}/metrics").text
    assert "plimsoll_registry_host_copies_made_total 1.0" in shown
    assert "plimsoll_registry_host_copies 1.0" in shown
    assert "plimsoll_registry_host_copies_in_hand 0.0" in shown
