"""One suite for every key provider: a file, SoftHSM behind PKCS#11, and Vault's transit API."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from registry import errors
from registry.core.age import Stanza
from registry.settings import Encryption, Settings
from registry.trust.wrapping import KeyProvider
from registry.usecases import key_providers, opening, rotation, transfers
from tests.registry import modules, vaults
from tests.registry.keeping import ROOT
from tests.registry.publishing import digest_of
from tests.registry.test_encryption import SECRET, content, keys_of
from tests.registry.vaults import Transit

Open = Callable[[], KeyProvider]


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return modules.set_up(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def transit() -> Iterator[Transit]:
    with vaults.running() as found:
        yield found


@pytest.fixture(params=["file", "pkcs11", "vault"])
def encryption(request: pytest.FixtureRequest, tmp_path: Path) -> Encryption:
    match request.param:
        case "pkcs11":
            module = request.getfixturevalue("softhsm")
            return Encryption(
                "pkcs11", pkcs11_module=module, pkcs11_token=modules.LABEL,
                pkcs11_key=modules.new_key(), pkcs11_pin_file=modules.write_pin(tmp_path / "pin"),
            )  # fmt: skip
        case "vault":
            found: Transit = request.getfixturevalue("transit")
            (tmp_path / "token").write_text(vaults.TOKEN)
            (tmp_path / "token").chmod(0o600)
            return Encryption("vault", vault_url=found.url, vault_token_file=tmp_path / "token")
        case _:
            return Encryption("file")


@pytest.fixture
def settings(tmp_path: Path, encryption: Encryption) -> Settings:
    return Settings(tmp_path / "data", encryption=encryption)


@pytest.fixture
def anew(settings: Settings) -> Open:
    """Opens the same provider once more, as another process would."""

    def open_it() -> KeyProvider:
        found = key_providers.open_provider(settings)
        assert found is not None
        return found

    return open_it


def test_what_is_wrapped_opens_again_also_elsewhere(anew: Open) -> None:
    one, other = anew(), anew()
    made = one.generate()
    assert len(made.key.secret) == 16
    assert made.by == one.current() == other.current()
    assert one.unwrap(made.stanza) == other.unwrap(made.stanza) == made.key
    assert one.generate().key != made.key
    assert made.key.secret not in made.stanza.body


def test_after_a_rotation_the_new_version_wraps_and_the_old_one_still_opens(anew: Open) -> None:
    one, other = anew(), anew()
    old = one.generate()
    new = one.rotate()
    assert new == one.current() == other.current() != old.by
    assert other.generate().by == new
    assert other.unwrap(old.stanza) == old.key


def test_rewrapping_gives_the_same_key_under_the_newest_version(anew: Open) -> None:
    one = anew()
    old = one.generate()
    new = one.rotate()
    stanza, by = one.rewrap(old.stanza)
    assert (by, one.unwrap(stanza)) == (new, old.key)
    assert stanza != old.stanza


def test_what_is_retired_opens_nothing_any_more(anew: Open) -> None:
    one = anew()
    old = one.generate()
    one.rotate()
    kept = one.generate()
    one.retire()
    other = anew()
    assert other.unwrap(kept.stanza) == kept.key
    for call in (other.unwrap, other.rewrap):
        with pytest.raises(errors.DecryptionFailed):
            call(old.stanza)


@pytest.mark.parametrize("place", [0, -1])
def test_a_wrapped_key_that_was_changed_does_not_open(anew: Open, place: int) -> None:
    one = anew()
    stanza = one.generate().stanza
    changed = bytearray(stanza.body)
    changed[place] ^= 1
    with pytest.raises(errors.DecryptionFailed):
        one.unwrap(Stanza(stanza.kind, stanza.arguments, bytes(changed)))


def test_what_another_provider_wrapped_is_refused_by_name(anew: Open) -> None:
    with pytest.raises(errors.DecryptionFailed):
        anew().unwrap(Stanza("somebody.else/kms", ("key",), bytes(32)))


def test_many_threads_may_ask_at_once(anew: Open) -> None:
    one = anew()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: one.generate(), range(24)))
        opened = list(pool.map(lambda wrapped: one.unwrap(wrapped.stanza), made))
    assert opened == [wrapped.key for wrapped in made]
    assert len({wrapped.key.secret for wrapped in made}) == 24


def test_a_registry_stores_reads_and_rotates_with_it(settings: Settings) -> None:
    registry = opening.open_registry(settings)
    transfers.put(registry, SECRET)
    before = keys_of(registry)[digest_of(SECRET)]
    done = rotation.rotate(registry, ROOT)
    rotation.retire(registry, ROOT)
    again = opening.open_registry(settings)
    assert content(again, digest_of(SECRET)) == SECRET
    after = keys_of(again)[digest_of(SECRET)]
    assert (after.id, after.wrapped_by) == (before.id, done.key)
    assert after.header != before.header
    for opened in (registry, again):
        opened.close()


def test_without_a_provider_none_is_opened(tmp_path: Path) -> None:
    assert key_providers.open_provider(Settings(tmp_path)) is None


def test_a_wrong_pin_and_a_wrong_token_are_told_and_the_pin_is_not(
    softhsm: str, tmp_path: Path
) -> None:
    pin = modules.write_pin(tmp_path / "pin")
    pin.write_text("0000-wrong\n")
    wrong = Encryption(
        "pkcs11", pkcs11_module=softhsm, pkcs11_token=modules.UNUSED, pkcs11_pin_file=pin
    )
    with pytest.raises(errors.InvalidConfig, match="does not take the PIN") as refused:
        key_providers.open_provider(Settings(tmp_path, encryption=wrong))
    assert "0000-wrong" not in str(refused.value)
    with pytest.raises(errors.InvalidConfig, match="no token called"):
        key_providers.open_provider(
            Settings(tmp_path, encryption=replace(wrong, pkcs11_token="another"))
        )
    with pytest.raises(errors.InvalidConfig, match="cannot be loaded"):
        key_providers.open_provider(
            Settings(tmp_path, encryption=replace(wrong, pkcs11_module="/no/such/module.so"))
        )


def test_a_vault_that_says_no_or_nothing_is_told_and_the_token_is_not(
    transit: Transit, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(vaults.TOKEN)
    token.chmod(0o600)
    wanted = Encryption("vault", vault_url=transit.url, vault_token_file=token)
    found = key_providers.open_provider(Settings(tmp_path, encryption=wanted))
    assert found is not None
    made = found.generate()
    transit.is_sealed = True
    with pytest.raises(errors.Unavailable, match="Vault is sealed"):
        found.unwrap(made.stanza)
    transit.is_sealed = False
    token.write_text("hvs.expired")
    with pytest.raises(errors.InvalidConfig, match="does not let the token") as refused:
        found.unwrap(made.stanza)
    assert "hvs.expired" not in str(refused.value)
    token.chmod(0o644)
    with pytest.raises(errors.InvalidConfig, match="0644"):
        found.unwrap(made.stanza)
    token.chmod(0o600)
    nobody = replace(wanted, vault_url="http://127.0.0.1:9")
    with pytest.raises(errors.Unavailable, match="does not answer"):
        key_providers.open_provider(Settings(tmp_path, encryption=nobody))


def test_vault_hands_out_keys_and_rewraps_them_itself(transit: Transit, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(vaults.TOKEN)
    token.chmod(0o600)
    wanted = Encryption("vault", vault_url=transit.url, vault_token_file=token)
    found = key_providers.open_provider(Settings(tmp_path, encryption=wanted))
    assert found is not None
    found.rewrap(found.generate().stanza)
    assert "POST /v1/transit/datakey/plaintext/plimsoll" in transit.calls
    assert "POST /v1/transit/rewrap/plimsoll" in transit.calls
    assert not [call for call in transit.calls if "encrypt" in call]
