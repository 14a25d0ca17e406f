"""A version that nobody packaged, pulled as an image: composed then, once, as `package` does it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from registry.api.server import Server
from registry.core import oci
from registry.settings import Settings
from registry.usecases import access, catalogue
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry import runtimes
from tests.registry.conftest import ROOT
from tests.registry.evidencing import CAROL, list_all, revocation, wanted
from tests.registry.publishing import Publisher, digest_of
from tests.registry.test_evidence import add
from tests.registry.test_oci_versions import published
from tests.registry.test_packaging import BASE, RUN, package

REFERENCE = "plimsoll/runtime:1"


@pytest.fixture
def started(tmp_path: Path, alice: Publisher) -> Iterator[Callable[[str], httpx2.Client]]:
    """A registry with the model digits and this base in its settings; a publisher's client of it,
    and the registry as `client.registry`."""
    servers: list[Server] = []

    def start(base: str) -> httpx2.Client:
        settings = Settings(data_dir=tmp_path / "data", listen=("127.0.0.1:0",))
        list_all(settings, alice)
        server = Server(replace(settings, runtime_base=base))
        server.start()
        servers.append(server)
        registry = published(server.app.state.registry, alice)
        token = access.mint(registry, role=Role.PUBLISHER, name="ci", by=ROOT)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=server.addresses[0], headers=headers, timeout=60)

    def registry() -> Registry:
        found: Registry = servers[-1].app.state.registry
        return found

    start.registry = registry  # type: ignore[attr-defined]
    yield start
    for server in servers:
        server.stop()


def kinds(registry: Registry) -> list[str]:
    return [one.entry.kind for one in catalogue.latest(registry, limit=20)]


def test_the_first_pulls_compose_once_what_package_makes(
    started: Callable[[str], httpx2.Client],
) -> None:
    with started(REFERENCE) as client:
        registry = started.registry()  # type: ignore[attr-defined]
        runtimes.push(client, *BASE)
        plain = client.get("/v2/digits/manifests/1")
        assert plain.headers["content-type"] == oci.IMAGE
        assert "packaged" not in kinds(registry)

        def pull(tag: str) -> httpx2.Response:
            return client.get(f"/v2/digits/manifests/{tag}", headers=RUN)

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(pull, ["1", "champion", "1", "1", "champion", "1"]))
        assert {one.status_code for one in found} == {200}
        [digest] = {digest_of(one.content) for one in found}
        assert found[0].headers["content-type"] == oci.INDEX
        assert kinds(registry).count("packaged") == 1
        entry = next(
            one.entry for one in catalogue.latest(registry, limit=20)
            if one.entry.kind == "packaged"
        )  # fmt: skip
        assert entry.actor == "admin:first-pull"
        referrers = client.get(f"/v2/digits/referrers/{digest}").json()["manifests"]
        assert len(referrers) == 4  # three statements and the plain bill of materials, once each
        again = package(client, REFERENCE)
        assert again["digest"] == digest
        assert kinds(registry).count("packaged") == 1


def test_docker_asks_for_the_head_first_and_then_by_digest(
    started: Callable[[str], httpx2.Client],
) -> None:
    with started(REFERENCE) as client:
        runtimes.push(client, *BASE)
        head = client.head("/v2/digits/manifests/1-onnx-int8", headers=RUN)
        assert head.headers["content-type"] == oci.INDEX
        digest = head.headers["docker-content-digest"]
        found = client.get(f"/v2/digits/manifests/{digest}", headers=RUN)
        assert digest_of(found.content) == digest
        assert package(client, REFERENCE, variant="onnx-int8")["digest"] == digest


def test_without_a_base_in_the_settings_nothing_is_composed(
    started: Callable[[str], httpx2.Client],
) -> None:
    with started("") as client:
        runtimes.push(client, *BASE)
        found = client.get("/v2/digits/manifests/1", headers=RUN)
        assert (found.status_code, found.headers["content-type"]) == (200, oci.IMAGE)
        assert "packaged" not in kinds(started.registry())  # type: ignore[attr-defined]


def test_a_base_that_was_never_pushed_denies_the_pull_and_says_so(
    started: Callable[[str], httpx2.Client],
) -> None:
    with started(REFERENCE) as client:
        found = client.get("/v2/digits/manifests/1", headers=RUN)
        assert found.status_code == 403
        [error] = found.json()["errors"]
        assert error["code"] == "DENIED"
        assert "composed on plimsoll/runtime:1, which is not in this registry" in error["message"]
        # By its digest, and for who takes no index, the version is there as ever.
        plain = client.get("/v2/digits/manifests/1")
        by_digest = plain.headers["docker-content-digest"]
        assert client.get(f"/v2/digits/manifests/{by_digest}", headers=RUN).status_code == 200


def test_what_no_host_would_load_is_refused_at_a_first_pull_too(
    started: Callable[[str], httpx2.Client],
) -> None:
    with started(REFERENCE) as client:
        registry = started.registry()  # type: ignore[attr-defined]
        runtimes.push(client, *BASE)
        add(registry, revocation(wanted(registry), "carol"), CAROL)
        found = client.get("/v2/digits/manifests/1", headers=RUN)
        assert found.status_code >= 400
        assert "quarantined" in found.json()["errors"][0]["message"]
        assert "packaged" not in kinds(registry)
