"""Key files: made once, private to their owner, refused when they are not."""

import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry import errors
from registry.trust import keys


def test_a_written_signing_key_is_private_and_loads_again(tmp_path: Path):
    path = tmp_path / "deep" / "publisher.pem"
    key = keys.generate_signing_key()
    keys.write(key, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.load_signing_key(path).public_pem == key.public_pem
    assert [entry.name for entry in path.parent.iterdir()] == ["publisher.pem"]


def test_a_written_log_key_loads_again(tmp_path: Path):
    path = tmp_path / "log.pem"
    key = keys.generate_log_key()
    keys.write(key, path)
    assert keys.load_log_key(path).public_raw == key.public_raw


def test_a_key_never_shows_in_its_own_repr():
    key = keys.generate_signing_key()
    assert repr(key) == f"SigningKey({key.hint})"
    assert "private" not in repr(keys.generate_log_key())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_key_that_others_may_read_is_refused_with_the_fix(tmp_path: Path, mode: int):
    path = tmp_path / "publisher.pem"
    keys.write(keys.generate_signing_key(), path)
    path.chmod(mode)
    with pytest.raises(errors.InvalidConfig, match=f"mode 0{mode:o}") as caught:
        keys.load_signing_key(path)
    assert f"chmod 600 {path}" in caught.value.fix


def test_an_existing_key_is_never_overwritten(tmp_path: Path):
    path = tmp_path / "publisher.pem"
    keys.write(keys.generate_signing_key(), path)
    before = path.read_bytes()
    with pytest.raises(errors.Conflict):
        keys.write(keys.generate_signing_key(), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["publisher.pem"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path):
    path, found = tmp_path / "registry.pem", []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(keys.load_or_create_signing_key(path).hint)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_log_key_does_not_sign_models_nor_the_reverse(tmp_path: Path):
    keys.write(keys.generate_log_key(), tmp_path / "log.pem")
    keys.write(keys.generate_signing_key(), tmp_path / "publisher.pem")
    with pytest.raises(errors.InvalidConfig, match="not an ECDSA key on P-256"):
        keys.load_signing_key(tmp_path / "log.pem")
    with pytest.raises(errors.InvalidConfig, match="not an Ed25519 key"):
        keys.load_log_key(tmp_path / "publisher.pem")


def test_an_ecdsa_key_on_another_curve_is_refused(tmp_path: Path):
    path = tmp_path / "secp256k1.pem"
    path.touch(0o600)
    path.write_bytes(
        ec.generate_private_key(ec.SECP256K1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(errors.InvalidConfig, match="not an ECDSA key on P-256"):
        keys.load_signing_key(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.pem"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(errors.InvalidConfig, match=r"broken\.pem: not an unencrypted PEM"):
        keys.load_signing_key(path)


def test_a_missing_key_file_is_named_with_how_to_make_one(tmp_path: Path):
    with pytest.raises(errors.InvalidConfig, match=r"none\.pem") as caught:
        keys.load_signing_key(tmp_path / "none.pem")
    assert "plimsoll keys generate" in caught.value.fix


def test_a_folder_or_a_pipe_is_not_a_key(tmp_path: Path):
    with pytest.raises(errors.InvalidConfig, match="not a plain file"):
        keys.load_signing_key(tmp_path)
