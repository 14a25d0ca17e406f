"""Bundles for hosts without a network: exported, checked to the byte, brought in elsewhere."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import errors
from registry.api.server import Server
from registry.cli import bundle_export, bundle_import, program
from registry.cli.client import Client
from registry.core import oci, trustchain
from registry.core.bundle import Parts
from registry.making import bundles
from registry.making.archive import Archive
from registry.settings import Settings
from registry.usecases import access
from registry.usecases.access import Role
from tests.registry import runtimes
from tests.registry.conftest import ROOT
from tests.registry.publishing import Publisher, publish
from tests.registry.test_oci_clients import run, tar_of
from tests.registry.test_oci_versions import FILES
from tests.registry.test_packaging import BASE, package


@pytest.fixture(scope="module")
def alice() -> Publisher:
    return Publisher()


@pytest.fixture(scope="module")
def registry_of(tmp_path_factory: pytest.TempPathFactory, alice: Publisher):
    """Starts registries that trust alice; gives a publisher's client of each."""
    running: list[Server] = []
    clients: list[Client] = []

    def start() -> Client:
        opened = Settings(data_dir=tmp_path_factory.mktemp("registry"), listen=("127.0.0.1:0",))
        alice.list_in(opened.publishers_file)
        server = Server(opened)
        server.start()
        running.append(server)
        token = access.mint(server.app.state.registry, role=Role.PUBLISHER, name="ci", by=ROOT)
        clients.append(Client(server.addresses[0], token))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def source(registry_of: Callable[[], Client], alice: Publisher) -> Client:
    """Version 1 packaged, version 2 not."""
    client = registry_of()
    with http(client) as plain:
        for files in (FILES, {"model.onnx": FILES["model.onnx"]}):
            assert publish(plain, alice, files).status_code == 201
        package(plain, runtimes.push(plain, *BASE))
    return client


def http(client: Client) -> httpx2.Client:
    headers = {"Authorization": client.wire._headers["Authorization"]}
    return httpx2.Client(base_url=client.url, headers=headers, timeout=60)


@pytest.fixture(scope="module", params=[1, 2], ids=["packaged", "model alone"])
def exported(
    source: Client, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Parts, Path]:
    out = tmp_path_factory.mktemp("out") / "digits.tar"
    trust = trustchain.read(source.trust())
    return bundle_export.export(source, trust, ("digits", request.param, None), out), out


