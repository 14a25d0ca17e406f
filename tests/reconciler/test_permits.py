"""The reconciler's permits: what they say, whose word they are, and where its key comes from."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler import cli, signing, state
from reconciler.core.observed import Health
from registry import errors
from registry.core import canonical, dsse, permit
from registry.core.entries import Kind
from tests.reconciler.town import Town, reconciler, town
from tests.registry.publishing import Publisher


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    with town(tmp_path, publisher) as made:
        for version in (1, 2):
            made.publish(version, publisher)
        yield made


def handed(here: Town, host: str = "edge-1") -> permit.Verified:
    """The permit of what serves on `host`, as the reconciler's key signed it."""
    serving = here.serving(host)
    assert serving is not None
    key = signing.peek(here.folder / "reconciler")
    assert key is not None
    launch = here.hosts[host].launches[serving.name]
    bundle = canonical.decode_object(launch.permit, what="permit")
    return permit.verify(bundle, [key.signer("reconciler")])


def test_an_instance_is_handed_a_permit_for_itself_and_the_log_names_it(here: Town) -> None:
    commit = here.deploy(1, hosts="[edge-1, edge-2]")
    here.settle()
    one, two = handed(here).permit, handed(here, "edge-2").permit
    assert (one.claim.host, two.claim.host) == ("edge-1", "edge-2")
    assert one.claim.deployment == "production/digits"
    assert (one.claim.wanted.digest, one.commit) == (here.digests[1], commit)
    assert one.policies.startswith("sha256:")
    lasts = permit.when(one.expires) - permit.when(one.decided_at)
    assert lasts.days == 7
    started = {entry.host: entry for entry in here.log() if entry.kind is Kind.STARTED}
    assert started["edge-1"].detail["permit"] == one.serial
    assert started["edge-2"].detail["permit"] == two.serial


def test_a_last_known_good_is_permitted_again_by_the_decision_of_then(here: Town) -> None:
    here.deploy(1)
    here.settle()
    before = handed(here).permit
    here.hosts["edge-1"].becomes[here.digests[2]] = Health.REFUSED
    here.deploy(2)
    here.settle()
    serving = here.serving()
    assert serving is not None
    del here.hosts["edge-1"].instances[serving.name]
    here.settle()
    again = handed(here).permit
    assert (again.policies, again.decided_at) == (before.policies, before.decided_at)
    assert again.serial != before.serial


def test_a_last_known_good_that_its_runtime_refuses_is_handed_a_fresh_permit(here: Town) -> None:
    """After the reconciler's key was replaced, say: kept permits by the old one count no more."""
    here.deploy(1)
    here.settle()
    before, serving = handed(here).permit, here.serving()
    assert serving is not None
    host = here.hosts["edge-1"]
    host.instances[serving.name] = replace(serving, health=Health.REFUSED, detail="unknown key")
    here.settle()
    again = handed(here).permit
    assert again.serial != before.serial
    assert (again.policies, again.decided_at) == (before.policies, before.decided_at)
    assert [write for write in host.writes if write.startswith("renew")] == [
        f"renew {serving.name}"
    ]
    assert "unknown key" in [one for one in here.log() if one.kind is Kind.RESTARTED][-1].reason


def test_the_key_is_made_once_and_only_its_owner_may_read_it(here: Town) -> None:
    path = here.folder / "reconciler" / "reconciler.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    here.loop.memory._folder.close()
    with reconciler(here.folder, here.hosts):
        assert path.read_bytes() == before
    path.chmod(0o640)
    with pytest.raises(errors.InvalidConfig, match="lets others read"):
        signing.peek(path.parent)


def test_a_reconciler_that_the_trust_root_does_not_list_starts_nothing_and_says_what_to_do(
    here: Town,
) -> None:
    with closing(state.StateFolder(here.folder / "other")) as folder:
        stranger = signing.load_or_create(folder)
    trust = here.folder / "registry" / "trust.json"
    document = json.loads(trust.read_bytes())
    document["reconcilers"] = [{"name": "other", "publicKey": stranger.public_pem}]
    trust.write_text(json.dumps(document))
    here.loop.memory._folder.close()
    with reconciler(here.folder, here.hosts) as again:
        here.loop = again
        here.deploy(1)
        here.settle()
    assert here.hosts["edge-1"].writes == []
    assert "plimsoll permit key" in json.dumps(here.status())


def test_the_printed_key_is_the_one_that_signs_and_is_made_before_the_first_start(
    tmp_path: Path,
) -> None:
    config = tmp_path / "plimsoll.toml"
    config.write_text('[reconciler]\nrepository = "nowhere"\n')
    printed = [
        CliRunner().invoke(
            cli.app, ["permit", "key", "--config", str(config)], catch_exceptions=False
        )
        for _ in range(2)
    ]
    entry = json.loads(printed[0].stdout)
    assert entry == json.loads(printed[1].stdout)
    key = signing.peek(tmp_path / "reconciler")
    assert key is not None
    assert dsse.signer(entry["name"], entry["publicKey"]).hint == key.signer("").hint


def test_what_is_not_a_p256_key_is_refused(tmp_path: Path) -> None:
    with closing(state.StateFolder(tmp_path)) as folder:
        folder.save_key(b"-----BEGIN NONSENSE-----\n")
        with pytest.raises(errors.InvalidConfig, match="not an unencrypted PEM"):
            signing.load_or_create(folder)
