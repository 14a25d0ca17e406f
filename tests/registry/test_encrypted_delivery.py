"""Blobs on their way to a host, encrypted to its key: by the real registry, to the real runtime."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from registry import errors
from registry.api.delivering import _accepts
from registry.api.server import Server
from registry.core import age
from registry.core.age import Identity
from registry.core.oms import File
from registry.settings import Encryption, Settings
from registry.usecases import access, encrypted_delivery, hosts, transfers
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from runtime import identity, pull, unsealing
from runtime.ranges import PIECE
from tests.registry import proxies
from tests.registry.keeping import ROOT
from tests.registry.publishing import digest_of
from tests.registry.test_encryption import payload
from tests.registry.test_hosts import enrol

DATA = os.urandom(3 * 1024**2 + 17)
DIGEST = digest_of(DATA)
PATH = f"/v1/blobs/{DIGEST}"
ACCEPT = {"accept": unsealing.ACCEPT}
HOST = Caller(Role.HOST, "edge-1")
FILE = File("model.onnx", DIGEST, len(DATA))


@pytest.fixture(params=["stored encrypted", "stored clear"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return Encryption("file" if request.param == "stored encrypted" else "off")


@pytest.fixture
def settings(tmp_path: Path, encryption: Encryption) -> Settings:
    return Settings(tmp_path / "data", listen=("127.0.0.1:0",), encryption=encryption)


@pytest.fixture
def me(tmp_path: Path) -> Identity:
    return identity.load_or_create(tmp_path / "identity.age")


@pytest.fixture
def registry(server: Server, me: Identity) -> Registry:
    opened: Registry = server.app.state.registry
    transfers.put(opened, DATA)
    enrol(opened, "edge-1", me.recipient)
    return opened


@pytest.fixture
def token(registry: Registry) -> str:
    return access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)


@pytest.fixture
def host(server: Server, token: str) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.addresses[0], headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def pulling(server: Server, token: str, me: Identity, tmp_path: Path) -> pull.Registry:
    (tmp_path / "token").write_text(token)
    return pull.Registry(server.addresses[0], tmp_path / "token", me)


def test_a_host_gets_an_age_file_that_debians_age_opens_with_its_identity(
    host: httpx2.Client, tmp_path: Path
) -> None:
    answer = host.get(PATH, headers=ACCEPT)
    assert answer.headers["content-type"] == age.MEDIA_TYPE
    assert DATA[1000:1100] not in answer.content
    command = ["age", "--decrypt", "-i", str(tmp_path / "identity.age")]
    done = subprocess.run(command, input=answer.content, capture_output=True, check=True)
    assert done.stdout == DATA


@pytest.mark.parametrize("encryption", [Encryption("file")])
def test_what_is_stored_encrypted_goes_out_with_another_header_and_no_other_byte_changed(
    host: httpx2.Client, registry: Registry
) -> None:
    sent = host.get(PATH, headers=ACCEPT).content
    assert sent[age.parse(sent).size :] == payload(registry, DIGEST).read_bytes()


def test_the_same_host_gets_the_same_file_each_time_and_any_part_of_it(
    host: httpx2.Client,
) -> None:
    whole = host.get(PATH, headers=ACCEPT)
    head, size = age.parse(whole.content).size, len(whole.content)
    edges = (0, 5, head - 1, head, head + 15, head + 16, head + 65568, 1_000_000, size - 1)
    for start in edges:
        for stop in (start + 1, start + 70_000, size):
            wanted = {"range": f"bytes={start}-{min(stop, size) - 1}"}
            part = host.get(PATH, headers=ACCEPT | wanted)
            assert (part.status_code, part.headers["etag"]) == (206, whole.headers["etag"])
            assert part.content == whole.content[start:stop]
    asked = host.head(PATH, headers=ACCEPT)
    assert int(asked.headers["content-length"]) == size


def test_who_did_not_ask_for_it_or_has_no_key_gets_the_blob_as_ever(
    host: httpx2.Client, server: Server, registry: Registry
) -> None:
    assert host.get(PATH).content == DATA
    for role, name in [(Role.HOST, "edge-2"), (Role.PUBLISHER, "ci")]:
        token = access.mint(registry, role=role, name=name, by=ROOT)
        headers = ACCEPT | {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{server.addresses[0]}{PATH}", headers=headers).content == DATA


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("application/vnd.age", True),
        ("text/html, Application/VND.age ; q=0.5", True),
        ("application/vnd.age;q=0", False),
        ("application/vnd.age;q=0.000", False),
        ("application/vnd.agent", False),
        (unsealing.ACCEPT, True),
    ],
)
def test_an_age_file_is_sent_only_to_who_names_it(header: str, is_accepted: bool) -> None:
    assert _accepts(header) is is_accepted


@pytest.fixture
def strict(settings: Settings) -> Settings:
    return replace(settings, encryption=replace(settings.encryption, require_delivery=True))


@pytest.mark.parametrize("door", [PATH, f"/v2/digits/blobs/{DIGEST}"])
def test_where_encryption_is_required_no_door_gives_a_host_clear_bytes(
    registry: Registry, strict: Settings, server: Server, token: str, door: str
) -> None:
    server.app.state.registry = replace(registry, settings=strict)
    from registry.usecases import oci_blobs

    oci_blobs.link(registry, "digits", DIGEST)
    bearer = {"authorization": f"Bearer {token}"}
    url = server.addresses[0] + door
    refused = httpx2.get(url, headers=bearer)
    assert refused.status_code == 403
    assert "gets blobs only encrypted" in refused.text
    assert httpx2.get(url, headers=bearer | ACCEPT).status_code == 200
    other = access.mint(registry, role=Role.HOST, name="edge-2", by=ROOT)
    refused = httpx2.get(url, headers=ACCEPT | {"authorization": f"Bearer {other}"})
    assert "without a key" in refused.text


def test_the_runtime_pulls_decrypts_and_compares(pulling: pull.Registry, tmp_path: Path) -> None:
    pulling.download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert (tmp_path / "model").read_bytes() == DATA


@pytest.mark.parametrize("left", [1, 65536, 70_000, len(DATA) - 1, len(DATA)])
def test_the_runtime_goes_on_with_what_an_earlier_process_left(
    pulling: pull.Registry, tmp_path: Path, left: int
) -> None:
    (tmp_path / "model").write_bytes(DATA[:left])
    pulling.download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert (tmp_path / "model").read_bytes() == DATA


def test_a_large_file_comes_in_ranges_of_its_age_file_and_goes_on_after_a_crash(
    pulling: pull.Registry, registry: Registry, tmp_path: Path
) -> None:
    large = os.urandom(2 * PIECE + 70_001)
    transfers.put(registry, large)
    file, target, pieces = File("a", digest_of(large), len(large)), tmp_path / "a", tmp_path / "p"
    pieces.mkdir()
    (pieces / "0").write_bytes(large[:100_000])
    (pieces / "2").write_bytes(large[2 * PIECE :][:65_537])
    pulling.download(file, target, pieces)
    assert target.read_bytes() == large
    assert not pieces.exists()


def test_what_an_earlier_process_left_and_is_not_this_file_is_thrown_away(
    pulling: pull.Registry, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(bytes(100_000))
    pulling.download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert (tmp_path / "model").read_bytes() == DATA


def test_a_connection_that_breaks_is_taken_up_at_the_chunk(
    pulling: pull.Registry, server: Server, tmp_path: Path
) -> None:
    with proxies.before(server.addresses[0]) as proxy:
        proxy.after(1_500_000, "cut")
        through = replace(pulling, url=proxy.url)
        with pytest.raises(errors.Unavailable):
            through.download(FILE, tmp_path / "model", tmp_path / "pieces")
        got = (tmp_path / "model").read_bytes()
        assert 1_000_000 < len(got) < 1_500_000
        assert DATA.startswith(got)
        proxy.mend()
        through.download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert (tmp_path / "model").read_bytes() == DATA


def test_a_host_that_is_revoked_in_between_gets_nothing_more(
    pulling: pull.Registry, registry: Registry, tmp_path: Path, host: httpx2.Client
) -> None:
    got = host.get(PATH, headers=ACCEPT | {"range": "bytes=0-999999"})
    (tmp_path / "model").write_bytes(DATA[:900_000])
    hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
    with pytest.raises((errors.Forbidden, errors.Unauthenticated)):
        pulling.download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert (tmp_path / "model").stat().st_size == 900_000
    rest = {"range": "bytes=1000000-", "if-range": got.headers["etag"]}
    assert host.get(PATH, headers=ACCEPT | rest).status_code in (401, 403)
    # A replica that still remembers the token asks for the host itself.
    with pytest.raises(errors.Forbidden, match="edge-1 was revoked"):
        encrypted_delivery.recipient(registry, HOST)


def test_a_host_that_is_revoked_while_it_is_being_sent_to_gets_no_more_than_some_mib(
    registry: Registry,
) -> None:
    from registry.api.delivering import _watched

    sent = 0

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1024**2)

    async def receive() -> None:
        nonlocal sent
        async for block in _watched(registry, HOST, blocks()):
            sent += len(block)
            if sent == 3 * 1024**2:
                hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)

    with pytest.raises(errors.Forbidden):
        asyncio.run(receive())
    assert sent <= 8 * 1024**2


def test_a_host_that_is_revoked_is_cut_off_in_the_middle_of_an_answer(
    registry: Registry, host: httpx2.Client
) -> None:
    data = b"a large model   " * (3 * 1024**2)
    transfers.put(registry, data)
    with host.stream("GET", f"/v1/blobs/{digest_of(data)}", headers=ACCEPT) as answer:
        pieces = answer.iter_raw()
        received = [next(pieces)]
        hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
        with pytest.raises(httpx2.RemoteProtocolError):
            received.extend(pieces)
    assert 0 < sum(map(len, received)) < len(data)


def test_a_host_with_another_identity_than_it_was_enrolled_with_is_told_what_to_do(
    pulling: pull.Registry, tmp_path: Path
) -> None:
    other = Identity(bytes(range(32)))
    with pytest.raises(errors.DecryptionFailed, match="not encrypted to this host") as refused:
        replace(pulling, identity=other).download(FILE, tmp_path / "model", tmp_path / "pieces")
    assert other.recipient in refused.value.fix


def test_only_its_own_runtime_may_read_a_hosts_identity(tmp_path: Path) -> None:
    path = tmp_path / "identity.age"
    made = identity.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert identity.load_or_create(path) == made
    path.chmod(0o644)
    with pytest.raises(errors.InvalidConfig, match="0644"):
        identity.load_or_create(path)
    path.chmod(0o600)
    path.write_text(made.text[:-1] + "\n")
    with pytest.raises(errors.InvalidConfig, match="not an age identity") as refused:
        identity.load_or_create(path)
    assert made.text[:-1] not in str(refused.value)