def test_the_same_version_is_the_same_bundle(
    source: Client, exported: tuple[Parts, Path], tmp_path: Path
) -> None:
    parts, out = exported
    trust = trustchain.read(source.trust())
    again = tmp_path / "again.tar"
    bundle_export.export(source, trust, ("digits", parts.verified.wanted.version, None), again)
    assert again.read_bytes() == out.read_bytes()
    with bundle_import.checked(out, trust) as found:
        assert found.verified.wanted == parts.verified.wanted
        for file in found.verified.files:
            member = found.files[file.path]
            content = b"".join(found.archive.blocks(member.start, member.size))
            assert content == FILES[file.path]
    # Each file's bytes are in it once.
    assert all(out.read_bytes().count(data) == 1 for data in (FILES["model.onnx"],))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_change_of_any_byte_is_refused(
    source: Client, exported: tuple[Parts, Path], data: st.DataObject
) -> None:
    _, out = exported
    trust = trustchain.read(source.trust())
    content = bytearray(out.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    spoiled = out.with_name("spoiled.tar")
    spoiled.write_bytes(content)
    with pytest.raises(errors.PlimsollError), bundle_import.checked(spoiled, trust):
        pass


def test_a_change_of_any_byte_of_the_end_or_of_what_stands_between_files_is_refused(
    exported: tuple[Parts, Path],
) -> None:
    _, out = exported
    content, spoiled = out.read_bytes(), out.with_name("spoiled.tar")
    with Archive(out) as archive:
        ends = sorted((one.start + one.size, one.start - 512) for one in archive.members.values())
    headers = [place for _, start in ends for place in range(start, start + 512)]
    gaps = [place for end, _ in ends for place in range(end, end + -end % 512)]
    for place in (*headers, *gaps, *range(len(content) - 1024, len(content))):
        spoiled.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(errors.IntegrityError), Archive(spoiled):
            pass


def test_what_is_cut_off_or_goes_on_is_refused(
    source: Client, exported: tuple[Parts, Path]
) -> None:
    _, out = exported
    trust = trustchain.read(source.trust())
    content, spoiled = out.read_bytes(), out.with_name("spoiled.tar")
    for changed in (content[:-1], content[:-1024], content[: len(content) // 2], content + b"\0"):
        spoiled.write_bytes(changed)
        with pytest.raises(errors.IntegrityError), bundle_import.checked(spoiled, trust):
            pass


def test_a_bundle_of_a_registry_that_is_not_trusted_is_refused(
    registry_of: Callable[[], Client], exported: tuple[Parts, Path]
) -> None:
    other = trustchain.read(registry_of().trust())
    with (
        Archive(exported[1]) as archive,
        pytest.raises(errors.IntegrityError, match="signed by an unknown key"),
    ):
        bundles.check(archive, other)


def test_it_is_published_elsewhere_under_the_same_digest(
    registry_of: Callable[[], Client], source: Client, exported: tuple[Parts, Path]
) -> None:
    parts, out = exported
    target, wanted = registry_of(), parts.verified.wanted
    with bundle_import.checked(out, trustchain.read(source.trust())) as found:
        sent = bundle_import.into(target, found, "")
        assert sent > sum(file.size for file in found.verified.files) - 1
        assert bundle_import.into(target, found, "") == 0
    assert target.version("digits", wanted.version)["digest"] == wanted.digest
    with http(target) as plain:
        plain.headers["Accept"] = f"{oci.INDEX}, {oci.IMAGE}"
        answer = plain.get(f"/v2/imported/digits/manifests/{parts.tag}")
        if parts.image:
            assert answer.content == parts.image
            index = answer.headers["docker-content-digest"]
            listed = plain.get(f"/v2/imported/digits/referrers/{index}").json()["manifests"]
            assert {one["digest"] for one in listed} == set(parts.referrers)
        else:
            assert answer.status_code == 404


def test_skopeo_reads_the_image_in_it(exported: tuple[Parts, Path], tmp_path: Path) -> None:
    parts, out = exported
    if not parts.image:
        with Archive(out) as archive:
            assert "manifest.json" not in archive.members
        return
    command = ("skopeo", "copy", "--override-os", "linux", "--override-arch", "amd64")
    done = subprocess.run(
        [*command, f"oci-archive:{out}:{parts.tag}", f"dir:{tmp_path}/image"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads((tmp_path / "image" / "manifest.json").read_text())
    assert len(said["layers"]) == len(BASE) + 2


def test_docker_loads_the_image_in_it(
    registry_of: Callable[[], Client], alice: Publisher, tmp_path: Path
) -> None:
    source, out = registry_of(), tmp_path / "loaded.tar"
    with http(source) as plain:
        assert publish(plain, alice, FILES).status_code == 201
        base = runtimes.push(plain, tar_of({"hello": b"from below"}))
        path = "/v1/models/digits/versions/1/images"
        assert plain.post(path, json={"base": base}).status_code == 201
    trust = trustchain.read(source.trust())
    parts = bundle_export.export(source, trust, ("digits", 1, None), out)
    try:
        assert "digits:1" in run("docker", "load", "--input", str(out))
        [found] = json.loads(run("docker", "image", "inspect", "digits:1"))
        assert found["Config"]["Entrypoint"] == runtimes.ENTRYPOINT
        assert found["Config"]["Cmd"] == ["--config", "/opt/plimsoll/image/runtime.json"]
        labels = found["Config"]["Labels"]
        assert labels["dev.plimsoll.version.digest"] == parts.verified.wanted.digest
        assert len(found["RootFS"]["Layers"]) == 3
    finally:
        subprocess.run(["docker", "image", "rm", "digits:1"], capture_output=True, check=False)


def test_the_commands_package_export_check_and_bring_in(
    registry_of: Callable[[], Client],
    alice: Publisher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = registry_of(), registry_of()
    with http(source) as plain:
        assert publish(plain, alice, FILES).status_code == 201
        base = runtimes.push(plain, *BASE)
    out, trust = str(tmp_path / "digits.tar"), tmp_path / "trust.json"
    trust.write_bytes(source.trust())

    def said(client: Client, *command: str) -> str:
        token = tmp_path / "token"
        token.write_text(client.wire._headers["Authorization"].removeprefix("Bearer "))
        where = ("--server", client.url, "--token-file", str(token))
        assert program.main([*command, *(where if "verify" not in command else ())]) == 0
        return capsys.readouterr().out.strip().splitlines()[-1]

    packaged = said(source, "package", "digits@1", "--base", base)
    digest = said(source, "bundle", "export", "digits@1", "-o", out, "--trust", str(trust))
    version = source.version("digits", 1)["digest"]
    assert packaged.startswith("digits:1 sha256:")
    assert digest == f"digits:1 {version} {out}"
    assert said(source, "bundle", "verify", out, "--trust", str(trust)) == f"digits:1 {version}"
    brought = said(target, "bundle", "import", out, "--trust", str(trust))
    assert brought == f"digits:1 {version}"
    assert target.version("digits", 1)["digest"] == version
