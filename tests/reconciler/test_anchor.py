"""The reconciler's trust root: followed while it runs, along its chain and never back."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import anchor, state
from registry import errors
from registry.core import dsse, trustchain, trustroot
from registry.core.entries import Kind
from registry.core.trustroot import Root, TrustRoot
from registry.trust import keys, sign
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher

ADA = keys.generate_signing_key()
ROOT = Root(1, (dsse.signer("ada", ADA.public_pem),))


def file(*versions: TrustRoot) -> bytes:
    return trustchain.encode(
        [sign.sign_trust(trustchain.draft(replace(one, root=ROOT)), ADA) for one in versions]
    )


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    with town(tmp_path, publisher) as made:
        yield made


def trust_file(here: Town) -> Path:
    return here.folder / "registry" / "trust.json"


def first(here: Town) -> TrustRoot:
    return replace(trustroot.parse(trust_file(here).read_bytes()), version=1)


def refusals(here: Town) -> list[str]:
    return [entry.reason for entry in here.log() if entry.kind is Kind.REFUSED]


def test_a_publisher_that_a_rotation_adds_is_deployed_without_a_restart(
    here: Town, publisher: Publisher
) -> None:
    trusted = first(here)
    nobody = replace(trusted, publishers=())
    trust_file(here).write_bytes(file(nobody))
    here.publish(1, publisher)
    here.deploy(1)
    here.settle(8)
    assert here.serving() is None
    trust_file(here).write_bytes(file(nobody, replace(trusted, version=2)))
    here.deploy(1, hosts="[edge-2]")
    here.settle()
    served = here.serving("edge-2")
    assert served is not None
    assert served.digest == here.digests[1]


def test_after_a_rollback_of_the_root_nothing_new_starts_and_what_serves_goes_on(
    here: Town, publisher: Publisher
) -> None:
    trusted = first(here)
    trust_file(here).write_bytes(file(trusted, replace(trusted, version=2)))
    here.publish(1, publisher)
    here.deploy(1)
    here.settle()
    trust_file(here).write_bytes(file(trusted))
    here.publish(2, publisher)
    here.deploy(2)
    here.settle(8)
    served = here.serving()
    assert served is not None
    assert served.digest == here.digests[1]
    assert "trust root version 1 is older than version 2" in refusals(here)[0]


def test_with_an_expired_root_nothing_new_starts_and_what_serves_goes_on(
    here: Town, publisher: Publisher
) -> None:
    trusted = first(here)
    trust_file(here).write_bytes(file(trusted))
    here.publish(1, publisher)
    here.deploy(1)
    here.settle()
    expired = replace(trusted, version=2, expires="2026-01-01T00:00:00Z")
    trust_file(here).write_bytes(file(trusted, expired))
    here.publish(2, publisher)
    here.deploy(2)
    here.settle(8)
    served = here.serving()
    assert served is not None
    assert served.digest == here.digests[1]
    assert "trust root version 2 expired at 2026-01-01" in refusals(here)[0]


def test_a_rollback_over_a_restart_keeps_the_reconciler_from_starting(here: Town) -> None:
    trusted = first(here)
    trust_file(here).write_bytes(file(trusted, replace(trusted, version=2)))
    here.rounds(2)
    folder = here.folder / "other"
    folder.mkdir()
    with closing(state.StateFolder(folder)) as kept:
        assert anchor.Anchor(trust_file(here), kept).root().version == 2
    trust_file(here).write_bytes(file(trusted))
    with closing(state.StateFolder(folder)) as kept, pytest.raises(errors.TrustRootRefused):
        anchor.Anchor(trust_file(here), kept).root()


def test_instances_are_handed_the_root_with_its_signatures(here: Town, tmp_path: Path) -> None:
    signed = file(first(here))
    trust_file(here).write_bytes(signed)
    folder = tmp_path / "other"
    with closing(state.StateFolder(folder)) as kept:
        assert anchor.Anchor(trust_file(here), kept).text().encode() == signed


def test_a_trust_root_that_is_gone_is_named(tmp_path: Path) -> None:
    with (
        closing(state.StateFolder(tmp_path / "state")) as kept,
        pytest.raises(errors.InvalidConfig, match=r"trust\.json cannot be read: No such file"),
    ):
        anchor.Anchor(tmp_path / "trust.json", kept).root()
