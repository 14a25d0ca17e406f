"""Opens the key provider that the settings name."""

from pathlib import Path

from registry import errors
from registry.settings import Encryption, Settings
from registry.trust.key_file import KeyFile
from registry.trust.wrapping import KeyProvider


def open_provider(settings: Settings) -> KeyProvider | None:
    """None where encryption is off. Raises InvalidConfig, Unavailable."""
    wanted = settings.encryption
    match wanted.provider:
        case "file":
            return KeyFile(settings.key_file)
        case "pkcs11" if wanted.pkcs11_pin_file is not None:
            return _module(wanted, wanted.pkcs11_pin_file)
        case "vault" if wanted.vault_token_file is not None:
            from registry.trust.key_vault import VaultTransit  # noqa: PLC0415  an HTTP client

            return VaultTransit(
                wanted.vault_url, wanted.vault_mount, wanted.vault_key, wanted.vault_token_file
            )
        case _:
            return None


def _module(wanted: Encryption, pin_file: Path) -> KeyProvider:
    try:
        from registry.trust.key_pkcs11 import Pkcs11Key  # noqa: PLC0415  an extra of its own
    except ImportError as error:
        raise errors.InvalidConfig(
            f"key modules cannot be used: {error}", fix="pip install 'plimsoll[pkcs11]'"
        ) from error
    return Pkcs11Key(wanted.pkcs11_module, wanted.pkcs11_token, wanted.pkcs11_key, pin_file)


def existing(settings: Settings) -> KeyProvider | None:
    """As `open_provider`, but no key file is made; raises InvalidConfig where it is not there."""
    if settings.encryption.provider == "file" and not settings.key_file.exists():
        raise errors.InvalidConfig(
            f"the blobs are encrypted, and their key file {settings.key_file} is not there",
            fix="put it there: it is the one that the registry had when it stored them",
        )
    return open_provider(settings)
