"""A registry under a trust root that others signed: what it accepts, and what stops it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from registry import errors
from registry.core import canonical, dsse, trustchain, trustedit
from registry.core.certificates import Identity, authority
from registry.core.trustchain import Link
from registry.core.trustroot import Root, TrustRoot
from registry.settings import Settings
from registry.trust import keys, sign
from registry.usecases import opening, publish, verification
from registry.usecases.checking import Draft
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, listed, onnx_model, store
from tests.trust import authorities

ADA, BEN = keys.generate_signing_key(), keys.generate_signing_key()
ROOT = Root(2, (dsse.signer("ada", ADA.public_pem), dsse.signer("ben", BEN.public_pem)))
FILES = {"model.onnx": onnx_model()}
OTHER = {"model.onnx": onnx_model(2.0)}


def signed(trust: TrustRoot) -> Link:
    return sign.sign_trust(sign.sign_trust(trustchain.draft(trust), ADA), BEN)


def publisher(who: Publisher) -> dsse.Signer:
    return dsse.signer(who.name, who.key.public_pem)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "signed.json"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def first(settings: Settings, file: Path, alice: Publisher) -> TrustRoot:
    """Version 1, made from the registry's own keys: it trusts alice."""
    opened = opening.open_registry(settings)
    own = opened.trust_root()
    opened.close()
    made = replace(own, version=1, publishers=(publisher(alice),), root=ROOT)
    file.write_bytes(trustchain.encode([signed(made)]))
    return made


@pytest.fixture
def open_it(settings: Settings, file: Path) -> Iterator[Callable[[], Registry]]:
    opened: list[Registry] = []

    def open_again() -> Registry:
        opened.append(opening.open_registry(replace(settings, trust=file)))
        return opened[-1]

    yield open_again
    for one in opened:
        one.close()


def published(registry: Registry, who: Publisher, files: dict[str, bytes] = FILES) -> int:
    store(registry, files)
    return publish.publish(registry, who.draft(files), ALICE).version.version


def test_its_publishers_are_those_of_the_signed_root(
    first: TrustRoot, open_it: Callable[[], Registry], alice: Publisher
) -> None:
    registry, bob = open_it(), Publisher("bob")
    bob.list_in(registry.settings.publishers_file)
    assert published(registry, alice) == 1
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        published(registry, bob, OTHER)


def test_a_rotation_counts_at_once_and_is_handed_on_with_its_signatures(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path
) -> None:
    registry, bob = open_it(), Publisher("bob")
    second = replace(first, version=2, publishers=(*first.publishers, publisher(bob)))
    file.write_bytes(trustchain.encode([signed(first), signed(second)]))
    assert published(registry, bob) == 1
    links = trustchain.parse(canonical.encode(registry.trust_document()))
    assert [(link.trust.version, len(link.signatures)) for link in links] == [(1, 2), (2, 2)]


def test_a_rollback_stops_publication_until_the_newer_root_is_back(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path, alice: Publisher
) -> None:
    registry, old = open_it(), file.read_bytes()
    new = trustchain.encode([signed(first), signed(replace(first, version=2))])
    file.write_bytes(new)
    assert published(registry, alice) == 1
    file.write_bytes(old)
    with pytest.raises(errors.TrustRootRefused, match="older than version 2"):
        published(registry, alice, OTHER)
    file.write_bytes(new)
    assert published(registry, alice, OTHER) == 2


def test_a_rollback_is_noticed_after_a_restart_too(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path
) -> None:
    old = file.read_bytes()
    file.write_bytes(trustchain.encode([signed(first), signed(replace(first, version=2))]))
    open_it()
    file.write_bytes(old)
    with pytest.raises(errors.TrustRootRefused, match="older than version 2"):
        open_it()


def test_a_signed_root_cannot_be_switched_off_by_a_setting(
    first: TrustRoot, open_it: Callable[[], Registry], settings: Settings
) -> None:
    open_it()
    with pytest.raises(errors.TrustRootRefused, match="is not signed, and version 1 was accepted"):
        opening.open_registry(settings)


def test_an_expired_root_publishes_nothing_and_what_is_there_still_verifies(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path, alice: Publisher
) -> None:
    registry = open_it()
    assert published(registry, alice) == 1
    expired = replace(first, version=2, expires="2026-01-01T00:00:00Z")
    file.write_bytes(trustchain.encode([signed(first), signed(expired)]))
    with pytest.raises(errors.TrustRootExpired, match="nothing new is verified"):
        published(registry, alice, OTHER)
    assert verification.verify(registry, registry.trust_root()).flaws == []


def test_the_root_of_another_registry_is_refused(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path
) -> None:
    stranger = dsse.signer("registry", keys.generate_signing_key().public_pem)
    file.write_bytes(trustchain.encode([signed(replace(first, registry=stranger))]))
    with pytest.raises(errors.InvalidConfig, match="of another registry or log"):
        open_it()


def test_a_root_that_is_not_there_is_named(open_it: Callable[[], Registry], file: Path) -> None:
    with pytest.raises(errors.InvalidConfig, match=r"signed\.json: the trust root cannot be read"):
        open_it()


def test_a_root_without_the_custodian_is_refused(
    settings: Settings, first: TrustRoot, file: Path
) -> None:
    with pytest.raises(errors.InvalidConfig, match="own publisher 'custodian'"):
        opening.open_registry(replace(settings, trust=file, custodian=True))


def test_a_key_counts_up_to_its_entry_of_the_log_and_what_it_signed_before_stays(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path, alice: Publisher
) -> None:
    registry = open_it()
    assert published(registry, alice) == 1
    left = replace(first.publishers[0], until=1)
    second = replace(first, version=2, publishers=(left,))
    file.write_bytes(trustchain.encode([signed(first), signed(second)]))
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        published(registry, alice, OTHER)
    assert verification.verify(registry, registry.trust_root()).flaws == []


def test_a_publisher_by_certificate_publishes_under_the_name_of_the_list(
    first: TrustRoot, open_it: Callable[[], Registry], file: Path
) -> None:
    lab = authorities.root(replace(authorities.AUTHORITY, days_after=36500, days_before=3650))
    leaf = authorities.issue(authorities.Wish(days_after=36500, days_before=3650), lab)
    named = authority("lab", lab.pem, (Identity("email", "alice@example.org", "alice"),))
    second = replace(first, version=2, authorities=(named,))
    file.write_bytes(trustchain.encode([signed(first), signed(second)]))
    registry = open_it()
    store(registry, FILES)
    bundle = sign.sign_model("digits", listed(FILES), keys.SigningKey(leaf.private), [leaf.der])
    draft = Draft("digits", None, "onnx", listed(FILES), bundle)
    made = publish.publish(registry, draft, ALICE)
    assert made.version.variants[0].publisher == "alice"
    assert verification.verify(registry, registry.trust_root()).flaws == []


def test_the_registrys_key_is_replaced_and_what_the_old_one_vouched_for_verifies(
    first: TrustRoot,
    open_it: Callable[[], Registry],
    file: Path,
    alice: Publisher,
    settings: Settings,
) -> None:
    registry = open_it()
    assert published(registry, alice) == 1
    registry.close()
    new, path = keys.generate_signing_key(), settings.data_dir / "keys" / "registry.pem"
    path.unlink()
    keys.write(new, path)
    second = trustedit.replace_registry(
        replace(first, version=2), dsse.signer("registry", new.public_pem), 1
    )
    file.write_bytes(trustchain.encode([signed(first), signed(second)]))
    registry = open_it()
    assert published(registry, alice, OTHER) == 2
    assert verification.verify(registry, registry.trust_root()).flaws == []
